"""The decisions of nanospan's own head samplers. nanospan.sampling defines the public classes.

A decision on a new root creates no Python object: the trace state of a threshold is cached. Counts, buckets and controllers
belong to one process: the first decision in a forked child resets them.
"""

import logging

cimport cython
from cpython.object cimport PyObject
from cpython.ref cimport Py_CLEAR, Py_DECREF, Py_INCREF
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free
from posix.stdlib cimport posix_memalign
from posix.time cimport CLOCK_PROCESS_CPUTIME_ID

from nanospan._native.base.csrc cimport ns_clock_coarse, ns_clock_monotonic, ns_clock_read
from nanospan._native.base cimport generation_address
from nanospan._native.base.threads cimport (
    claim, enter, leave, load_acquire_u32, load_flag, nspy_section, store_release_u32, store_u64
)
from nanospan._native.sampling.csrc cimport (
    NS_OT_NONE, NS_RATE_CONTROLLER_SPANS, NS_RATE_CONTROLLER_TRACES, NS_THRESHOLD_LIMIT, ns_cpu_budget_due,
    ns_cpu_budget_init, ns_cpu_budget_read, ns_cpu_budget_state, ns_cpu_budget_step, ns_randomness_of_trace,
    ns_rate_controller_ask, ns_rate_controller_init, ns_rate_controller_note_entry, ns_rate_controller_note_span_of,
    ns_rate_controller_read, ns_rate_controller_retarget, ns_rate_controller_state, ns_rate_controller_threshold,
    ns_threshold_keeps, ns_token_bucket_init, ns_token_bucket_take, ns_xxh3_16
)
from nanospan._native.sampling.sample_counts cimport nspy_count_sample, nspy_sample_count

cdef enum:
    CACHE_LINE = 64  # alignment of controllers

cdef double PROBABILITY_SCALE = <double> NS_THRESHOLD_LIMIT


# ---- time ----

cdef uint64_t precise_clock() noexcept nogil:
    return ns_clock_monotonic()


cdef uint64_t coarse_clock() noexcept nogil:
    return ns_clock_coarse()


cdef SamplerClock clock
clock.precise = precise_clock
clock.coarse = coarse_clock


cdef SamplerClock *sampler_clock() noexcept nogil:
    return &clock


# ---- the base ----

cdef class NativeOwnSampler(NativeSampler):
    """Base of nanospan's own samplers."""

    cdef int set_depth(self, int depth) except -1:
        self.depth = depth
        self.patched = not (has_native_class(self) and depth <= NATIVE_DEPTH_LIMIT)
        self.decides_by_id = self.patched
        self.generation = generation_now[0]
        self.built = True
        return 0

    cdef int decide_full(self, SamplingInput *given, SamplingOutput *output) except -2:
        raise NotImplementedError

    cdef int answer(self, SamplingInput *given, SamplingOutput *output) except -2:
        cdef int decision
        if load_acquire_u32(&self.generation) != generation_now[0]:
            self.check_fork()
        decision = self.decide_full(given, output)
        nspy_count_sample(&self.asked)
        if decision == RECORD_AND_SAMPLE:
            nspy_count_sample(&self.sampled)
        return decision

    @cython.critical_section
    cdef int check_fork(self) except -1:
        if self.generation != generation_now[0]:
            store_u64(&self.asked, 0)
            store_u64(&self.sampled, 0)
            self.reset_after_fork()
            # Publish last: readers of the generation take no lock and need the complete state.
            store_release_u32(&self.generation, generation_now[0])
        return 0

    cdef int reset_after_fork(self) except -1:
        return 0

    cdef object sample(self, object parent_context, object parent, object trace_id, object name, object kind,
                       object attributes, object links, object trace_state):
        if not self.built:
            raise AttributeError(f"{type(self).__name__}.__init__ was not called")
        return self.sample_by_answer(parent_context, parent, trace_id, name, kind, attributes, links, trace_state)

    def stats(self):
        """The decisions of this process: the number of spans ``asked`` about, and of those ``sampled``."""
        if self.built:
            self.check_fork()
        return {"asked": nspy_sample_count(&self.asked), "sampled": nspy_sample_count(&self.sampled)}


# ---- thresholds ----

cdef bint warned_of_presumed_randomness = False


cdef int warn_of_presumed_randomness() except -1:
    if load_flag(&warned_of_presumed_randomness) or not claim(&warned_of_presumed_randomness):
        return 0
    logger.warning(
        "A trace does not say that its id is random (W3C random flag), and carries no rv: the last 56 bits of the id are"
        " presumed to be random. If they are not, ConsistentProbability(..., randomness='hash') makes them so"
    )
    return 0

cdef extern from *:
    """
    #define nspy_known_state_of(sampler) ((PyObject *)nspy_load(&(sampler)->known_state))
    #define nspy_set_known_state(sampler, state)   NSPY_REPLACE((sampler)->known_state, state)
    """
    PyObject *known_state_of "nspy_known_state_of"(NativeThresholdSampler sampler)
    PyObject *set_known_state "nspy_set_known_state"(NativeThresholdSampler sampler, object state)


