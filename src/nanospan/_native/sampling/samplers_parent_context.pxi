# Reads the parent's SpanContext; included by samplers.pxi.

cdef object span_context_type = SpanContext
cdef object trace_flags_type = TraceFlags


# SpanContext is a tuple; these are its positions. If a release moves them, context_is_tuple() is False: slower, but correct.
cdef enum:
    IS_REMOTE = 2
    TRACE_FLAGS = 3
    TRACE_STATE = 4
    IS_VALID = 5

cdef bint span_context_is_tuple = context_is_tuple()


cdef object current_span_context(object context):
    """get_current_span(context).get_span_context()"""
    return span_in(context).get_span_context()


cdef bint is_valid(object span_context) except -1:
    if span_context_is_tuple and type(span_context) is span_context_type:
        return bool((<tuple>span_context)[IS_VALID])
    return span_context is not None and bool(span_context.is_valid)


cdef object valid_parent(object context):
    span_context = current_span_context(context)
    return span_context if is_valid(span_context) else None


cdef int parent_bits(object span_context) except -1:
    cdef int bits = PARENT_VALID
    if span_context is None:
        return 0
    if span_context_is_tuple and type(span_context) is span_context_type:
        remote = (<tuple>span_context)[IS_REMOTE]
        flags = (<tuple>span_context)[TRACE_FLAGS]
    else:
        remote = span_context.is_remote
        flags = span_context.trace_flags
    if remote:
        bits |= PARENT_REMOTE
    if type(flags) is trace_flags_type:
        if PyLong_AsUnsignedLongLongMask(flags) & 1:
            bits |= PARENT_SAMPLED
    elif flags.sampled:
        bits |= PARENT_SAMPLED
    return bits


cdef bint is_remote(object span_context) except -1:
    if span_context_is_tuple and type(span_context) is span_context_type:
        return bool((<tuple>span_context)[IS_REMOTE])
    return bool(span_context.is_remote)


cdef bint is_random(object span_context) except -1:
    """The random flag of the parent's trace."""
    flags = span_context.trace_flags
    return isinstance(flags, int) and PyLong_AsUnsignedLongLongMask(flags) & 2 != 0


cdef object state_of(object span_context):
    """The trace state of a valid parent; None if there is no parent."""
    if span_context is None:
        return None
    if span_context_is_tuple and type(span_context) is span_context_type:
        return (<tuple>span_context)[TRACE_STATE]
    return span_context.trace_state
