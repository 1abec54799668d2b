# What the spans of a tracer share, and the events of one; included by span.pyx.

cdef Bounds bounds_of(object limits) except *:
    """Asks for what `take_limits` takes: first, since `limits` is anybody's object, and asking it may let other threads in."""
    cdef Bounds bounds
    most = limits.max_span_attributes
    longest = limits.max_span_attribute_length
    bounds.attributes = -1 if most is None else most
    bounds.value_length = -1 if longest is None else longest
    return bounds


cdef class SpanShared:
    """What the spans of a tracer have in common."""

    def __cinit__(self):
        self.max_attributes = self.max_value_length = -1

    cdef SpanShared copy(self):
        cdef SpanShared made = SpanShared.__new__(SpanShared)
        made.sampler = self.sampler
        made.resource = self.resource
        made.span_processor = self.span_processor
        made.instrumentation_info = self.instrumentation_info
        made.instrumentation_scope = self.instrumentation_scope
        made.limits = self.limits
        made.processors = self.processors
        made.max_attributes = self.max_attributes
        made.max_value_length = self.max_value_length
        return made

    cdef int take_limits(self, object limits, Bounds bounds) except -1:
        self.max_attributes = bounds.attributes
        self.max_value_length = bounds.value_length
        self.limits = limits
        return 0

    cdef int take_processor(self, object span_processor) except -1:
        self.processors = span_processor if isinstance(span_processor, NativeProcessors) else None
        self.span_processor = span_processor
        return 0


# Of a span that no tracer has made, until its constructor has run.
cdef SpanShared nothing_shared = SpanShared()


cdef class NativeEvent:
    """An event whose attributes are clean; becomes an `opentelemetry.sdk.trace.Event` when somebody looks."""

    cdef object as_sdk_event(self, object limits):
        attributes = bounded_attributes(self.attributes, limits.max_event_attributes, limits.max_attribute_length)
        setattr(attributes, BOUNDED_ATTRIBUTES_IMMUTABLE, True)
        return Event(self.name, attributes, self.timestamp)
