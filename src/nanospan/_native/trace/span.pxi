"""The native span: `opentelemetry.sdk.trace.Span` with its state as numbers and references until it is read.

`nanospan.Span` derives from `NativeSpan` and from the SDK's Span. Hot methods are here. Rare ones are inherited from the SDK
and use its private names, which are properties here: reading `_attributes`, `_events` or `_links` creates the SDK's
container, which then replaces the native state, and assigning them works as on an SDK span.
"""

import logging
import threading
import time as clock
from collections.abc import Mapping
from enum import Enum
from traceback import format_exception
from types import MappingProxyType

cimport cython
from cpython.dict cimport PyDict_Next, PyDict_SetItem, PyDict_Size
from cpython.exc cimport PyErr_Fetch, PyErr_Restore
from cpython.long cimport PyLong_FromUnsignedLongLong
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.object cimport PyObject, PyObject_GenericGetAttr, Py_TYPE, PyTypeObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from cpython.tuple cimport PyTuple_GET_ITEM
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memmove

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode

from nanospan._compat import sdk as private
from nanospan._common.log import WindowedLog, log_callback_error, one_line
from nanospan._common.waiting import Waiters
from nanospan._native.base cimport generation_address
from nanospan._native.base.csrc cimport ns_clock_monotonic, ns_clock_wall
from nanospan._native.base.freelist cimport nspy_freelist, nspy_freelist_dealloc, nspy_freelist_install, nspy_freelist_take
from nanospan._native.base.pycompat cimport nspy_hash
from nanospan._native.base.threads cimport (
    FREE, add_u32, enter, leave, load_flag, load_u32, nspy_section, store_flag, store_u32
)
from nanospan._native.context.csrc cimport ns_span_id_store, ns_trace_id, ns_trace_id_store
from nanospan._native.context cimport (
    BorrowedState, Ids, NativeSpanBase, context_is_tuple, context_of_link, link_is_plain, read_context, set_span_class
)
from nanospan._native.encoding.csrc cimport NS_FLAGS_HAS_IS_REMOTE, NS_FLAGS_IS_REMOTE
from nanospan._native.encoding cimport dropped_attributes_of, dropped_items_of, fill_from_readable, time_of
from nanospan._native.encoding.span_view cimport (
    AttributePair, EncodeCounts, SpanCalls, SpanView, TraceKey, reference_or_null
)
from nanospan._native.sampling cimport process_meter
from nanospan._native.sampling.csrc cimport ns_cost_meter_call, ns_cost_meter_timed

cdef extern from "Python.h":
    Py_ssize_t PyList_GET_SIZE(object)
    PyObject *PyList_GET_ITEM(object, Py_ssize_t)
    Py_ssize_t PyUnicode_GET_LENGTH(object)
    int PyUnicode_Compare(object, object) except? -1
    object PyDictProxy_New(object)

cdef object logger = logging.getLogger(sdk.__name__)
cdef object clean_attribute_value = private.clean_attribute_value
cdef object set_clean_item = private.set_clean_item
cdef bint calls_on_ending = private.CALLS_ON_ENDING
cdef str BOUNDED_ATTRIBUTES_DICT = private.BOUNDED_ATTRIBUTES_DICT
cdef str BOUNDED_ATTRIBUTES_IMMUTABLE = private.BOUNDED_ATTRIBUTES_IMMUTABLE
cdef str BOUNDED_LIST_DEQUE = private.BOUNDED_LIST_DEQUE
cdef str LINK_ATTRIBUTES = private.LINK_ATTRIBUTES
cdef object api_link = Link
cdef object span_context_type = SpanContext
cdef object sdk_span = sdk.Span
cdef object readable_span_type = ReadableSpan
cdef object status_type = Status
cdef object status_code_type = StatusCode
cdef object UNSET = StatusCode.UNSET
cdef object OK = StatusCode.OK
cdef object ERROR = StatusCode.ERROR
# Of a span with a resource: the SDK would start threads to find one.
cdef object unset_status = ReadableSpan("", resource=Resource.get_empty()).status
cdef object internal = SpanKind.INTERNAL
cdef object concurrent_processor = sdk.ConcurrentMultiSpanProcessor

cdef enum:
    CONTEXT_IS_VALID = 5  # position in a SpanContext, if context_is_tuple()

