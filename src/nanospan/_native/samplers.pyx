"""The SDK's head samplers with their decisions taken in C; nanospan.sampling gives them their public classes.

Each class here is the first base of a public one whose second base is the SDK's class of the same name:
construction, validation, descriptions and properties are the SDK's own code, the decision and its result are
made here.
"""

from types import MappingProxyType

from libc.stdint cimport uint64_t
from cpython.object cimport PyObject_GenericSetAttr, PyTypeObject

from opentelemetry.sdk.trace.sampling import Decision, SamplingResult
from opentelemetry.trace import SpanContext, TraceFlags, TraceState

from nanospan._native.context cimport span_in
from nanospan._native.identity cimport context_is_tuple

cdef extern from "Python.h":
    unsigned long long PyLong_AsUnsignedLongLongMask(object) except? -1
    object PyDictProxy_New(object)
    object PyType_GenericAlloc(PyTypeObject *, Py_ssize_t)
    int Py_EnterRecursiveCall(const char *) except -1
    void Py_LeaveRecursiveCall()

cdef extern from "ns_threshold.h" nogil:
    bint ns_ratio_keeps(ns_ratio, uint64_t)
    enum: NS_THRESHOLD_DIGITS
    uint64_t NS_THRESHOLD_LIMIT
    bint ns_threshold_keeps(uint64_t randomness, uint64_t threshold)
    bint ns_threshold_decode(const char *, size_t, uint64_t *)
    bint ns_randomness_decode(const char *, size_t, uint64_t *)
    size_t ns_threshold_encode(uint64_t, char *)
    bint ns_threshold_of_probability(double, unsigned, uint64_t *)


# ---- the parent ----

cdef object span_context_type = SpanContext
cdef object trace_flags_type = TraceFlags


# Positions in the tuple that a SpanContext is; a release that moves them costs time, not correctness.
cdef enum:
    IS_REMOTE = 2
    TRACE_FLAGS = 3
    TRACE_STATE = 4
    IS_VALID = 5

cdef bint span_context_is_tuple = context_is_tuple()


cdef object current_span_context(object context):
    """What get_current_span(context).get_span_context() returns."""
    return span_in(context).get_span_context()


cdef object valid_parent(object context):
    span_context = current_span_context(context)
    if span_context_is_tuple and type(span_context) is span_context_type:
        return span_context if (<tuple>span_context)[IS_VALID] else None
    return span_context if span_context is not None and span_context.is_valid else None


cdef int parent_bits(object span_context) except -1:
    cdef int bits = PARENT_VALID
    if span_context is None:
        return 0
    if span_context_is_tuple and type(span_context) is span_context_type:
        remote = (<tuple>span_context)[IS_REMOTE]
        flags = (<tuple>span_context)[TRACE_FLAGS]
    else:
        remote = span_context.is_remote
        flags = span_context.trace_flags
    if remote:
        bits |= PARENT_REMOTE
    if type(flags) is trace_flags_type:
        if PyLong_AsUnsignedLongLongMask(flags) & 1:
            bits |= PARENT_SAMPLED
    elif flags.sampled:
        bits |= PARENT_SAMPLED
    return bits


# ---- the result ----

cdef object result_type = SamplingResult
cdef object no_attributes = MappingProxyType({})
cdef object drop = Decision.DROP
cdef object record_and_sample = Decision.RECORD_AND_SAMPLE


cdef bint sets_three_fields():
    """Whether the constructor of SamplingResult still sets its three public fields and nothing else."""
    state, attributes = TraceState(), {"a": "b"}
    made = SamplingResult(drop, attributes, state)
    return (
        SamplingResult.__new__ is object.__new__
        and type(made).__setattr__ is object.__setattr__
        and list(vars(made)) == ["decision", "attributes", "trace_state"]
        and made.decision is drop
        and type(made.attributes) is MappingProxyType
        and made.attributes == attributes
        and made.trace_state is state
    )


# The constructor, a Python function, costs more than the decision. False after a release that changes it.
cdef bint result_by_fields = sets_three_fields()


cdef object make_result(object decision, object attributes, object parent):
    """A SamplingResult: attributes behind a read-only view, none on DROP, and the parent's tracestate."""
    if parent is None:
        trace_state = None
    elif span_context_is_tuple and type(parent) is span_context_type:
        trace_state = (<tuple>parent)[TRACE_STATE]
    else:
        trace_state = parent.trace_state
    if decision is drop:
        attributes = None
    if not result_by_fields:
        return result_type(decision, attributes, trace_state)
    view = no_attributes if attributes is None else PyDictProxy_New(attributes)
    result = PyType_GenericAlloc(<PyTypeObject *>result_type, 0)
    result.decision = decision
    result.attributes = view
    result.trace_state = trace_state
    return result


