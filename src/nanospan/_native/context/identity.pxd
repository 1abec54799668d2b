"""Who a span is, as numbers; the API's SpanContext is made when somebody asks for it."""

from libc.stdint cimport uint8_t, uint64_t

cdef struct Ids:
    uint64_t trace_high
    uint64_t trace_low
    uint64_t span
    uint8_t flags    # the W3C trace flags
    bint is_remote

cdef inline bint ids_are_valid(const Ids *ids) noexcept nogil:
    return (ids.trace_high | ids.trace_low) != 0 and ids.span != 0


# The SpanContext of a span, once somebody has asked for it, shared with the span's children: they show the same object as
# their parent. A child that held its parent itself would make a chain, which is freed by recursion.
cdef class ContextCell:
    cdef object context  # None until then

    cdef object shared_context(self, const Ids *ids, object trace_state)


# The base of every native span, recording or not.
cdef class NativeSpanBase:
    cdef Ids ids
    cdef bint as_numbers      # `ids` and `trace_state` say the same as the context; if not, only `context` holds
    cdef bint has_context     # `context` was made or assigned
    cdef bint patched         # an attribute other than the SDK's was set on the instance, or may have been
    cdef object trace_state   # None for the API's default, an empty one
    cdef object context
    cdef ContextCell cell     # None until the first child starts
    cdef object __weakref__

    cdef object span_context(self)
    cdef ContextCell shared_cell(self)
    cdef int adopt(self, object context) except -1  # from a SpanContext, or whatever was assigned
    cdef bint forget(self) except -1                # for another use; False if somebody has an eye on the instance


cdef class NativeNonRecordingSpan(NativeSpanBase):
    pass


# A new NonRecordingSpan, without ids.
cdef NativeNonRecordingSpan new_non_recording_span()

# Tells this module the public class of recording spans.
cdef int name_span_class(object cls) except -1

# Whether a span is a native one whose numbers say what its get_span_context() would.
cdef bint shows_ids(object span) noexcept

# Whether a SpanContext is the tuple (trace_id, span_id, is_remote, trace_flags, trace_state, is_valid): tried at import.
cdef bint context_is_tuple() noexcept

# A SpanContext of these ids; `trace_state` None for the default.
cdef object make_context(const Ids *ids, object trace_state)

# A trace state that lives as long as the SpanContext it was read from; NULL for the default.
cdef struct BorrowedState:
    void *state

# The ids and the trace state of a SpanContext. False if it is no plain SpanContext, or its ids are no numbers of the
# right size.
cdef bint read_context(object context, Ids *ids, BorrowedState *trace_state) except -1
