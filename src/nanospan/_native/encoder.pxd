from libc.stdint cimport uint8_t, uint64_t

from nanospan._native.ground cimport ns_buf

cdef struct EncodeCounts:
    uint64_t repaired  # values changed so that OTLP can carry them
    uint64_t lost      # attributes, events, links and fields left out

# The body of one Span message. 0, or 1 if nothing usable could be written. Raises only what is not an Exception
# (KeyboardInterrupt and its like, out of Python code that an attribute value runs).
cdef int encode_span(ns_buf *buf, object span, EncodeCounts *counts) except -1

# Whole fields of ResourceSpans and ScopeSpans.
cdef bytes encode_resource(object resource, EncodeCounts *counts)
cdef bytes encode_scope(object scope, EncodeCounts *counts)
cdef bytes encode_schema_url(object owner, EncodeCounts *counts)

# The resource and the instrumentation scope of a span, as encode_span found them.
cdef object resource_of(object span)
cdef object scope_of(object span)

cdef void buffer_free(ns_buf *buf) noexcept nogil