# ---- the samplers ----

# A chain longer than this is followed through Python, whose recursion limit then guards the stack.
cdef enum:
    NATIVE_DEPTH_LIMIT = 32

cdef set routed_types = set()


def native_route(cls):
    """Class decorator: instances of exactly this class may be decided natively.

    A subclass is not covered: it may override should_sample, so it is always called as Python.
    """
    routed_types.add(cls)
    return cls


cdef class NativeSampler:
    """Base of the native samplers: the SDK's should_sample, and `decide` for native callers."""

    def __setattr__(self, str name, value):
        if name == "should_sample":
            self.native = False  # whoever puts a function of his own there wants it called
        PyObject_GenericSetAttr(self, name, value)

    cdef int decide(self, uint64_t trace_id_low, int parent) noexcept nogil:
        return ASK

    cdef object sample(self, object parent_context, object parent, object trace_id, object name, object kind,
                       object attributes, object links):
        raise NotImplementedError

    def should_sample(
        self, parent_context, trace_id, name, kind=None, attributes=None, links=None, trace_state=None
    ):
        """Decide on one span, as the SDK's sampler of the same name does.

        `trace_state` is accepted and, as in the SDK, not read: the result carries the parent's.
        """
        parent = valid_parent(parent_context)
        return self.sample(parent_context, parent, trace_id, name, kind, attributes, links)


cdef class NativeStaticSampler(NativeSampler):
    """Decides the same for every span."""

    def _bind(self, decision):
        self.decision = decision
        self.native = type(self) in routed_types and isinstance(decision, Decision)
        if self.native:
            self.verdict = decision.value

    cdef int decide(self, uint64_t trace_id_low, int parent) noexcept nogil:
        return self.verdict if self.native else ASK

    cdef object sample(self, object parent_context, object parent, object trace_id, object name, object kind,
                       object attributes, object links):
        return make_result(self.decision, attributes, parent)


cdef class NativeTraceIdRatioBased(NativeSampler):
    """Keeps the trace ids whose low 64 bits are below a bound."""

    def _bind(self, bound):
        # A subclass may compute its bound anew for every span; then the numbers stay in Python.
        self.native = type(self) in routed_types and type(bound) is int and 0 <= bound <= 2**64
        if self.native:
            self.ratio.always = bound == 2**64
            self.ratio.bound = PyLong_AsUnsignedLongLongMask(bound)

    cdef int decide(self, uint64_t trace_id_low, int parent) noexcept nogil:
        if not self.native:
            return ASK
        return RECORD_AND_SAMPLE if ns_ratio_keeps(self.ratio, trace_id_low) else DROP

    cdef object sample(self, object parent_context, object parent, object trace_id, object name, object kind,
                       object attributes, object links):
        cdef bint keep
        if self.native:
            keep = ns_ratio_keeps(self.ratio, PyLong_AsUnsignedLongLongMask(trace_id))
        else:
            keep = trace_id & self.TRACE_ID_LIMIT < self.bound
        return make_result(record_and_sample if keep else drop, attributes, parent)


cdef inline int delegate_index(int parent) noexcept nogil:
    if not parent & PARENT_VALID:
        return 0
    if parent & PARENT_REMOTE:
        return 1 if parent & PARENT_SAMPLED else 2
    return 3 if parent & PARENT_SAMPLED else 4


# Its `decide` answers ASK: the route of every delegate that is not ours.
cdef NativeSampler foreign_route = NativeSampler()


cdef NativeSampler route_of(object delegate):
    return <NativeSampler>delegate if isinstance(delegate, NativeSampler) else foreign_route