cdef str SETTING_ON_ENDED = "Setting attribute on ended span."
cdef str CALLED_END_ON_ENDED = "Calling end() on an ended span."
cdef str CALLED_ON_ENDED = "Tried calling %s on an ended span."

# Whether spans read `time.time_ns`, which tests of applications replace, in place of the system's clock. Relaxed.
cdef bint python_clock = False


def use_python_clock(bint enabled):
    """Set which clock the spans of this process read: `time.time_ns`, looked up at each call, or the system's clock."""
    store_flag(&python_clock, enabled)


def span_time():
    """Now, in nanoseconds since the epoch, by the clock that native spans read."""
    return clock.time_ns() if load_flag(&python_clock) else PyLong_FromUnsignedLongLong(ns_clock_wall())


include "span_exclusion.pxi"
include "span_attributes.pxi"
include "span_shared.pxi"
include "span_fields.pxi"
include "span_content.pxi"


cdef inline bint has_local_parent(SpanFields span) noexcept:
    return span.has_parent and not span.parent_ids.is_remote


cdef inline object scope_of(SpanFields span):
    """The name of the instrumentation scope; None if it cannot be told."""
    return getattr(span.shared.instrumentation_scope, "name", None)


cdef void notice_abandoned(SpanFields span) noexcept:
    """Shows a span to the detector that is freed and was never ended."""
    cdef PyObject *error = NULL
    cdef PyObject *value = NULL
    cdef PyObject *traceback = NULL
    cdef Detector detector
    if span.start_state == NO_TIME or span.is_ended():
        return
    span.set_end_state(TIME_NUMBER)  # once
    PyErr_Fetch(&error, &value, &traceback)  # an exception may be passing by, which frees the span on its way
    try:
        # Where the collector has broken a cycle, the span's references are None.
        detector = detector_slot.taken()
        if detector is not None:
            detector.abandoned(
                &span.ids, has_local_parent(span), span.name, None if span.shared is None else scope_of(span)
            )
    except BaseException:
        pass  # there is nobody to raise to
    PyErr_Restore(error, value, traceback)


cdef int notice_end(SpanFields span) except -1:
    cdef Detector detector = detector_slot.taken()
    return 0 if detector is None else detector.ended(&span.ids, has_local_parent(span))