cdef class NativeThresholdSampler(NativeOwnSampler):
    """Base of the samplers that keep a trace if its randomness reaches a threshold."""

    cdef int set_depth(self, int depth) except -1:
        self.consistent = self.root_only = True
        return NativeOwnSampler.set_depth(self, depth)

    cdef object state_for(self, uint64_t threshold):
        cdef nspy_section section
        cdef PyObject *owned
        enter(&section, self)
        state = self.known_state if self.known_threshold == threshold else None
        leave(&section)
        if state is None:
            state = state_of_threshold(threshold)
            enter(&section, self)
            owned = set_known_state(self, state)
            self.known_threshold = threshold
            leave(&section)
            Py_DECREF(<object> owned)
        return state

    cdef bint is_known_state(self, PyObject *state, uint64_t threshold):
        """Whether a trace state is the cached one of this threshold; compares identity only."""
        cdef nspy_section section
        cdef bint is_known
        enter(&section, self)
        is_known = state is <PyObject *> self.known_state and self.known_threshold == threshold
        leave(&section)
        return is_known

    cdef uint64_t randomness_of(self, const SamplingInput *given, const ns_ot *ot) noexcept:
        if ot.has_randomness:
            return ot.randomness
        if self.hashes and not given.parent & PARENT_RANDOM:
            return ns_randomness_of_trace(ns_xxh3_16(given.trace_high, given.trace_low))
        return ns_randomness_of_trace(given.trace_low)

    cdef int read(self, const SamplingInput *given, Reading *reading) except -1:
        reading.ot = ns_ot(False, False, 0, 0)
        # Compared by address, never dereferenced: the cached trace state carries no `rv`, so it need not be read.
        if given.parent_state is not NULL and given.parent_state is not known_state_of(self):
            read_ot(given, &reading.ot)
        reading.randomness = self.randomness_of(given, &reading.ot)
        reading.hashed = False
        if not given.parent & PARENT_RANDOM and not reading.ot.has_randomness:
            reading.hashed = self.hashes
            if not self.hashes and not given.parent & PARENT_UNSURE:
                warn_of_presumed_randomness()
        return 0

    cdef int apply_threshold(self, const SamplingInput *given, SamplingOutput *output, const Reading *reading,
                             uint64_t threshold) except -2:
        cdef bint keeps = ns_threshold_keeps(reading.randomness, threshold)
        cdef uint64_t reported_randomness = NS_OT_NONE
        if reading.hashed and not given.parent & PARENT_VALID:
            reported_randomness = reading.randomness  # samplers that do not hash would decide differently without it
        if given.parent_state is NULL and reported_randomness == NS_OT_NONE:
            if not keeps:
                return DROP
            state = self.state_for(threshold)
            Py_INCREF(state)
            output.state = <PyObject *> state
            output.state_changed = True
            return RECORD_AND_SAMPLE
        if keeps and given.parent_state is not NULL and self.is_known_state(given.parent_state, threshold):
            return RECORD_AND_SAMPLE
        write_ot(given, output, threshold if keeps else NS_OT_NONE, reported_randomness)
        return RECORD_AND_SAMPLE if keeps else DROP


cdef class NativeConsistentProbability(NativeThresholdSampler):
    """Keeps a trace if its randomness reaches a fixed threshold."""

    def _bind(self, uint64_t threshold, bint hashes):
        self.own_threshold = threshold
        self.hashes = hashes
        self.state_for(threshold)
        self.set_depth(0)

    cdef int decide_full(self, SamplingInput *given, SamplingOutput *output) except -2:
        cdef Reading reading
        self.read(given, &reading)
        return self.apply_threshold(given, output, &reading, self.own_threshold)

    @property
    def threshold(self):
        """The rejection threshold T, 0 to 2**56 - 1: a trace is kept if its 56-bit randomness is at least T."""
        return self.own_threshold

    @property
    def probability(self):
        """The share of traces that is kept: the probability of the threshold, which is ``ratio`` rounded."""
        return (PROBABILITY_SCALE - <double> self.own_threshold) / PROBABILITY_SCALE


include "threshold_samplers_rate.pxi"


cdef class NativeAlwaysRecord(NativeOwnSampler):
    """Delegates to another sampler, but records the spans that it drops."""

    def _bind(self, root):
        self.root = root
        self.native = native_of(root)
        self.consistent, self.root_only = self.native.consistent, self.native.root_only
        self.counts_spans = self.native.counts_spans
        self.set_depth(self.native.depth + 1)

    cdef int decide_full(self, SamplingInput *given, SamplingOutput *output) except -2:
        cdef int decision = answer_of(self.native, self.root, given, output)
        if decision != DROP:
            return decision
        # A sampler that drops a span returns no attributes: fall back to those of the input.
        if output.attributes is not NULL and not <object> output.attributes:
            Py_CLEAR(output.attributes)
        return RECORD_ONLY

    cdef uint64_t randomness_of(self, const SamplingInput *given, const ns_ot *ot) noexcept:
        return self.native.randomness_of(given, ot)

    cdef void count_span(self, const SamplingInput *given) noexcept:
        self.native.count_span(given)
