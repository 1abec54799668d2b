"""What other native modules read and write natively."""

# Whether exactly a propagator of the API's class, or of nanospan's, reads and writes as native code does here.
cdef bint is_native_propagator(object propagator)

# The SpanContext of a traceparent, str or bytes, and a tracestate, which may be None; None where only the propagator can
# say.
cdef object remote_context(object traceparent, object tracestate)

# The traceparent of a Context with a native span whose trace state is empty, and nothing beside it; else None.
cdef str traceparent_in(object context)
