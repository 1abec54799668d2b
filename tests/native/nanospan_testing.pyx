"""What tests and benchmarks ask of the native modules directly. The shipped modules have no function for tests."""

from cpython.object cimport PyObject
from cpython.ref cimport Py_XDECREF
from libc.stdint cimport uint8_t, uint64_t

from nanospan._native.base.threads cimport load_flag
from nanospan._native.encoding cimport RecordList
from nanospan._native.sampling.csrc cimport ns_randomness_of_trace
from nanospan._native.sampling cimport (
    PARENT_RANDOM, PARENT_REMOTE, PARENT_SAMPLED, PARENT_VALID, RECORD_AND_SAMPLE, NativeSampler, SamplerClock,
    SamplingInput, SamplingOutput, sampler_clock, shortcuts_in_use
)
from nanospan._native.tail.csrc cimport (
    ns_facts, ns_facts_is_local_root, ns_facts_of_resource, ns_facts_of_span, ns_policies_decide, ns_trace_facts, ns_verdict
)
from nanospan._native.tail cimport CompiledPolicies

cdef extern from "Python.h":
    unsigned long long PyLong_AsUnsignedLongLongMask(object) except? -1

cdef extern from *:
    """
    #include <stdint.h>
    static uint64_t nspy_held_time; /* relaxed: one number, which publishes nothing */
    static uint64_t nspy_held_clock(void) { return __atomic_load_n(&nspy_held_time, __ATOMIC_RELAXED); }
    static void nspy_hold_time(uint64_t time) { __atomic_store_n(&nspy_held_time, time, __ATOMIC_RELAXED); }
    """
    uint64_t held_clock "nspy_held_clock"() noexcept nogil
    void hold_time "nspy_hold_time"(uint64_t time) nogil


# --- samplers ---------------------------------------------------------------------------------------------------------

cdef SamplerClock real_clock = sampler_clock()[0]


def hold_clock(nanoseconds):
    """Make every sampler of the process take this for the monotonic time, in nanoseconds; None: the clock's again."""
    cdef SamplerClock *clock = sampler_clock()
    if nanoseconds is None:
        clock[0] = real_clock
    else:
        hold_time(nanoseconds)
        clock.precise = clock.coarse = held_clock


def fast_paths():
    """Which shortcuts past the SDK's Python code this SDK release allows; they save time, nothing else."""
    cdef bint context_is_tuple, result_by_fields
    shortcuts_in_use(&context_is_tuple, &result_by_fields)
    return {"span_context_is_tuple": bool(context_is_tuple), "result_by_fields": bool(result_by_fields)}


def decide(NativeSampler sampler not None, trace_id, *, valid=False, remote=False, sampled=False):
    """The decision by trace id and flags alone: the value of a Decision, or -1 when should_sample has to be called.

    `valid`, `remote` and `sampled` describe the parent.
    """
    cdef int parent = (
        (PARENT_VALID if valid else 0) | (PARENT_REMOTE if remote else 0) | (PARENT_SAMPLED if sampled else 0)
    )
    return sampler.decide(PyLong_AsUnsignedLongLongMask(trace_id), parent)


def sampled_of(NativeSampler sampler not None, uint64_t count, uint64_t seed=0):
    """How many of `count` root spans the sampler keeps, asked as a native tracer asks. The trace ids follow from the seed
    (splitmix64)."""
    cdef SamplingInput given
    cdef SamplingOutput output
    cdef uint64_t i, kept = 0
    cdef int decision
    nothing, no_name = None, ""
    given.parent, given.state_given = PARENT_RANDOM, False
    given.trace_id = given.parent_state = given.scope_name = NULL
    given.context = given.kind = given.attributes = given.links = <PyObject *> nothing
    given.name = <PyObject *> no_name
    for i in range(count):
        given.trace_high, given.trace_low = splitmix64(&seed), splitmix64(&seed)
        if load_flag(&sampler.decides_by_id):
            decision = sampler.decide(given.trace_low, 0)
        else:
            output.state = output.attributes = NULL
            output.state_changed = False
            decision = sampler.answer(&given, &output)
            Py_XDECREF(output.state)
            Py_XDECREF(output.attributes)
        kept += decision == RECORD_AND_SAMPLE
    return kept


