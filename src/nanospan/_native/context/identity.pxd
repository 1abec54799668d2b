"""Identity of a span as numbers; its SpanContext is created on demand."""

from libc.stdint cimport uint8_t, uint64_t

cdef struct Ids:
    uint64_t trace_high
    uint64_t trace_low
    uint64_t span
    uint8_t flags    # the W3C trace flags
    bint is_remote

cdef inline bint ids_are_valid(const Ids *ids) noexcept nogil:
    return (ids.trace_high | ids.trace_low) != 0 and ids.span != 0


# The SpanContext of a span, shared with its children: `child.parent` is the parent's object. References from children to
# parents would form a chain of spans, which is freed recursively.
cdef class ContextCell:
    cdef object context  # None until first read

    cdef object shared_context(self, const Ids *ids, object trace_state)


# The base of every native span, recording or not.
cdef class NativeSpanBase:
    cdef Ids ids
    cdef bint as_numbers      # `ids` and `trace_state` are valid; otherwise only `context` is
    cdef bint has_context     # `context` was created or assigned
    cdef bint patched         # the instance has, or may have, an attribute that is not the SDK's; relaxed
    cdef object trace_state   # None: the API's default (empty)
    cdef object context
    cdef ContextCell cell     # None until the first child starts
    cdef object __weakref__

    cdef object span_context(self)
    cdef ContextCell shared_cell(self)
    cdef int adopt(self, object context) except -1  # takes the identity from a SpanContext, or from any assigned object
    cdef bint forget(self) except -1                # releases all state for reuse; False: the instance cannot be reused


cdef class NativeNonRecordingSpan(NativeSpanBase):
    pass


# A new NonRecordingSpan, without ids.
cdef NativeNonRecordingSpan new_non_recording_span()

# Sets the public class of recording spans, once.
cdef int set_span_class(object cls) except -1

# Whether a span is native and its numbers equal the result of its get_span_context().
cdef bint has_native_ids(object span) noexcept

# Whether a SpanContext is the tuple (trace_id, span_id, is_remote, trace_flags, trace_state, is_valid); checked at import.
cdef bint context_is_tuple() noexcept

# A SpanContext of these ids; `trace_state` None: the default.
cdef object make_context(const Ids *ids, object trace_state)

# Borrowed from the SpanContext that it was read from; NULL: the default.
cdef struct BorrowedState:
    void *state

# The ids and the trace state of a SpanContext. False: not exactly a SpanContext, or an id is not an int in range.
cdef bint read_context(object context, Ids *ids, BorrowedState *trace_state) except -1

# Whether a Link is its two fields, LINK_CONTEXT and LINK_ATTRIBUTES; checked at import.
cdef bint link_is_plain() noexcept

# The context of a link: without Python code if it is exactly a Link.
cdef object context_of_link(object link)
