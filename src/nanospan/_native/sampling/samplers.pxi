"""The SDK's head samplers with native decisions; nanospan.sampling defines the public classes.

Each class here is the first base of a public class whose second base is the SDK's class of the same name. Construction,
validation, descriptions and properties come from the SDK; the decision and its result come from here. nanospan's own
samplers are in threshold_samplers.pxi and rules.pxi.
"""

import logging
from types import MappingProxyType

from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_CLEAR, Py_INCREF, Py_XDECREF
from libc.stdint cimport uint64_t

from opentelemetry.sdk.trace.sampling import Decision, SamplingResult
from opentelemetry.trace import SpanContext, TraceFlags, TraceState
from opentelemetry.trace.span import DEFAULT_TRACE_STATE

from nanospan._compat.trace_state import Level2TraceState
from nanospan._native.base.patches cimport set_attribute
from nanospan._native.base.pycompat cimport nspy_id_halves, nspy_trace_id
from nanospan._native.base.threads cimport claim, load_flag, store_flag
from nanospan._native.context cimport context_is_tuple, span_in
from nanospan._native.sampling.csrc cimport (
    NS_OT_MAX_LENGTH, NS_OT_NONE, NS_THRESHOLD_DIGITS, ns_ot_read, ns_ot_write, ns_randomness_of_trace, ns_ratio_keeps,
    ns_threshold_encode, ns_threshold_keeps, ns_threshold_of_probability
)

cdef extern from "Python.h":
    unsigned long long PyLong_AsUnsignedLongLongMask(object) except? -1
    object PyDictProxy_New(object)
    object PyType_GenericAlloc(PyTypeObject *, Py_ssize_t)
    int Py_EnterRecursiveCall(const char *) except -1
    void Py_LeaveRecursiveCall()

cdef object logger = logging.getLogger("nanospan.sampling")

include "samplers_parent_context.pxi"
include "samplers_result.pxi"
include "samplers_trace_state.pxi"


# ---- the base ----

cdef set native_classes = set()


def native_class(cls):
    """Class decorator: enables native decisions for instances of exactly this class.

    A subclass may override should_sample, so it is always called through Python.
    """
    native_classes.add(cls)
    return cls


cdef bint has_native_class(object sampler):
    return type(sampler) in native_classes


cdef class NativeSampler:
    """Base of the native samplers: should_sample for the SDK, `decide` and `answer` for native callers."""

    def __cinit__(self):
        self.patched = self.decides_by_id = True

    def __setattr__(self, str name, value):
        set_attribute(self, name, value, name == "should_sample", &self.patched)
        if load_flag(&self.patched):
            store_flag(&self.decides_by_id, True)

    cdef int decide(self, uint64_t trace_id_low, int parent) noexcept nogil:
        return UNDECIDED

    cdef int answer(self, SamplingInput *given, SamplingOutput *output) except -2:
        return self.decide(given.trace_low, given.parent)

    cdef uint64_t randomness_of(self, const SamplingInput *given, const ns_ot *ot) noexcept:
        return ot.randomness if ot.has_randomness else ns_randomness_of_trace(given.trace_low)

    cdef void count_span(self, const SamplingInput *given) noexcept:
        pass

    cdef object sample(self, object parent_context, object parent, object trace_id, object name, object kind,
                       object attributes, object links, object trace_state):
        raise NotImplementedError

    cdef object sample_by_answer(self, object parent_context, object parent, object trace_id, object name, object kind,
                                 object attributes, object links, object trace_state):
        cdef SamplingInput given
        given.parent = PARENT_UNSURE
        if parent is not None:
            given.parent = parent_bits(parent) | (PARENT_RANDOM if is_random(parent) else 0)
        given.scope_name = NULL
        return self.sample_from_input(&given, parent_context, parent, trace_id, name, kind, attributes, links, trace_state)

    cdef object sample_from_input(self, SamplingInput *given, object parent_context, object parent, object trace_id,
                                  object name, object kind, object attributes, object links, object trace_state):
        cdef SamplingOutput output
        cdef int decision
        if nspy_id_halves(trace_id, &given.trace_high, &given.trace_low) != 0:
            # Not a valid trace id; the SDK's samplers use its lowest bits anyway.
            given.trace_low = PyLong_AsUnsignedLongLongMask(trace_id)
            given.trace_high = PyLong_AsUnsignedLongLongMask(trace_id >> 64)
        state = state_of(parent) if trace_state is None else trace_state
        given.state_given = trace_state is not None
        given.parent_state = NULL if state is None or state is default_trace_state else <PyObject *> state
        given.trace_id, given.context = <PyObject *> trace_id, <PyObject *> parent_context
        given.name, given.kind = <PyObject *> name, <PyObject *> kind
        given.attributes, given.links = <PyObject *> attributes, <PyObject *> links
        output.state = output.attributes = NULL
        output.state_changed = False
        try:
            decision = self.answer(given, &output)
            if output.attributes is not NULL:
                attributes = <object> output.attributes
            if output.state_changed:
                state = None if output.state is NULL else <object> output.state
            return make_result(decision_from(decision), attributes, state)
        finally:
            Py_XDECREF(output.attributes)
            Py_XDECREF(output.state)

    def should_sample(
        self, parent_context, trace_id, name, kind=None, attributes=None, links=None, trace_state=None
    ):
        """Decide on one span.

        `trace_state` replaces the parent's for samplers that read trace states. The SDK's own samplers behave as in the SDK:
        they ignore it, and the result carries the parent's.
        """
        parent = valid_parent(parent_context)
        if self.root_only and parent is not None and is_remote(parent):
            warn_of_split_traces(self)
        return self.sample(parent_context, parent, trace_id, name, kind, attributes, links, trace_state)


