"""The native tracer: start_span and start_as_current_span.

`nanospan.Tracer` derives from `NativeTracer` and from the SDK's Tracer. Its two methods are the functions of this module.
Like Python functions they accept any `self`: libraries call them with a proxy of a tracer, or reuse them in their own
classes. A tracer of exactly that class takes the native path; all others take the general one in Python
(nanospan.trace.tracer).
"""

cimport cython
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_DECREF, Py_INCREF, Py_XDECREF
from cpython.type cimport PyType_Modified
from libc.stdint cimport uint32_t, uint64_t

from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import INVALID_SPAN, NonRecordingSpan, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.span import DEFAULT_TRACE_STATE

from nanospan._compat import sdk as private
from nanospan._common.log import log_callback_error
from nanospan._native.base.csrc cimport ns_clock_monotonic
from nanospan._native.base.patches cimport MethodGuard, guard, is_original, set_attribute
from nanospan._native.base.pycompat cimport nspy_trace_id
from nanospan._native.base.threads cimport (
    FREE, add_u32, enter, keep_alive, leave, load_flag, load_u32, nspy_section, store_flag, store_u32
)
from nanospan._native.context.csrc cimport ns_trace_id
from nanospan._native.context cimport (
    Activated, Ids, NativeSpanBase, ids_are_valid, make_current, new_non_recording_span, new_root_ids, new_span_id,
    refresh_runtime, span_in, undo_current
)
from nanospan._native.sampling cimport (
    DROP, PARENT_RANDOM, PARENT_REMOTE, PARENT_SAMPLED, PARENT_VALID, RECORD_AND_SAMPLE, RECORD_ONLY, UNDECIDED,
    NativeSampler, SamplingInput, SamplingOutput, decision_of, meter_readers, process_meter, warn_of_split_traces
)
from nanospan._native.sampling.csrc cimport ns_cost_meter, ns_cost_meter_sampled, ns_cost_meter_start, ns_cost_meter_timed

cdef enum:
    SAMPLED = 1
    RANDOM = 2

cdef object INTERNAL = SpanKind.INTERNAL
cdef object api_span = Span
cdef object default_trace_state = DEFAULT_TRACE_STATE
cdef object invalid_span = INVALID_SPAN
cdef object sdk_drop = Decision.DROP
cdef object sdk_record_only = Decision.RECORD_ONLY
cdef object sdk_record_and_sample = Decision.RECORD_AND_SAMPLE
cdef tuple NO_LINKS = ()

# The public classes, and functions written in Python; set once, by nanospan.trace.tracer.
cdef object tracer_class = None
cdef object span_class = None
cdef object non_recording_class = None
cdef object id_generator_class = None
cdef object native_of = None
cdef object start_generally = None
cdef object decorate = None


def bind(*, tracer, span, non_recording_span, id_generator, native, general_start, decorator):
    """Set the public classes; called once, at import."""
    global tracer_class, span_class, non_recording_class, id_generator_class, native_of, start_generally, decorate
    tracer_class, span_class, non_recording_class = tracer, span, non_recording_span
    id_generator_class, native_of, start_generally, decorate = id_generator, native, general_start, decorator
    guard(&start_span_guard, tracer, "start_span")
    guard(&end_guard, span, "end")


cdef MethodGuard start_span_guard
cdef MethodGuard end_guard

# Always returns UNDECIDED.
cdef NativeSampler foreign_sampler = NativeSampler()

cdef extern from *:
    """
    #include "base/threads.h"
    #define nspy_shared_of_tracer(tracer) ((PyObject *)NSPY_LOAD_ACQUIRE((tracer)->shared))
    #define nspy_native_sampler_of(tracer)      ((PyObject *)NSPY_LOAD_ACQUIRE((tracer)->native_sampler))
    #define nspy_scope_name_of(tracer) ((PyObject *)NSPY_LOAD_ACQUIRE((tracer)->scope_name))
    #define nspy_ids_of(tracer)        ((PyObject *)NSPY_LOAD_ACQUIRE((tracer)->native_ids))
    #define nspy_metrics_of(tracer)    ((PyObject *)NSPY_LOAD_ACQUIRE((tracer)->metrics))
    #define nspy_set_shared_of_tracer(tracer, value)  NSPY_REPLACE((tracer)->shared, value)
    #define nspy_set_native_sampler(tracer, value)      NSPY_REPLACE((tracer)->native_sampler, value)
    #define nspy_set_scope_name(tracer, value) NSPY_REPLACE((tracer)->scope_name, value)
    #define nspy_set_ids(tracer, value)        NSPY_REPLACE((tracer)->native_ids, value)
    #define nspy_set_metrics(tracer, value)    NSPY_REPLACE((tracer)->metrics, value)
    """
    PyObject *shared_of_tracer "nspy_shared_of_tracer"(NativeTracer tracer)
    PyObject *sampler_of_tracer "nspy_native_sampler_of"(NativeTracer tracer)
    PyObject *scope_name_of "nspy_scope_name_of"(NativeTracer tracer)
    PyObject *ids_of "nspy_ids_of"(NativeTracer tracer)
    PyObject *metrics_of "nspy_metrics_of"(NativeTracer tracer)
    PyObject *set_shared_of_tracer "nspy_set_shared_of_tracer"(NativeTracer tracer, object value)
    PyObject *set_native_sampler "nspy_set_native_sampler"(NativeTracer tracer, object value)
    PyObject *set_scope_name "nspy_set_scope_name"(NativeTracer tracer, object value)
    PyObject *set_ids "nspy_set_ids"(NativeTracer tracer, object value)
    PyObject *set_metrics "nspy_set_metrics"(NativeTracer tracer, object value)


