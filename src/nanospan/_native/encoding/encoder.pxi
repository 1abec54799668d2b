"""Encodes a Python span as an OTLP Span message.

The fields and their order follow opentelemetry-proto trace/v1. The bytes equal those of the reference encoder, plus two
fields that it omits (the W3C bits of `flags`, the trace state of links). No content of a span makes the encoder raise, and
a bad field loses only that field; docs/limitations.md lists each case.
"""

from collections.abc import Mapping, Sequence

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_Next, PyDict_Size
from cpython.float cimport PyFloat_AS_DOUBLE
from cpython.long cimport PyLong_AsLong, PyLong_AsLongLongAndOverflow
from cpython.object cimport PyObject, PyObject_GenericGetAttr, PyObject_GetAttr
from cpython.tuple cimport PyTuple_GET_ITEM
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memset

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace.span import DEFAULT_TRACE_STATE

from nanospan._compat import sdk as private
from nanospan._native.base.csrc cimport ns_text
from nanospan._native.base.pycompat cimport nspy_id_bytes, nspy_id_halves, nspy_text
from nanospan._native.base.threads cimport FREE, add_u64, load_u64
from nanospan._native.encoding.csrc cimport *
from nanospan._native.encoding.span_view cimport (
    EncodeCounts, SpanCalls, SpanView, TraceKey, clear_view, object_or_none, reference_or_null, release_view
)

# Their instances are read by their fields, and by the public properties in a release that has moved one.
cdef object exact_span = private.read_directly(ReadableSpan)
cdef object exact_attributes = private.read_directly(BoundedAttributes)
cdef object exact_list = private.read_directly(BoundedList)
cdef object exact_status = private.read_directly(Status)
cdef object exact_resource = private.read_directly(Resource)
cdef object exact_scope = private.read_directly(InstrumentationScope)

cdef dict FIELDS = private.READABLE_SPAN_FIELDS
cdef str ATTRIBUTES = FIELDS["attributes"]
cdef str CONTEXT = FIELDS["context"]
cdef str END_TIME = FIELDS["end_time"]
cdef str EVENTS = FIELDS["events"]
cdef str KIND = FIELDS["kind"]
cdef str LINKS = FIELDS["links"]
cdef str NAME = FIELDS["name"]
cdef str PARENT = FIELDS["parent"]
cdef str RESOURCE = FIELDS["resource"]
cdef str SCOPE = FIELDS["instrumentation_scope"]
cdef str START_TIME = FIELDS["start_time"]
cdef str STATUS = FIELDS["status"]
cdef str BOUNDED_ATTRIBUTES_DICT = private.BOUNDED_ATTRIBUTES_DICT
cdef str BOUNDED_LIST_DEQUE = private.BOUNDED_LIST_DEQUE
cdef str STATUS_CODE = private.STATUS_CODE
cdef str STATUS_DESCRIPTION = private.STATUS_DESCRIPTION
cdef str RESOURCE_ATTRIBUTES = private.RESOURCE_ATTRIBUTES
cdef str SCHEMA_URL = private.SCHEMA_URL
cdef str SCOPE_NAME = private.SCOPE_NAME
cdef str SCOPE_VERSION = private.SCOPE_VERSION
cdef str SCOPE_ATTRIBUTES = private.SCOPE_ATTRIBUTES

cdef object INTERNAL = SpanKind.INTERNAL
cdef object SERVER = SpanKind.SERVER
cdef object CLIENT = SpanKind.CLIENT
cdef object PRODUCER = SpanKind.PRODUCER
cdef object CONSUMER = SpanKind.CONSUMER
cdef object UNSET = StatusCode.UNSET
# Of a span with a resource: the SDK would start threads to find one.
cdef object default_status = ReadableSpan("", resource=Resource.get_empty()).status
cdef object OK = StatusCode.OK
cdef object ERROR = StatusCode.ERROR

# Every request contains its resource and scope: one too large for a request would block all of them.
cdef size_t MAX_SHARED = 1 << 20
cdef uint64_t MAX_TIME = <uint64_t> 0xFFFFFFFFFFFFFFFF
cdef uint32_t MAX_DROPPED = <uint32_t> 0xFFFFFFFF


cdef class SpanContract:
    cdef int apply(self, SpanView *view, EncodeCounts *counts) except -1:
        raise NotImplementedError

    cdef object shared_attributes(self, object attributes):
        raise NotImplementedError

    cdef object shared_text(self, object text):
        raise NotImplementedError

    cdef int after_fork(self) except -1:
        raise NotImplementedError

    cdef object allowed(self, object span):
        raise NotImplementedError


cdef inline object field(object owner, str name):
    """An attribute of an object whose type is exactly one of the SDK's: these types use object's lookup, and reading
    tp_getattro costs a tenth of it."""
    return PyObject_GenericGetAttr(owner, name)


# Fields lost to a limit of the interpreter or to memory, in all of the process; relaxed.
cdef uint64_t starved_fields = 0