cdef NativeSampler foreign_sampler = NativeSampler()


cdef NativeSampler native_of(object sampler):
    return <NativeSampler>sampler if isinstance(sampler, NativeSampler) else foreign_sampler


cdef int answer_of(NativeSampler native, object sampler, SamplingInput *given, SamplingOutput *output) except -2:
    cdef int decision
    if not load_flag(&native.decides_by_id):
        return native.answer(given, output)
    decision = native.decide(given.trace_low, given.parent)
    return answer_from_python(sampler, given, output) if decision == UNDECIDED else decision


cdef int answer_from_python(object sampler, SamplingInput *given, SamplingOutput *output) except -2:
    cdef int decision
    if given.trace_id is NULL:
        trace_id = nspy_trace_id(given.trace_high, given.trace_low)
    else:
        trace_id = <object> given.trace_id
    arguments = (
        <object> given.context, trace_id, <object> given.name, <object> given.kind,
        <object> given.attributes, <object> given.links,
    )
    Py_EnterRecursiveCall(" in a sampler")
    try:
        # Six positional arguments, as the SDK's tracer passes: some samplers accept no more.
        if given.state_given:
            result = sampler.should_sample(*arguments, <object> given.parent_state)
        else:
            result = sampler.should_sample(*arguments)
    finally:
        Py_LeaveRecursiveCall()
    decision = decision_of(result.decision)
    attributes, state = result.attributes, result.trace_state
    Py_INCREF(attributes)
    output.attributes = <PyObject *> attributes
    output.state_changed = given.parent_state is NULL or state is not <object> given.parent_state
    if output.state_changed and state is not None and state is not default_trace_state:
        Py_INCREF(state)
        output.state = <PyObject *> state
    return decision


def sample_span(
    sampler, parent_context, trace_id, name, kind, attributes, links, *, bint trace_id_random, scope_name
):
    """should_sample with the facts that only a tracer knows.

    `trace_id_random`: the random flag of a new root. `scope_name`: of the instrumentation scope, or None.
    """
    cdef SamplingInput given
    cdef NativeSampler native = native_of(sampler)
    if load_flag(&native.decides_by_id):
        return sampler.should_sample(parent_context, trace_id, name, kind, attributes, links)
    parent = valid_parent(parent_context)
    if native.root_only and parent is not None and is_remote(parent):
        warn_of_split_traces(native)
    if parent is not None:
        trace_id_random = is_random(parent)
    given.parent = parent_bits(parent) | (PARENT_RANDOM if trace_id_random else 0)
    given.scope_name = NULL if scope_name is None else <PyObject *> scope_name
    return native.sample_from_input(&given, parent_context, parent, trace_id, name, kind, attributes, links, None)


