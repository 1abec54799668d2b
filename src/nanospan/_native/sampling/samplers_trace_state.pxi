# The `ot` member of a trace state, for samplers; included by samplers.pxi.
#
# A trace state that differs from the parent's is a new TraceState, created through public calls of the API. That takes
# microseconds, but happens only where a trace enters the process or a threshold changes.

cdef enum:
    MAX_MEMBERS = 32  # of a trace state (W3C)

cdef str OT = "ot"
cdef object trace_state_type = TraceState
cdef object default_trace_state = DEFAULT_TRACE_STATE


cdef object ot_text(object trace_state):
    """The value of `ot`, or None."""
    if OT in trace_state:
        value = trace_state[OT]
        if isinstance(value, str):
            return value
    return None


cdef bytes ascii_text(object text):
    """The text as bytes; a character beyond ASCII becomes `?`, which is invalid in an `ot` value."""
    return (<str> text).encode("ascii", "replace")


cdef bint read_ot(const SamplingInput *given, ns_ot *ot) except -1:
    cdef bytes text
    ot[0] = ns_ot(False, False, 0, 0)
    if given.parent_state is NULL:
        return False
    value = ot_text(<object> given.parent_state)
    if value is None:
        return False
    text = ascii_text(value)
    return ns_ot_read(text, len(text), ot)


cdef int write_ot(const SamplingInput *given, SamplingOutput *output, uint64_t threshold, uint64_t randomness) except -1:
    cdef char written[NS_OT_MAX_LENGTH]
    cdef bytes text = b""
    cdef int length
    state = None if given.parent_state is NULL else <object> given.parent_state
    old = None if state is None else ot_text(state)
    if old is not None:
        text = ascii_text(old)
    elif threshold == NS_OT_NONE and randomness == NS_OT_NONE:
        return 0
    length = ns_ot_write(text, len(text), threshold, randomness, written)
    if length < 0:
        # The other sub-keys leave no room for the new values. The old threshold is invalid and must still be removed.
        length = ns_ot_write(text, len(text), NS_OT_NONE, NS_OT_NONE, written)
    value = written[:length].decode("ascii")
    if value == (old or ""):
        return 0
    output.state_changed = True
    others = [(OT, value)] if value else []
    if state is not None:
        for pair in state.items():
            if pair[0] != OT and len(others) < MAX_MEMBERS:
                others.append(pair)
    if others:
        changed = (Level2TraceState if isinstance(state, Level2TraceState) else trace_state_type)(others)
        Py_INCREF(changed)
        output.state = <PyObject *> changed
    return 0


cdef object state_of_threshold(uint64_t threshold):
    cdef char text[NS_THRESHOLD_DIGITS]
    cdef size_t length = ns_threshold_encode(threshold, text)
    return trace_state_type([(OT, "th:" + text[:length].decode("ascii"))])
