# The shared state of a tracer's spans, and the events and links of a span; included by span.pxi.

cdef Bounds bounds_of(object limits) except *:
    """Reads the bounds for `set_limits`. Separate and first: `limits` may be any object, and reading it may run Python code
    or other threads."""
    cdef Bounds bounds
    max_attributes = limits.max_span_attributes
    max_length = limits.max_span_attribute_length
    bounds.attributes = -1 if max_attributes is None else max_attributes
    bounds.value_length = -1 if max_length is None else max_length
    return bounds


cdef class SpanShared:
    """State that the spans of a tracer share."""

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

    cdef int set_limits(self, object limits, Bounds bounds) except -1:
        self.max_attributes = bounds.attributes
        self.max_value_length = bounds.value_length
        self.limits = limits
        return 0

    cdef int set_processor(self, object span_processor) except -1:
        self.processors = span_processor if isinstance(span_processor, NativeProcessors) else None
        self.span_processor = span_processor
        return 0


# For a span that was not created by a tracer, until its constructor has run.
cdef SpanShared nothing_shared = SpanShared()


cdef class NativeEvent:
    """An event with cleaned attributes; converted to an `opentelemetry.sdk.trace.Event` when it is read."""

    cdef object as_sdk_event(self, object limits):
        attributes = bounded_attributes(self.attributes, limits.max_event_attributes, limits.max_attribute_length)
        attributes.dropped = self.dropped_attributes
        setattr(attributes, BOUNDED_ATTRIBUTES_IMMUTABLE, True)
        return Event(self.name, attributes, self.timestamp)


cdef class NativeLink:
    """A link with cleaned attributes. `as_sdk_link` gives the caller's own Link, with them in the SDK's container."""

    cdef object as_sdk_link(self, object limits):
        attributes = bounded_attributes(self.attributes, limits.max_link_attributes, limits.max_attribute_length)
        attributes.dropped = self.dropped_attributes
        setattr(attributes, BOUNDED_ATTRIBUTES_IMMUTABLE, True)
        setattr(self.link, LINK_ATTRIBUTES, attributes)
        return self.link


cdef NativeLink native_link(object link, object max_attributes, object max_length):
    """None if only the SDK's code can say what becomes of ``link``."""
    cdef NativeLink made
    if type(link) is not api_link:
        return None
    context = context_of_link(link)
    if type(context) is not span_context_type or not <object> PyTuple_GET_ITEM(context, CONTEXT_IS_VALID):
        return None
    made = NativeLink.__new__(NativeLink)
    made.link = link
    made.context = context
    attributes = PyObject_GenericGetAttr(link, LINK_ATTRIBUTES)
    made.attributes = {} if attributes is None or is_empty(attributes) else clean_mapping(
        attributes, max_attributes, max_length, &made.dropped_attributes)
    return made
