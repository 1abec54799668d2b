# Spans of the native tracer, which come as numbers and references and not as a ReadableSpan; included by encoder.pyx.

cdef uint64_t time_of(object value, EncodeCounts *counts) except? 0:
    return timestamp(value, counts)


cdef int encode_parts(ns_buf *buf, SpanView *parts, object trace_state, object name, object kind, object attributes,
                      object events, object links, object status, EncodeCounts *counts) except -1:
    cdef size_t i
    try:
        put_begin(buf, &parts.head, trace_state, name, kind, counts)
        if attributes is None:
            for i in range(parts.pair_count):
                put_pair(buf, NS_TAG_SPAN_ATTRIBUTE, <object> parts.pairs[i].key, <object> parts.pairs[i].value,
                         VALUE_DEPTH, counts)
        else:
            put_pairs(buf, NS_TAG_SPAN_ATTRIBUTE, attributes, counts)
        put_rest(buf, dropped_from(attributes, BoundedAttributes, counts), events, dropped_from(events, BoundedList, counts),
                 links, dropped_from(links, BoundedList, counts), status, parts.flags, counts)
    except Exception:
        return UNUSABLE
    return UNUSABLE if buf.failed else ENCODED


cdef class EncodableSpan:
    """What a queue takes from a native tracer: a span that writes itself."""

    cdef bint trace_key(self, TraceKey *key) except -1:
        return False

    cdef int encode(self, ns_buf *buf, EncodeCounts *counts) except -1:
        raise NotImplementedError

    cdef bint is_sampled(self) except -1:
        return False

    cdef object own_resource(self):
        raise NotImplementedError

    cdef object own_scope(self):
        raise NotImplementedError

    cdef object readable(self):
        raise NotImplementedError
