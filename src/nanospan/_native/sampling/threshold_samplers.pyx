"""nanospan's own head samplers: their decisions. nanospan.sampling gives them their public classes.

None of them makes a Python object for a trace that starts here: the trace state that tells a threshold is made once a
threshold. Counts are the process's own, as are buckets and controllers: the first question in a forked child begins them
anew.
"""

import logging

cimport cython
from cpython.object cimport PyObject
from cpython.ref cimport Py_CLEAR, Py_DECREF, Py_INCREF
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport free
from posix.stdlib cimport posix_memalign
from posix.time cimport CLOCK_PROCESS_CPUTIME_ID, clockid_t

from nanospan._native.base.csrc cimport ns_clock_coarse, ns_clock_monotonic, ns_clock_read
from nanospan._native.base.fork cimport generation_address
from nanospan._native.base.threads cimport (
    claim, enter, leave, load_flag, load_u64, nspy_section, seen_u32, show_u32, store_u64
)
from nanospan._native.sampling.cost_meter cimport add_reader, meter_after_fork, process_meter, remove_reader
from nanospan._native.sampling.csrc cimport (
    NS_RATE_CONTROLLER_SPANS, NS_RATE_CONTROLLER_TRACES, NS_OT_NONE, NS_THRESHOLD_LIMIT, ns_token_bucket_init, ns_token_bucket_take,
    ns_cpu_budget_due, ns_cpu_budget_init, ns_cpu_budget_read, ns_cpu_budget_state, ns_cpu_budget_step, ns_rate_controller_ask, ns_rate_controller_init,
    ns_rate_controller_note_entry, ns_rate_controller_note_span_of, ns_rate_controller_read, ns_rate_controller_retarget, ns_rate_controller_state,
    ns_rate_controller_threshold, ns_randomness_of_trace, ns_threshold_keeps, ns_xxh3_16
)
from nanospan._native.sampling.sample_counts cimport nspy_sample_count, nspy_count_sample
from nanospan._native.sampling.samplers cimport (
    DROP, NATIVE_DEPTH_LIMIT, PARENT_RANDOM, PARENT_REMOTE, PARENT_UNSURE, PARENT_VALID, RECORD_AND_SAMPLE, RECORD_ONLY,
    SamplingOutput, NativeSampler, SamplingInput, answer_of, has_native_class, read_ot, native_of, state_of_threshold, write_ot
)

cdef enum:
    CACHE_LINE = 64  # what controllers are aligned to

cdef object logger = logging.getLogger("nanospan.sampling")
cdef const uint32_t *generation_now = generation_address()
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

    cdef int take_shape(self, int depth) except -1:
        self.depth = depth
        self.patched = not (has_native_class(self) and depth <= NATIVE_DEPTH_LIMIT)
        self.decides_by_id = self.patched
        self.generation = generation_now[0]
        self.built = True
        return 0

    cdef int decide_full(self, SamplingInput *question, SamplingOutput *answer) except -2:
        raise NotImplementedError

    cdef int answer(self, SamplingInput *question, SamplingOutput *answer) except -2:
        cdef int decision
        if seen_u32(&self.generation) != generation_now[0]:
            self.look_for_fork()
        decision = self.decide_full(question, answer)
        nspy_count_sample(&self.asked)
        if decision == RECORD_AND_SAMPLE:
            nspy_count_sample(&self.sampled)
        return decision

    @cython.critical_section
    cdef int look_for_fork(self) except -1:
        if self.generation != generation_now[0]:
            store_u64(&self.asked, 0)
            store_u64(&self.sampled, 0)
            self.start_anew()
            # Whoever sees this number goes on without the section, and must find all of it.
            show_u32(&self.generation, generation_now[0])
        return 0

    cdef int start_anew(self) except -1:
        return 0

    cdef object sample(self, object parent_context, object parent, object trace_id, object name, object kind,
                       object attributes, object links, object trace_state):
        if not self.built:
            raise AttributeError(f"{type(self).__name__}.__init__ was not called")
        return self.sample_by_answer(parent_context, parent, trace_id, name, kind, attributes, links, trace_state)

    def stats(self):
        """What was decided in this process: ``asked`` spans, and how many of them were ``sampled``."""
        if self.built:
            self.look_for_fork()
        return {"asked": nspy_sample_count(&self.asked), "sampled": nspy_sample_count(&self.sampled)}


# ---- thresholds ----

cdef bint warned_of_presumption = False


cdef int warn_of_presumption() except -1:
    if load_flag(&warned_of_presumption) or not claim(&warned_of_presumption):
        return 0
    logger.warning(
        "A trace does not say that its id is random (W3C random flag), and carries no rv: the last 56 bits of the id are"
        " presumed to be random. If they are not, ConsistentProbability(..., randomness='hash') makes them so"
    )
    return 0

cdef extern from *:
    """
    #define nspy_told_state_of(sampler) ((PyObject *)nspy_load(&(sampler)->told_state))
    #define nspy_tell(sampler, state)   NSPY_REPLACE((sampler)->told_state, state)
    """
    PyObject *told_state_of "nspy_told_state_of"(NativeThresholdSampler sampler)
    PyObject *tell "nspy_tell"(NativeThresholdSampler sampler, object state)


