"""`SpanView`: the form of a span for queues and the encoder, independent of its class.

    on_end, or the native span's end()   sets `span` and `calls`
    queue                                counts the span, calls `calls.is_sampled`, checks its bounds
    encode_span                          calls `calls.fill` once, lets `contract` change the fields, then reads them

There are two tables of calls: for the native span (trace/span.pxi), and for a ReadableSpan or an object with its properties
(encoding/encoder_view.pxi). Filling is most of the cost of encoding, so a full queue drops a span before it is filled.
"""

from cpython.object cimport PyObject
from cpython.ref cimport Py_CLEAR, Py_INCREF
from libc.stdint cimport uint32_t, uint64_t

from nanospan._native.encoding.csrc cimport ns_span_head


cdef struct EncodeCounts:
    uint64_t repaired  # values changed so that OTLP can carry them
    uint64_t lost      # attributes, events, links and fields left out


# One attribute of a native span, which owns the references.
cdef struct AttributePair:
    Py_hash_t hash
    PyObject *key
    PyObject *value


# The trace id of a span, and its kind of parent.
cdef struct TraceKey:
    uint64_t high
    uint64_t low
    bint has_parent
    bint is_remote  # the parent


cdef struct SpanView


# `span` is borrowed.
cdef struct SpanCalls:
    bint (*is_sampled)(PyObject *span) except -1
    bint (*trace_key)(PyObject *span, TraceKey *key) except -1  # False: an id is not an int in range
    int (*fill)(SpanView *view, EncodeCounts *counts) except -1
    object (*readable)(PyObject *span)                          # the span as a ReadableSpan


# The caller sets `span` (borrowed) and `calls`, and keeps the span alive. `fill` sets the rest. Its references are owned,
# because encoding may run Python code that replaces a field of the span; NULL is None. The pairs are borrowed: nothing
# changes them after the end, unless an application opens the span again through the private name `_end_time`.
cdef struct SpanView:
    PyObject *span
    const SpanCalls *calls
    PyObject *contract          # a SpanContract (encoder.pxd), borrowed from the queue; NULL: none

    ns_span_head head           # except `trace_state`, `name` and `kind`, which the encoder sets
    uint32_t flags
    PyObject *trace_state
    PyObject *name
    PyObject *kind
    const AttributePair *pairs  # the attributes if `attributes` is NULL
    size_t pair_count
    PyObject *attributes
    PyObject *events
    PyObject *links
    PyObject *status
    PyObject *resource
    PyObject *scope
    uint32_t dropped_attributes
    uint32_t dropped_events
    uint32_t dropped_links


cdef inline void clear_view(SpanView *view) noexcept:
    """Initializes the references: `fill` may raise before it has set all of them."""
    view.contract = NULL
    view.trace_state = view.name = view.kind = view.attributes = view.events = view.links = NULL
    view.status = view.resource = view.scope = NULL
    view.pair_count = 0
    view.dropped_attributes = view.dropped_events = view.dropped_links = 0


cdef inline PyObject *reference_or_null(object value) noexcept:
    """An owned reference; NULL if the value is None."""
    if value is None:
        return NULL
    Py_INCREF(value)
    return <PyObject *> value


cdef inline object object_or_none(PyObject *reference):
    return None if reference is NULL else <object> reference


cdef inline void release_view(SpanView *view) noexcept:
    """Releases the owned references. May run Python code."""
    Py_CLEAR(view.trace_state)
    Py_CLEAR(view.name)
    Py_CLEAR(view.kind)
    Py_CLEAR(view.attributes)
    Py_CLEAR(view.events)
    Py_CLEAR(view.links)
    Py_CLEAR(view.status)
    Py_CLEAR(view.resource)
    Py_CLEAR(view.scope)