cdef int keep_alive_in(NativeTracer tracer, PyObject *owned) except -1:
    """Releases the previous value of a field, as `keep_alive` does, once the constructor of the tracer has assigned all."""
    if not tracer.constructed:
        was = <object> owned
        Py_DECREF(was)
    else:
        tracer.kept_alive = keep_alive(tracer.kept_alive, owned)
    return 0


cdef class NativeTracer:
    """The native half of `nanospan.Tracer`. The SDK's attributes are properties; the next span uses an assigned value."""

    def __cinit__(self):
        self.shared = SpanShared.__new__(SpanShared)
        self.native_sampler = foreign_sampler
        self.enabled = True

    def __setattr__(self, str name, value):
        set_attribute(self, name, value, name in ("start_span", "start_as_current_span"), &self.patched)

    @property
    def sampler(self):
        return (<SpanShared> shared_of_tracer(self)).sampler

    @sampler.setter
    def sampler(self, sampler):
        native = native_of(sampler)
        self.assign_sampler(sampler, foreign_sampler if native is None else native)

    @cython.critical_section
    cdef int assign_sampler(self, object sampler, object native) except -1:
        shared = self.shared.copy()
        shared.sampler = sampler
        keep_alive_in(self, set_shared_of_tracer(self, shared))
        keep_alive_in(self, set_native_sampler(self, native))
        return 0

    @property
    def resource(self):
        return (<SpanShared> shared_of_tracer(self)).resource

    @resource.setter
    @cython.critical_section
    def resource(self, resource):
        shared = self.shared.copy()
        shared.resource = resource
        keep_alive_in(self, set_shared_of_tracer(self, shared))

    @property
    def span_processor(self):
        return (<SpanShared> shared_of_tracer(self)).span_processor

    @span_processor.setter
    @cython.critical_section
    def span_processor(self, span_processor):
        shared = self.shared.copy()
        shared.set_processor(span_processor)
        keep_alive_in(self, set_shared_of_tracer(self, shared))

    @property
    @cython.critical_section
    def id_generator(self):
        return self.own_id_generator

    @id_generator.setter
    @cython.critical_section
    def id_generator(self, id_generator):
        _was = self.own_id_generator
        self.own_id_generator = id_generator
        keep_alive_in(self, set_ids(self, id_generator if type(id_generator) is id_generator_class else None))

    @property
    def instrumentation_info(self):
        return (<SpanShared> shared_of_tracer(self)).instrumentation_info

    @instrumentation_info.setter
    @cython.critical_section
    def instrumentation_info(self, info):
        shared = self.shared.copy()
        shared.instrumentation_info = info
        keep_alive_in(self, set_shared_of_tracer(self, shared))

    @property
    def _instrumentation_scope(self):
        return (<SpanShared> shared_of_tracer(self)).instrumentation_scope

    @_instrumentation_scope.setter
    @cython.critical_section
    def _instrumentation_scope(self, scope):
        shared = self.shared.copy()
        shared.instrumentation_scope = scope
        keep_alive_in(self, set_shared_of_tracer(self, shared))
        keep_alive_in(self, set_scope_name(self, getattr(scope, "name", None)))

    @property
    def _span_limits(self):
        return (<SpanShared> shared_of_tracer(self)).limits

    @_span_limits.setter
    @cython.critical_section
    def _span_limits(self, limits):
        bounds = bounds_of(limits)
        shared = self.shared.copy()
        shared.set_limits(limits, bounds)
        keep_alive_in(self, set_shared_of_tracer(self, shared))

    @property
    @cython.critical_section
    def _tracer_config(self):
        return self.config

    @_tracer_config.setter
    @cython.critical_section
    def _tracer_config(self, config):
        _was = self.config
        self.config = config
        store_flag(&self.enabled, config.is_enabled)

    @property
    @cython.critical_section
    def _tracer_metrics(self):
        return self.metrics

    @_tracer_metrics.setter
    @cython.critical_section
    def _tracer_metrics(self, metrics):
        keep_alive_in(self, set_metrics(self, metrics))
        self.constructed = True  # the SDK's constructor assigns the metrics last
        store_flag(&self.metered, not private.counts_nothing(metrics))


include "tracer_start.pxi"


def start_span(
    self,
    name,
    context=None,
    kind=INTERNAL,
    attributes=None,
    links=(),
    start_time=None,
    record_exception=True,
    set_status_on_exception=True,
):
    """Start a span without making it current.

    Args:
        name: The operation's name.
        context: The Context that contains the parent span; the current one if None.
        kind: The `opentelemetry.trace.SpanKind`.
        attributes: Initial attributes; the sampler sees them.
        links: `opentelemetry.trace.Link` objects.
        start_time: Nanoseconds since the epoch; now if None.
        record_exception: Whether an exception that leaves the span's ``with`` block is recorded as an event.
        set_status_on_exception: Whether such an exception sets the status to ERROR.

    Returns:
        A recording `nanospan.Span`, or a NonRecordingSpan if the sampler drops it or the tracer is disabled.
    """
    if type(self) is tracer_class:
        if load_u32(readers_of_meter):
            return start_metered(
                <NativeTracer> self, name, context, kind, attributes, links, start_time, record_exception,
                set_status_on_exception,
            )
        return start_unmetered(
            <NativeTracer> self, name, context, kind, attributes, links, start_time, record_exception,
            set_status_on_exception,
        )
    return start_generally(
        self, name, context, kind, attributes, links, start_time, record_exception, set_status_on_exception
    )


include "tracer_activation.pxi"