cdef int leave_out(object error, EncodeCounts *counts) noexcept:
    """Counts a field that cannot be read or written."""
    counts.lost += 1
    note_starved(error)
    return 0


cdef int note_starved(object error) noexcept:
    if isinstance(error, (RecursionError, MemoryError)):
        add_u64(&starved_fields, 1)
    return 0


cdef uint64_t starvations() noexcept nogil:
    return load_u64(&starved_fields)


include "encoder_values.pxi"


# --- parts of a span --------------------------------------------------------------------------------------------------

cdef inline bint is_empty(object items) except -1:
    """Whether a span has no events or links; no Python call for the SDK's own list type."""
    if type(items) is exact_list:
        return not field(items, BOUNDED_LIST_DEQUE)
    return not items


cdef inline uint32_t dropped_from(object items, object bounded, EncodeCounts *counts) except? 0:
    # isinstance with an abstract class runs Python code, and costs more than the rest of the span.
    if items is None or type(items) is list or type(items) is dict or type(items) is tuple:
        return 0
    try:
        if type(items) is bounded or isinstance(items, bounded):
            return dropped_count(items.dropped, counts)
    except Exception as error:
        leave_out(error, counts)
    return 0


cdef int put_event(ns_buf *buf, object event, EncodeCounts *counts) except -1:
    cdef size_t replaced = 0
    name = as_str(event.name, counts)
    cdef ns_text name_text = text_or_empty(name)
    cdef ns_mark mark = ns_otlp_event_begin(buf, timestamp(event.timestamp, counts), &name_text, &replaced)
    put_pairs(buf, NS_TAG_EVENT_ATTRIBUTE, event.attributes, counts)
    ns_otlp_event_end(buf, mark, dropped_count(event.dropped_attributes, counts))
    counts.repaired += replaced
    return 0


cdef int put_link(ns_buf *buf, object link, EncodeCounts *counts) except -1:
    cdef uint8_t trace_id[16]
    cdef uint8_t span_id[8]
    cdef size_t replaced = 0
    context = link.context
    id_bytes(context_item(context, 0, "trace_id"), trace_id, 16, counts)
    id_bytes(context_item(context, 1, "span_id"), span_id, 8, counts)
    state = trace_state_text(context_item(context, 4, "trace_state"), counts)
    cdef ns_text state_text = text_or_empty(state)
    cdef ns_mark mark = ns_otlp_link_begin(buf, trace_id, span_id, &state_text, &replaced)
    put_pairs(buf, NS_TAG_LINK_ATTRIBUTE, link.attributes, counts)
    ns_otlp_link_end(buf, mark, dropped_count(link.dropped_attributes, counts), flags_of(context, context, counts))
    counts.repaired += replaced
    return 0


ctypedef int (*put_item)(ns_buf *buf, object item, EncodeCounts *counts) except -1


cdef int put_items(ns_buf *buf, object items, put_item put, EncodeCounts *counts) except -1:
    """Events or links. An item that cannot be encoded or does not fit is left out and counted."""
    cdef ns_savepoint before
    cdef bint written
    for item in tuple(items):
        before = ns_buf_save(buf)
        try:
            put(buf, item, counts)
            written = True
        except Exception as error:
            leave_out(error, counts)
            written = False
        if not written:
            ns_buf_rewind(buf, before)
        else:
            rewind_if_failed(buf, before, counts)
    return 0


cdef int put_items_safely(ns_buf *buf, object items, put_item put, EncodeCounts *counts) except -1:
    if items is None:
        return 0
    try:
        if not is_empty(items):
            put_items(buf, items, put, counts)
    except Exception as error:
        leave_out(error, counts)
    return 0


cdef object fill_status(ns_span_tail *tail, object status, EncodeCounts *counts):
    """Sets the status fields. Returns the str that status_message points into."""
    tail.has_status = status is not None
    tail.status_code = 0
    tail.status_message = no_text()
    if status is None or status is default_status:
        return None
    try:
        if type(status) is exact_status:
            code = field(status, STATUS_CODE)
            message = field(status, STATUS_DESCRIPTION)
        else:
            code, message = status.status_code, status.description
    except Exception as error:
        leave_out(error, counts)
        return None
    if code is UNSET:
        tail.status_code = 0
    elif code is OK:
        tail.status_code = 1
    elif code is ERROR:
        tail.status_code = 2
    else:
        counts.lost += 1
    message = as_str(message, counts)
    tail.status_message = text_or_empty(message)
    return message


