# Attributes and other fields of spans as the rules see them; included by __init__.pyx.

cdef object SERVER = SpanKind.SERVER
cdef object CLIENT = SpanKind.CLIENT
cdef object exact_attributes = private.read_directly(BoundedAttributes)
cdef str BOUNDED_ATTRIBUTES_DICT = private.BOUNDED_ATTRIBUTES_DICT


cdef bint fits(object value, uint32_t accepted) except -1:
    """Whether a value has an accepted type; no check if `accepted` is 0."""
    cdef uint32_t kind = scalar_kind(value)
    if kind & accepted or not accepted:
        return True
    if kind:
        return False
    if isinstance(value, str):
        return accepted & KIND_STRING
    if isinstance(value, bool):
        return accepted & KIND_BOOLEAN
    if isinstance(value, int):
        return accepted & KIND_INT
    if isinstance(value, float):
        return accepted & KIND_DOUBLE
    accepted >>= KIND_ARRAY_SHIFT
    if not accepted or isinstance(value, (bytes, bytearray)) or not isinstance(value, Sequence):
        return False
    for item in value:
        if item is not None and not fits(item, accepted):
            return False
    return True


cdef object pairs_of(object attributes):
    """A dict or another mapping; an empty dict for none."""
    if attributes is None:
        return NO_PAIRS
    if type(attributes) is exact_attributes:
        return PyObject_GenericGetAttr(attributes, BOUNDED_ATTRIBUTES_DICT)
    return attributes


cdef object attributes_of(const SpanView *view):
    """The attributes of a span, as `pairs_of`."""
    cdef size_t i
    if view.attributes is not NULL:
        return pairs_of(<object> view.attributes)
    pairs = {}
    for i in range(view.pair_count):
        pairs[<object> view.pairs[i].key] = <object> view.pairs[i].value
    return pairs


cdef object kind_number(const SpanView *view):
    """The number of the span's SpanKind; 0, INTERNAL, where it has none."""
    return view.kind is not NULL and getattr(<object> view.kind, "value", 0) or 0


cdef str text_of(object text):
    """The str that the encoder would write for a key or a name."""
    if type(text) is str:
        return text
    if isinstance(text, (bytes, bytearray)):
        return bytes(text).decode("utf-8", "replace")
    return str.__str__(text) if isinstance(text, str) else str(text)


cdef bint all_same(tuple before, list after) noexcept:
    cdef Py_ssize_t i
    for i in range(PyTuple_GET_SIZE(before)):
        if before[i] is not after[i]:
            return False
    return True


cdef object changed_items(tuple before, object change, object kind):
    """The tuple itself, or one of the changed items."""
    after = []
    for item in before:
        after.append(change(item, kind))
    return before if all_same(before, after) else tuple(after)


class ChangedEvent:
    """An event as the encoder reads it."""

    __slots__ = ("name", "attributes", "timestamp", "dropped_attributes")

    def __init__(self, event, name, attributes):
        self.name = name
        self.attributes = attributes
        self.timestamp = event.timestamp
        self.dropped_attributes = event.dropped_attributes


class ChangedLink:
    """A link as the encoder reads it."""

    __slots__ = ("context", "attributes", "dropped_attributes")

    def __init__(self, link, context, attributes):
        self.context = context
        self.attributes = attributes
        self.dropped_attributes = link.dropped_attributes


cdef object bounded(object attributes, object dropped):
    """The SDK's attributes; the count of those that a limit has dropped is kept."""
    made = BoundedAttributes(None, attributes, True)
    made.dropped = dropped
    return made


cdef object listed(list items, object dropped):
    made = BoundedList.from_seq(None, items)
    made.dropped = dropped
    return made


cdef object sdk_events(const SpanView *view):
    events = []
    for event in object_or_none(view.events) or ():
        if type(event) is ChangedEvent:
            event = Event(event.name, bounded(event.attributes, event.dropped_attributes), event.timestamp)
        events.append(event)
    return listed(events, view.dropped_events)


cdef object sdk_links(const SpanView *view):
    links = []
    for link in object_or_none(view.links) or ():
        if type(link) is ChangedLink:
            link = Link(link.context, bounded(link.attributes, link.dropped_attributes))
        links.append(link)
    return listed(links, view.dropped_links)


cdef object copy_of(object span, const SpanView *view, object parent, object resource, object scope):
    """A ReadableSpan with the fields of the view."""
    attributes = object_or_none(view.attributes)
    if attributes is None:
        attributes = span.attributes
    context = span.get_span_context()
    state = object_or_none(view.trace_state)
    if state is not None and state is not context.trace_state:
        context = SpanContext(context.trace_id, context.span_id, context.is_remote, context.trace_flags, state)
    return ReadableSpan(
        name=object_or_none(view.name),
        context=context,
        parent=parent,
        resource=resource,
        attributes=bounded(attributes, view.dropped_attributes),
        events=sdk_events(view),
        links=sdk_links(view),
        kind=span.kind,
        status=object_or_none(view.status) or span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=scope,
    )
