from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t

from nanospan._native.encoding.csrc cimport ns_buf, ns_span_head


cdef struct EncodeCounts:
    uint64_t repaired  # values changed so that OTLP can carry them
    uint64_t lost      # attributes, events, links and fields left out

# The body of one Span message. 0, or 1 if nothing usable could be written. Raises only what is not an Exception
# (KeyboardInterrupt and its like, out of Python code that an attribute value runs).
cdef int encode_span(ns_buf *buf, object span, EncodeCounts *counts) except -1

# One attribute of a native span; owned by the span.
cdef struct AttributePair:
    Py_hash_t hash
    PyObject *key
    PyObject *value

# What a native span holds as plain numbers. Of `head`, ids, has_parent and times are filled in.
cdef struct SpanView:
    ns_span_head head
    uint32_t flags
    const AttributePair *pairs
    size_t pair_count

# encode_span for spans that are no ReadableSpan. The attributes are the pairs, unless `attributes` is not None.
cdef int encode_parts(ns_buf *buf, SpanView *parts, object trace_state, object name, object kind, object attributes,
                      object events, object links, object status, EncodeCounts *counts) except -1

# Nanoseconds since the epoch as OTLP can carry them.
cdef uint64_t time_of(object value, EncodeCounts *counts) except? 0


# Which trace a span belongs to, and where it stands in it.
cdef struct TraceKey:
    uint64_t high
    uint64_t low
    bint has_parent
    bint is_remote  # the parent


cdef class EncodableSpan:
    cdef bint trace_key(self, TraceKey *key) except -1  # False if its ids are no numbers of the right size
    cdef int encode(self, ns_buf *buf, EncodeCounts *counts) except -1  # as encode_span
    cdef bint is_sampled(self) except -1
    cdef object own_resource(self)
    cdef object own_scope(self)
    cdef object readable(self)  # a new ReadableSpan


# Whole fields of ResourceSpans and ScopeSpans.
cdef bytes encode_resource(object resource, EncodeCounts *counts)
cdef bytes encode_scope(object scope, EncodeCounts *counts)
cdef bytes encode_schema_url(object owner, EncodeCounts *counts)

# The resource and the instrumentation scope of a span, as encode_span found them.
cdef object resource_of(object span)
cdef object scope_of(object span)

cdef void buffer_free(ns_buf *buf) noexcept nogil
