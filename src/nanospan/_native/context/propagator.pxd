from nanospan._native.context.csrc cimport ns_traceparent
from nanospan._native.context.identity cimport BorrowedState

cdef enum Verdict:
    READ
    REFUSED
    UNUSUAL  # only the API's own code can read it

cdef Verdict read_traceparent(object header, ns_traceparent *parsed) noexcept

# The header of a SpanContext; None: only the API's own code can write it.
cdef object traceparent_of(object span_context, BorrowedState *trace_state)