cdef uint64_t splitmix64(uint64_t *state) noexcept nogil:
    cdef uint64_t mixed
    state[0] += <uint64_t> 0x9E3779B97F4A7C15
    mixed = state[0]
    mixed = (mixed ^ mixed >> 30) * <uint64_t> 0xBF58476D1CE4E5B9
    mixed = (mixed ^ mixed >> 27) * <uint64_t> 0x94D049BB133111EB
    return mixed ^ mixed >> 31


# --- encoding ---------------------------------------------------------------------------------------------------------

def encode_report(spans):
    """Encode spans and return ``(request, report)``: the bytes, and how many values were ``repaired`` (changed so that
    OTLP can carry them), ``lost`` (left out), and how many whole spans ``failed``."""
    cdef RecordList encoded = RecordList()
    for span in spans:
        encoded.append(span)
    batch = encoded.frame()
    report = {
        "repaired": encoded.counts.repaired + encoded.sources.counts.repaired,
        "lost": encoded.counts.lost + encoded.sources.counts.lost,
        "failed": encoded.failed,
    }
    return (b"" if batch is None else bytes(batch)), report


# --- tail policies ----------------------------------------------------------------------------------------------------

cdef class Policies:
    """A `CompiledPolicies` whose parts can be asked one by one."""

    cdef readonly CompiledPolicies compiled

    def __init__(self, plan):
        self.compiled = CompiledPolicies(plan)

    @property
    def names(self):
        return self.compiled.names

    @property
    def asks_python(self):
        return self.compiled.asks_python

    def counts(self):
        return self.compiled.counts()

    def facts(self, const uint8_t[::1] span not None):
        """The facts of an encoded span, or None for bytes that are not one."""
        cdef ns_facts facts
        cdef const uint8_t *data = &span[0] if span.shape[0] else NULL
        if not ns_facts_of_span(data, span.shape[0], self.compiled.conditions, &facts):
            return None
        state = None
        if facts.trace_state != NULL:
            state = facts.trace_state[:facts.trace_state_size].decode("utf-8")
        return {
            "trace_id": <object> facts.trace_high << 64 | facts.trace_low,
            "start": facts.start,
            "end": facts.end,
            "matches": facts.matches,
            "flags": facts.flags,
            "has_parent": bool(facts.has_parent),
            "is_local_root": bool(ns_facts_is_local_root(&facts)),
            "status": facts.status,
            "trace_state": state,
        }

    def resource_matches(self, const uint8_t[::1] field not None):
        """The conditions that hold for a resource, given as the field ResourceSpans.resource."""
        cdef const uint8_t *data = &field[0] if field.shape[0] else NULL
        return ns_facts_of_resource(data, field.shape[0], self.compiled.conditions)

    def decide(self, *, trace_id=0, start=0, end=0, matches=0, bytes=0, spans=1, statuses=1, flags=0, threshold=None,
               randomness=None, now=0):
        """``(keep, count, threshold)`` for a trace of these facts; see csrc/tail/ns_policy.h. `randomness` is by default
        that of the trace id."""
        cdef ns_trace_facts trace
        cdef ns_verdict verdict
        trace.trace_high = trace_id >> 64
        trace.trace_low = trace_id & 0xFFFFFFFFFFFFFFFF
        trace.start = start
        trace.end = end
        trace.matches = matches
        trace.bytes = bytes
        trace.spans = spans
        trace.statuses = statuses
        trace.flags = flags
        trace.has_threshold = threshold is not None
        trace.threshold = threshold or 0
        trace.randomness = ns_randomness_of_trace(trace.trace_low) if randomness is None else randomness
        verdict = ns_policies_decide(self.compiled.policies, &trace, now)
        return bool(verdict.keep), verdict.th_action, verdict.threshold