cdef class NativeParentBased(NativeSampler):
    """Hands the decision to one of five samplers, chosen by the parent."""

    def _bind(self, root, remote_sampled, remote_not_sampled, local_sampled, local_not_sampled):
        # Bound again, it may have been made a delegate of itself: then only Python's recursion limit ends it.
        cdef bint first = self.delegates is None
        self.delegates = (root, remote_sampled, remote_not_sampled, local_sampled, local_not_sampled)
        self.root_route = route_of(root)
        self.remote_sampled_route = route_of(remote_sampled)
        self.remote_not_sampled_route = route_of(remote_not_sampled)
        self.local_sampled_route = route_of(local_sampled)
        self.local_not_sampled_route = route_of(local_not_sampled)
        self.depth = 1 + max([route_of(delegate).depth for delegate in self.delegates])
        self.native = first and type(self) in routed_types and self.depth <= NATIVE_DEPTH_LIMIT

    cdef int decide(self, uint64_t trace_id_low, int parent) noexcept nogil:
        if not self.native:
            return ASK
        cdef int index = delegate_index(parent)
        if index == 0:
            return self.root_route.decide(trace_id_low, parent)
        if index == 1:
            return self.remote_sampled_route.decide(trace_id_low, parent)
        if index == 2:
            return self.remote_not_sampled_route.decide(trace_id_low, parent)
        if index == 3:
            return self.local_sampled_route.decide(trace_id_low, parent)
        return self.local_not_sampled_route.decide(trace_id_low, parent)

    cdef object sample(self, object parent_context, object parent, object trace_id, object name, object kind,
                       object attributes, object links):
        if self.delegates is None:
            raise AttributeError("ParentBased.__init__ was not called")
        delegate = self.delegates[delegate_index(parent_bits(parent))]
        if isinstance(delegate, NativeSampler) and (<NativeSampler>delegate).native:
            return (<NativeSampler>delegate).sample(
                parent_context, parent, trace_id, name, kind, attributes, links
            )
        Py_EnterRecursiveCall(" in a ParentBased sampler")
        try:
            return delegate.should_sample(
                parent_context=parent_context, trace_id=trace_id, name=name, kind=kind, attributes=attributes,
                links=links,
            )
        finally:
            Py_LeaveRecursiveCall()


# ---- the kernels, for tests and for samplers written in Python ----

def fast_paths():
    """Which shortcuts past the SDK's Python code this SDK release allows; they save time, nothing else."""
    return {"span_context_is_tuple": span_context_is_tuple, "result_by_fields": result_by_fields}


def decide(NativeSampler sampler not None, trace_id, *, valid=False, remote=False, sampled=False):
    """What a native tracer is told: the value of a Decision, or -1 when should_sample has to be called.

    `valid`, `remote` and `sampled` describe the parent.
    """
    cdef int parent = (
        (PARENT_VALID if valid else 0) | (PARENT_REMOTE if remote else 0) | (PARENT_SAMPLED if sampled else 0)
    )
    cdef uint64_t low = PyLong_AsUnsignedLongLongMask(trace_id)
    with nogil:
        parent = sampler.decide(low, parent)
    return parent


def ratio_keeps(trace_id, bound):
    """Whether TraceIdRatioBased with this bound (0 to 2**64) keeps a trace id."""
    cdef ns_ratio ratio
    if not 0 <= bound <= 2**64:
        raise ValueError(f"bound must be in 0..2**64, not {bound}")
    ratio.always = bound == 2**64
    ratio.bound = PyLong_AsUnsignedLongLongMask(bound)
    return ns_ratio_keeps(ratio, PyLong_AsUnsignedLongLongMask(trace_id))


cdef uint64_t checked56(str argument, value) except? 0:
    if not 0 <= value < 2**56:
        raise ValueError(f"{argument} must be in 0..2**56-1, not {value}")
    return value


def threshold_keeps(randomness, threshold):
    """Whether a consistent sampler with this threshold keeps a trace of this randomness (both 56 bits)."""
    return ns_threshold_keeps(checked56("randomness", randomness), checked56("threshold", threshold))


def threshold_from_text(str text not None):
    """The 56-bit threshold that a `th` value stands for, or None if it is not a legal value."""
    cdef uint64_t threshold = 0
    cdef bytes raw = text.encode("utf-8", "replace")
    return threshold if ns_threshold_decode(raw, len(raw), &threshold) else None


def randomness_from_text(str text not None):
    """The 56-bit randomness that an `rv` value stands for, or None if it is not a legal value."""
    cdef uint64_t randomness = 0
    cdef bytes raw = text.encode("utf-8", "replace")
    return randomness if ns_randomness_decode(raw, len(raw), &randomness) else None


def threshold_to_text(threshold):
    """The shortest `th` value of a 56-bit threshold. Raises ValueError outside 0..2**56-1."""
    cdef char text[NS_THRESHOLD_DIGITS]
    cdef size_t length = ns_threshold_encode(checked56("threshold", threshold), text)
    return text[:length].decode("ascii")


def threshold_from_probability(double probability, unsigned precision=4):
    """The 56-bit threshold of a sampling probability in [2**-56, 1].

    `precision` counts significant hex digits (one more is spent for each leading f, up to 12); from 14 on
    nothing is rounded.
    Raises ValueError when either argument is out of range.
    """
    cdef uint64_t threshold = 0
    if not ns_threshold_of_probability(probability, precision, &threshold):
        raise ValueError(
            f"probability must be in [2**-56, 1] and precision at least 1, not {probability} and {precision}"
        )
    return threshold
