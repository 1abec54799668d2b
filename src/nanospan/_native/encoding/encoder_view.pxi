# SpanView of a ReadableSpan, and of every object with its properties; included by encoder.pxi.

cdef object public_field(object span, str name, EncodeCounts *counts):
    try:
        return getattr(span, name)
    except Exception as error:
        leave_out(error, counts)
        return None


cdef object scope_or_none(object scope, EncodeCounts *counts):
    """A false scope is none, as for the reference."""
    try:
        return scope or None
    except Exception as error:
        leave_out(error, counts)
        return None


cdef bint fill_parent(SpanView *view, object parent, EncodeCounts *counts) noexcept:
    try:
        id_bytes(context_item(parent, 1, "span_id"), view.head.parent_span_id, 8, counts)
        return True
    except Exception as error:
        leave_out(error, counts)
        return False


cdef int fill_identity(SpanView *view, object context, object parent, object start_time, object end_time,
                       EncodeCounts *counts) except -1:
    """Raises if an own id cannot be written: only then is the span unusable."""
    id_bytes(context_item(context, 0, "trace_id"), view.head.trace_id, 16, counts)
    id_bytes(context_item(context, 1, "span_id"), view.head.span_id, 8, counts)
    view.head.has_parent = parent is not None and fill_parent(view, parent, counts)
    view.head.start_time = timestamp(start_time, counts)
    view.head.end_time = timestamp(end_time, counts)
    try:
        view.trace_state = reference_or_null(context_item(context, 4, "trace_state"))
    except Exception as error:
        leave_out(error, counts)
    view.flags = flags_of(context, parent if view.head.has_parent else None, counts)
    return 0


cdef int fill_from_sdk_span(SpanView *view, object span, EncodeCounts *counts) except -1:
    """An exact ReadableSpan: reads the fields that its properties read."""
    attributes = field(span, ATTRIBUTES)
    events = field(span, EVENTS)
    links = field(span, LINKS)
    fill_identity(view, field(span, CONTEXT), field(span, PARENT), field(span, START_TIME), field(span, END_TIME), counts)
    view.name = reference_or_null(field(span, NAME))
    view.kind = reference_or_null(field(span, KIND))
    view.attributes = reference_or_null(attributes)
    view.events = reference_or_null(events)
    view.links = reference_or_null(links)
    view.status = reference_or_null(field(span, STATUS))
    view.dropped_attributes = dropped_from(attributes, BoundedAttributes, counts)
    view.dropped_events = dropped_from(events, BoundedList, counts)
    view.dropped_links = dropped_from(links, BoundedList, counts)
    view.resource = reference_or_null(field(span, RESOURCE))
    view.scope = reference_or_null(scope_or_none(field(span, SCOPE), counts))
    return 0


cdef int fill_from_foreign_span(SpanView *view, object span, EncodeCounts *counts) except -1:
    """Any other object: reads the public properties of a ReadableSpan, one at a time."""
    context = span.get_span_context()
    fill_identity(view, context, public_field(span, "parent", counts), public_field(span, "start_time", counts),
                  public_field(span, "end_time", counts), counts)
    view.name = reference_or_null(public_field(span, "name", counts))
    view.kind = reference_or_null(public_field(span, "kind", counts))
    view.attributes = reference_or_null(public_field(span, "attributes", counts))
    view.events = reference_or_null(public_field(span, "events", counts))
    view.links = reference_or_null(public_field(span, "links", counts))
    view.status = reference_or_null(public_field(span, "status", counts))
    view.dropped_attributes = dropped_count(public_field(span, "dropped_attributes", counts), counts)
    view.dropped_events = dropped_count(public_field(span, "dropped_events", counts), counts)
    view.dropped_links = dropped_count(public_field(span, "dropped_links", counts), counts)
    view.resource = reference_or_null(public_field(span, "resource", counts))
    view.scope = reference_or_null(scope_or_none(public_field(span, "instrumentation_scope", counts), counts))
    return 0


cdef int fill_from_readable(SpanView *view, object span, EncodeCounts *counts) except -1:
    cdef EncodeCounts before = counts[0]
    if type(span) is exact_span:
        try:
            return fill_from_sdk_span(view, span, counts)
        except Exception:
            pass
        # A field is missing, or no field at all: read one at a time.
        release_view(view)
        clear_view(view)
        counts[0] = before
    return fill_from_foreign_span(view, span, counts)


# --- the calls --------------------------------------------------------------------------------------------------------

cdef bint readable_is_sampled(PyObject *reference) except -1:
    span = <object> reference
    try:
        context = field(span, CONTEXT) if type(span) is exact_span else span.context
        if type(context) is SpanContext:
            return PyLong_AsLong(<object> PyTuple_GET_ITEM(context, 3)) & 1
        return bool(context and context.trace_flags.sampled)
    except Exception:
        return True  # the flags are lost when the span is encoded


cdef bint readable_trace_key(PyObject *reference, TraceKey *key) except -1:
    span = <object> reference
    try:
        context = span.get_span_context()
        if nspy_id_halves(context.trace_id, &key.high, &key.low) != 0:
            return False
    except Exception:
        return False
    key.has_parent = key.is_remote = False
    try:
        parent = span.parent
        key.has_parent = parent is not None
        key.is_remote = parent is not None and bool(parent.is_remote)
    except Exception:
        pass
    return True


cdef int readable_fill(SpanView *view, EncodeCounts *counts) except -1:
    return fill_from_readable(view, <object> view.span, counts)


cdef object readable_itself(PyObject *reference):
    return <object> reference


cdef SpanCalls calls_of_readable
calls_of_readable.is_sampled = readable_is_sampled
calls_of_readable.trace_key = readable_trace_key
calls_of_readable.fill = readable_fill
calls_of_readable.readable = readable_itself


cdef const SpanCalls *readable_calls() noexcept nogil:
    return &calls_of_readable