cdef class NativeThresholdSampler(NativeOwnSampler):
    """Base of the samplers that keep a trace if its randomness reaches a threshold."""

    cdef int take_shape(self, int depth) except -1:
        self.consistent = self.root_only = True
        return NativeOwnSampler.take_shape(self, depth)

    cdef object state_for(self, uint64_t threshold):
        cdef nspy_section held
        cdef PyObject *owned
        enter(&held, self)
        told = self.told_state if self.told_threshold == threshold else None
        leave(&held)
        if told is None:
            told = state_of_threshold(threshold)
            enter(&held, self)
            owned = tell(self, told)
            self.told_threshold = threshold
            leave(&held)
            Py_DECREF(<object> owned)
        return told

    cdef bint says(self, PyObject *state, uint64_t threshold):
        """Whether a trace state is the one of this threshold; False if that would take reading it."""
        cdef nspy_section held
        cdef bint is_told
        enter(&held, self)
        is_told = state is <PyObject *> self.told_state and self.told_threshold == threshold
        leave(&held)
        return is_told

    cdef uint64_t randomness_of(self, const SamplingInput *question, const ns_ot *ot) noexcept:
        if ot.has_randomness:
            return ot.randomness
        if self.hashes and not question.parent & PARENT_RANDOM:
            return ns_randomness_of_trace(ns_xxh3_16(question.trace_high, question.trace_low))
        return ns_randomness_of_trace(question.trace_low)

    cdef int read(self, const SamplingInput *question, Reading *reading) except -1:
        reading.ot = ns_ot(False, False, 0, 0)
        # Compared, not followed: the trace state of our making tells no randomness.
        if question.parent_state is not NULL and question.parent_state is not told_state_of(self):
            read_ot(question, &reading.ot)
        reading.randomness = self.randomness_of(question, &reading.ot)
        reading.hashed = False
        if not question.parent & PARENT_RANDOM and not reading.ot.has_randomness:
            reading.hashed = self.hashes
            if not self.hashes and not question.parent & PARENT_UNSURE:
                warn_of_presumption()
        return 0

    cdef int apply_threshold(self, const SamplingInput *question, SamplingOutput *answer, const Reading *reading, uint64_t threshold) except -2:
        cdef bint keeps = ns_threshold_keeps(reading.randomness, threshold)
        cdef uint64_t tells = NS_OT_NONE
        if reading.hashed and not question.parent & PARENT_VALID:
            tells = reading.randomness  # or those who do not hash would decide otherwise
        if question.parent_state is NULL and tells == NS_OT_NONE:
            if not keeps:
                return DROP
            state = self.state_for(threshold)
            Py_INCREF(state)
            answer.state = <PyObject *> state
            answer.state_changed = True
            return RECORD_AND_SAMPLE
        if keeps and question.parent_state is not NULL and self.says(question.parent_state, threshold):
            return RECORD_AND_SAMPLE
        write_ot(question, answer, threshold if keeps else NS_OT_NONE, tells)
        return RECORD_AND_SAMPLE if keeps else DROP


cdef class NativeConsistentProbability(NativeThresholdSampler):
    """Keeps a trace if its randomness reaches a fixed threshold."""

    def _bind(self, uint64_t threshold, bint hashes):
        self.own_threshold = threshold
        self.hashes = hashes
        self.state_for(threshold)
        self.take_shape(0)

    cdef int decide_full(self, SamplingInput *question, SamplingOutput *answer) except -2:
        cdef Reading reading
        self.read(question, &reading)
        return self.apply_threshold(question, answer, &reading, self.own_threshold)

    @property
    def threshold(self):
        """The rejection threshold T, 0 to 2**56 - 1: a trace is kept if its 56-bit randomness is at least T."""
        return self.own_threshold

    @property
    def probability(self):
        """The share of traces that is kept: what the threshold stands for, which is ``ratio`` rounded."""
        return (PROBABILITY_SCALE - <double> self.own_threshold) / PROBABILITY_SCALE


include "threshold_samplers_rate.pxi"


cdef class NativeAlwaysRecord(NativeOwnSampler):
    """Decides as another sampler, but records what that one drops."""

    def _bind(self, root):
        self.root = root
        self.native = native_of(root)
        self.consistent, self.root_only = self.native.consistent, self.native.root_only
        self.counts_spans = self.native.counts_spans
        self.take_shape(self.native.depth + 1)

    cdef int decide_full(self, SamplingInput *question, SamplingOutput *answer) except -2:
        cdef int decision = answer_of(self.native, self.root, question, answer)
        if decision != DROP:
            return decision
        # A sampler that drops a span gives it no attributes, since nobody would see them.
        if answer.attributes is not NULL and not <object> answer.attributes:
            Py_CLEAR(answer.attributes)
        return RECORD_ONLY

    cdef uint64_t randomness_of(self, const SamplingInput *question, const ns_ot *ot) noexcept:
        return self.native.randomness_of(question, ot)

    cdef void note(self, const SamplingInput *question) noexcept:
        self.native.note(question)