cdef int put_span(ns_buf *buf, SpanView *view, EncodeCounts *counts) except -1:
    cdef ns_span_tail tail
    cdef size_t i
    state = trace_state_text(object_or_none(view.trace_state), counts)
    view.head.trace_state = text_or_empty(state)
    name = object_or_none(view.name)
    if type(name) is not str:
        name = as_str(name, counts)
    view.head.name = text_or_empty(name)
    view.head.kind = span_kind(object_or_none(view.kind), counts)
    counts.repaired += ns_otlp_span_begin(buf, &view.head)
    if view.attributes is NULL:
        for i in range(view.pair_count):
            put_pair(buf, NS_TAG_SPAN_ATTRIBUTE, <object> view.pairs[i].key, <object> view.pairs[i].value, VALUE_DEPTH,
                     counts)
    else:
        put_pairs(buf, NS_TAG_SPAN_ATTRIBUTE, <object> view.attributes, counts)
    ns_otlp_span_attributes_end(buf, view.dropped_attributes)
    if view.events is not NULL:
        put_items_safely(buf, <object> view.events, put_event, counts)
    ns_otlp_span_events_end(buf, view.dropped_events)
    if view.links is not NULL:
        put_items_safely(buf, <object> view.links, put_link, counts)
    tail.dropped_links = view.dropped_links
    _message = fill_status(&tail, object_or_none(view.status), counts)
    tail.flags = view.flags
    counts.repaired += ns_otlp_span_end(buf, &tail)
    return 0


include "encoder_view.pxi"


# --- functions for other modules --------------------------------------------------------------------------------------

cdef int encode_span(ns_buf *buf, SpanView *view, EncodeCounts *counts) except -1:
    try:
        view.calls.fill(view, counts)
        if view.contract is not NULL and (<SpanContract> <object> view.contract).apply(view, counts) != 0:
            return WITHHELD
        put_span(buf, view, counts)
    except Exception:
        return UNUSABLE
    return UNUSABLE if buf.failed else ENCODED


cdef uint64_t time_of(object value, EncodeCounts *counts) except? 0:
    return timestamp(value, counts)


cdef uint32_t dropped_attributes_of(object attributes, EncodeCounts *counts) except? 0:
    return dropped_from(attributes, BoundedAttributes, counts)


cdef uint32_t dropped_items_of(object items, EncodeCounts *counts) except? 0:
    return dropped_from(items, BoundedList, counts)


cdef void buffer_free(ns_buf *buf) noexcept nogil:
    ns_buf_free(buf)


cdef bytes take_bytes(ns_buf *buf):
    """The content of the buffer; frees it."""
    try:
        if buf.failed:
            raise MemoryError
        return PyBytes_FromStringAndSize(<char *> buf.data, buf.len)
    finally:
        ns_buf_free(buf)


cdef object shared_field(object owner, object own_type, str hidden, str public, EncodeCounts *counts):
    """A field of a resource or scope. Of exactly the SDK's type without its property, which is Python code: a span that ends
    at the recursion limit has its resource too."""
    try:
        return field(owner, hidden) if type(owner) is own_type else getattr(owner, public)
    except Exception as error:
        leave_out(error, counts)
        return None


cdef bytes encode_resource(object resource, SpanContract contract, EncodeCounts *counts):
    cdef ns_buf buf
    ns_buf_init(&buf, NULL, 0, MAX_SHARED)
    cdef ns_mark mark = ns_otlp_resource_open(&buf)
    if resource is not None:
        attributes = shared_field(resource, exact_resource, RESOURCE_ATTRIBUTES, "attributes", counts)
        if contract is not None:
            attributes = contract.shared_attributes(attributes)
        put_pairs(&buf, NS_TAG_RESOURCE_ATTRIBUTE, attributes, counts)
    ns_otlp_close(&buf, mark)
    return take_bytes(&buf)


cdef bytes encode_scope(object scope, SpanContract contract, EncodeCounts *counts):
    cdef ns_buf buf
    cdef size_t replaced = 0
    name = version = None
    if scope is not None:
        name = as_str(shared_field(scope, exact_scope, SCOPE_NAME, "name", counts), counts)
        version = as_str(shared_field(scope, exact_scope, SCOPE_VERSION, "version", counts), counts)
        if contract is not None:
            name, version = contract.shared_text(name), contract.shared_text(version)
    cdef ns_text name_text = text_or_empty(name)
    cdef ns_text version_text = text_or_empty(version)
    ns_buf_init(&buf, NULL, 0, MAX_SHARED)
    cdef ns_mark mark = ns_otlp_scope_open(&buf, &name_text, &version_text, &replaced)
    if scope is not None:
        attributes = shared_field(scope, exact_scope, SCOPE_ATTRIBUTES, "attributes", counts)
        if contract is not None:
            attributes = contract.shared_attributes(attributes)
        put_pairs(&buf, NS_TAG_SCOPE_ATTRIBUTE, attributes, counts)
    ns_otlp_close(&buf, mark)
    counts.repaired += replaced
    return take_bytes(&buf)


cdef bytes encode_schema_url(object owner, SpanContract contract, EncodeCounts *counts):
    cdef ns_buf buf
    url = None
    if owner is not None:
        url = shared_field(owner, exact_resource if type(owner) is exact_resource else exact_scope, SCHEMA_URL, "schema_url",
                           counts)
    url = as_str(url, counts)
    if contract is not None:
        url = contract.shared_text(url)
    cdef ns_text url_text = text_or_empty(url)
    ns_buf_init(&buf, NULL, 0, MAX_SHARED)
    counts.repaired += ns_otlp_schema_url(&buf, &url_text)
    return take_bytes(&buf)