cdef class NativeSpan(SpanContent):
    """The native half of `nanospan.Span`."""

    def __dealloc__(self):
        if load_flag(&detecting):
            notice_abandoned(self)

    # --- start and end ------------------------------------------------------------------------------------------------

    cdef int begin(self, object start_time, object parent_context) except -1:
        cdef PyObject *shared = shared_of(self)
        cdef SpanView view
        if start_time is not None:
            self._start_time = start_time
        elif load_flag(&python_clock):
            self._start_time = clock.time_ns()
        else:
            self.start_number = ns_clock_wall()
            self.start_state = TIME_NUMBER
        if (<SpanShared> shared).processors is not None:
            begin_view(self, &view)
            (<SpanShared> shared).processors.started(&view, parent_context)
            return 0
        try:
            (<SpanShared> shared).span_processor.on_start(self, parent_context=parent_context)
        except Exception:
            log_callback_error((<SpanShared> shared_of(self)).span_processor, "on_start")
        return 0

    def start(self, start_time=None, parent_context=None):
        """Start the span; called once, by the tracer."""
        if self.start_state != NO_TIME:
            logger.warning("Calling start() on a started span.")
            return
        self.begin(start_time, parent_context)

    @cython.critical_section
    cdef Stop stop_clock(self, object end_time, Afterwards afterwards) except FAILED:
        """Marks the span ended, after the writes that other threads have begun."""
        if self.start_state == NO_TIME:
            raise RuntimeError("Calling end() on a not started span.")
        if self.cold_fields is not None and self.cold_fields.writer:
            slow_wait(self)
        if self.is_ended():
            return ENDED_BEFORE
        if afterwards != NOBODY:
            self.cold().ending = ANY_THREAD if afterwards == EVERY_THREAD else PyThread_get_thread_ident()
        if end_time is None:
            self.end_number = ns_clock_wall()
            self.set_end_state(TIME_NUMBER)
        else:
            # Not through the property: before CPython 3.14, a nested section on the same object releases the outer one.
            self.cold().end_object = end_time
            self.set_end_state(TIME_OBJECT)
        if afterwards == NOBODY and self.has_container:
            self.seal()
        if load_flag(&detecting):
            notice_end(self)
        return STOPPED if self.cold_fields is None or self.cold_fields.end_metrics is None else STOPPED_WITH_METRICS

    cdef int seal(self) except -1:
        """Ends the changes that _on_ending may make. The caller is in the span's critical section."""
        cdef SpanColdFields cold_fields = self.cold()
        cold_fields.ending = 0
        if self.has_container and isinstance(cold_fields.attributes, BoundedAttributes):
            setattr(cold_fields.attributes, BOUNDED_ATTRIBUTES_IMMUTABLE, True)
        return 0

    cdef int finish_timed(self, object end_time) except -1:
        cdef uint64_t began = ns_clock_monotonic()
        cdef bint sampled = self.is_sampled()
        cdef uint64_t cost = load_u32(&self.cost)
        store_u32(&self.cost, 0)
        self.finish(end_time)
        ns_cost_meter_timed(process_meter(), sampled, cost + ns_clock_monotonic() - began)
        return 0

    cdef int finish(self, object end_time) except -1:
        cdef PyObject *shared
        cdef Stop stop
        cdef SpanView view
        if load_u32(&self.cost):
            return self.finish_timed(end_time)
        if load_flag(&python_clock) and end_time is None:
            return self.finish(clock.time_ns())
        shared = shared_of(self)
        if not are_native(processors_of(shared)):
            return slow_finish(self, <SpanShared> shared, end_time)
        stop = self.stop_clock(end_time, NOBODY)
        if stop == ENDED_BEFORE:
            logger.warning(CALLED_END_ON_ENDED)
            return 0
        if stop == STOPPED_WITH_METRICS:
            self.call_end_metrics()
        begin_view(self, &view)
        (<SpanShared> shared).processors.ended(&view)
        return 0

    cdef int call_end_metrics(self) except -1:
        end_metrics = self._record_end_metrics
        if end_metrics:
            end_metrics()
        return 0

    def end(self, end_time=None):
        """End the span and pass it to the processors; a second call logs a warning and does nothing.

        ``end_time``: nanoseconds since the epoch; now if None. Raises RuntimeError if the span was never started.
        """
        self.finish(end_time)

    def is_recording(self):
        """True until the span ends; in an ``_on_ending`` still True."""
        return may_change(self)

    def __enter__(self):
        return self

    def __exit__(self, exc_type, exc_val, exc_tb):
        """End the span; an exception is recorded first."""
        if exc_val is None:
            self.end()
            return
        try:
            # Looked up on each call: a patch of the SDK's method takes effect here too.
            sdk_span.__exit__(self, exc_type, exc_val, exc_tb)
        except Exception as error:
            # The text of the exception cannot be read: the application is to get its own exception.
            report_left_out("A part of an exception", error)
            if not self.is_ended():
                if self.sets_status:
                    self.set_status(status_type(ERROR, status_text(exc_val)))
                self.end()

    # --- name and status ----------------------------------------------------------------------------------------------

    @cython.critical_section
    def update_name(self, name):
        """Replace the name."""
        if may_change(self):
            self.name = name
        else:
            logger.warning(CALLED_ON_ENDED, "update_name")

    @cython.critical_section
    def set_status(self, status, description=None):
        """Set the status from a Status or a StatusCode. OK is final; UNSET changes nothing."""
        self.write(STATUS, status, description)

    # --- for the processors -------------------------------------------------------------------------------------------

    cdef object readable(self):
        return self._readable_span()

    @cython.critical_section
    def _readable_span(self):
        cdef SpanShared shared = self.shared
        return readable_span_type(
            name=self.name,
            context=self.span_context(),
            parent=self._parent,
            resource=shared.resource,
            attributes=self.container(),
            events=self.event_container(),
            links=self._links,
            kind=self.kind,
            status=self.own_status(),
            start_time=self._start_time,
            end_time=self._end_time,
            instrumentation_info=shared.instrumentation_info,
            instrumentation_scope=shared.instrumentation_scope,
        )

    cdef bint trace_key(self, TraceKey *key) except -1:
        cdef nspy_section section
        cdef bint as_numbers, remote_known
        enter(&section, self)
        as_numbers = self.as_numbers
        key.high = self.ids.trace_high
        key.low = self.ids.trace_low
        key.has_parent = self.has_parent
        key.is_remote = self.parent_ids.is_remote
        remote_known = self.parent_as_numbers
        leave(&section)
        if as_numbers and key.has_parent and not remote_known:
            parent = self._parent
            key.is_remote = parent is not None and bool(parent.is_remote)
        return as_numbers

    cdef bint is_sampled(self) except -1:
        cdef nspy_section section
        cdef bint as_numbers, sampled
        enter(&section, self)
        as_numbers = self.as_numbers
        sampled = self.ids.flags & 1
        leave(&section)
        if as_numbers:
            return sampled
        context = self.span_context()
        return bool(context and context.trace_flags.sampled)

    cdef int fill_view(self, SpanView *view, EncodeCounts *counts) except -1:
        cdef nspy_section section
        cdef bint as_numbers
        enter(&section, self)
        try:
            as_numbers = self.as_numbers and (not self.has_parent or self.parent_as_numbers)
            if as_numbers:
                self.fill_from_numbers(view, counts)
        finally:
            leave(&section)
        return 0 if as_numbers else fill_from_readable(view, self.readable(), counts)

    cdef int fill_from_numbers(self, SpanView *view, EncodeCounts *counts) except -1:
        cdef SpanShared shared = <SpanShared> shared_of(self)
        cdef SpanColdFields cold_fields = self.cold_fields
        cdef ns_trace_id trace_id
        trace_id.high = self.ids.trace_high
        trace_id.low = self.ids.trace_low
        ns_trace_id_store(view.head.trace_id, trace_id)
        ns_span_id_store(view.head.span_id, self.ids.span)
        view.flags = NS_FLAGS_HAS_IS_REMOTE | self.ids.flags
        view.head.has_parent = self.has_parent
        if self.has_parent:
            ns_span_id_store(view.head.parent_span_id, self.parent_ids.span)
            if self.parent_ids.is_remote:
                view.flags |= NS_FLAGS_IS_REMOTE
        view.head.start_time = (
            self.start_number if self.start_state == TIME_NUMBER else time_of(self._start_time, counts))
        view.head.end_time = self.end_number if self.end_state == TIME_NUMBER else time_of(self._end_time, counts)
        view.trace_state = reference_or_null(self.trace_state)
        view.name = reference_or_null(self.name)
        view.kind = reference_or_null(self.kind)
        view.resource = reference_or_null(shared.resource)
        view.scope = reference_or_null(shared.instrumentation_scope or None)
        if cold_fields is None:
            view.pairs = self.pairs
            view.pair_count = self.pair_count
            view.status = reference_or_null(unset_status)
            return 0
        if self.has_container:
            view.attributes = reference_or_null(cold_fields.attributes)
            view.dropped_attributes = dropped_attributes_of(cold_fields.attributes, counts)
        else:
            view.pairs = self.pairs
            view.pair_count = self.pair_count
        view.events = reference_or_null(cold_fields.events)
        view.dropped_events = dropped_items_of(cold_fields.events, counts)
        view.links = reference_or_null(cold_fields.links)
        view.dropped_links = dropped_items_of(cold_fields.links, counts)
        view.status = reference_or_null(self.own_status())
        return 0


include "span_processors.pxi"


# --- free list --------------------------------------------------------------------------------------------------------

cdef nspy_freelist free_list
cdef tuple no_arguments = ()


cdef void dealloc(PyObject *span) noexcept:
    nspy_freelist_dealloc(&free_list, span)


cdef int reset(PyObject *span) noexcept:
    if load_flag(&detecting):
        notice_abandoned(<NativeSpan> span)
    try:
        return (<NativeSpan> span).forget()
    except BaseException:
        return False


def bind_span_class(cls):
    """Set the public class of native spans; called once, at import."""
    set_span_class(cls)
    nspy_freelist_install(&free_list, cls, dealloc, reset)
    return cls


cdef NativeSpan new_span():
    return <NativeSpan> nspy_freelist_take(&free_list, no_arguments)