cdef bint warned_of_split_traces = False


cdef int warn_of_split_traces(NativeSampler sampler) except -1:
    if load_flag(&warned_of_split_traces) or not claim(&warned_of_split_traces):
        return 0
    logger.warning(
        "%s decides on a trace that another service has started, and decided on: where the two differ, half a trace is"
        " kept. Let it decide on new traces only, with nanospan.sampling.ParentBased(root=...)",
        sampler.get_description(),
    )
    return 0


# ---- the SDK's samplers ----

cdef class NativeStaticSampler(NativeSampler):
    """Returns the same decision for every span."""

    def _bind(self, decision):
        self.decision = decision
        self.patched = not (type(self) in native_classes and isinstance(decision, Decision))
        if not self.patched:
            self.verdict = decision.value

    cdef int decide(self, uint64_t trace_id_low, int parent) noexcept nogil:
        return self.verdict if not load_flag(&self.patched) else UNDECIDED

    cdef object sample(self, object parent_context, object parent, object trace_id, object name, object kind,
                       object attributes, object links, object trace_state):
        return make_result(self.decision, attributes, state_of(parent))


cdef class NativeTraceIdRatioBased(NativeSampler):
    """Keeps the trace ids whose low 64 bits are below a bound."""

    def _bind(self, bound):
        # A subclass may compute its bound for each span: it stays in Python.
        self.patched = not (type(self) in native_classes and type(bound) is int and 0 <= bound <= 2**64)
        self.root_only = True
        if not self.patched:
            self.ratio.always = bound == 2**64
            self.ratio.bound = PyLong_AsUnsignedLongLongMask(bound)

    cdef int decide(self, uint64_t trace_id_low, int parent) noexcept nogil:
        if load_flag(&self.patched):
            return UNDECIDED
        return RECORD_AND_SAMPLE if ns_ratio_keeps(self.ratio, trace_id_low) else DROP

    cdef object sample(self, object parent_context, object parent, object trace_id, object name, object kind,
                       object attributes, object links, object trace_state):
        cdef bint keep
        if not self.patched:
            keep = ns_ratio_keeps(self.ratio, PyLong_AsUnsignedLongLongMask(trace_id))
        else:
            keep = trace_id & self.TRACE_ID_LIMIT < self.bound
        return make_result(record_and_sample if keep else drop, attributes, state_of(parent))


include "samplers_parent_based.pxi"

# ---- thresholds as text and as probabilities ----

cdef uint64_t checked56(str argument, value) except? 0:
    if not 0 <= value < 2**56:
        raise ValueError(f"{argument} must be in 0..2**56-1, not {value}")
    return value


def threshold_to_text(threshold):
    """The shortest `th` text of a 56-bit threshold. Raises ValueError outside 0..2**56-1."""
    cdef char text[NS_THRESHOLD_DIGITS]
    cdef size_t length = ns_threshold_encode(checked56("threshold", threshold), text)
    return text[:length].decode("ascii")


def threshold_from_probability(double probability, unsigned precision=4):
    """The 56-bit threshold of a sampling probability in [2**-56, 1].

    `precision`: significant hex digits, plus one for each leading f, up to 12; from 14 on nothing is rounded. Raises
    ValueError if an argument is out of range.
    """
    cdef uint64_t threshold = 0
    if not ns_threshold_of_probability(probability, precision, &threshold):
        raise ValueError(
            f"probability must be in [2**-56, 1] and precision at least 1, not {probability} and {precision}"
        )
    return threshold


cdef int shortcuts_in_use(bint *span_context_is_plain, bint *result_has_three_fields) except -1:
    span_context_is_plain[0] = span_context_is_tuple
    result_has_three_fields[0] = result_by_fields
    return 0
