"""nanospan's own head samplers: their decisions."""

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t

from nanospan._native.sampling.csrc cimport ns_token_bucket, ns_cpu_budget, ns_rate_controller, ns_rate_controller_mode, ns_ot
from nanospan._native.sampling.samplers cimport SamplingOutput, NativeSampler, SamplingInput


# The monotonic time that samplers read, in nanoseconds: `coarse` may be milliseconds old, which is enough for rates that are
# measured over tenths of a second. Pointers, so that tests can put a clock of their own in place.
cdef struct SamplerClock:
    uint64_t (*precise)() noexcept nogil
    uint64_t (*coarse)() noexcept nogil

cdef SamplerClock *sampler_clock() noexcept nogil


# What a trace says about its randomness and the threshold it was kept by.
cdef struct Reading:
    ns_ot ot
    uint64_t randomness
    bint hashed  # the randomness is of our making: nothing in the trace says it


# The base of all of them: counts, and starts anew in a forked child.
cdef class NativeOwnSampler(NativeSampler):
    cdef bint built
    cdef uint32_t generation  # of forks
    cdef uint64_t asked
    cdef uint64_t sampled

    cdef int take_shape(self, int depth) except -1  # called last by what __init__ calls
    cdef int decide_full(self, SamplingInput *question, SamplingOutput *answer) except -2
    cdef int look_for_fork(self) except -1
    cdef int start_anew(self) except -1


# Those that keep a trace whose randomness reaches a threshold, and tell the threshold in the trace state.
cdef class NativeThresholdSampler(NativeOwnSampler):
    cdef bint hashes
    cdef uint64_t told_threshold
    cdef object told_state  # a TraceState of nothing but told_threshold

    cdef object state_for(self, uint64_t threshold)
    cdef bint says(self, PyObject *state, uint64_t threshold)
    cdef int read(self, const SamplingInput *question, Reading *reading) except -1
    # Keeps the trace or not, and tells so.
    cdef int apply_threshold(self, const SamplingInput *question, SamplingOutput *answer, const Reading *reading, uint64_t threshold) except -2


cdef class NativeConsistentProbability(NativeThresholdSampler):
    cdef uint64_t own_threshold


cdef class NativeRateControlled(NativeThresholdSampler):
    cdef ns_rate_controller *controller
    cdef double target
    cdef ns_rate_controller_mode mode
    cdef double tau
    cdef double least

    cdef int new_controller(self, double target, ns_rate_controller_mode mode, double tau, double least) except -1
    cdef void look_at_budget(self, uint64_t now) noexcept


cdef class NativeRateLimited(NativeRateControlled):
    cdef ns_token_bucket bucket  # decides if there is no controller
    cdef double rate
    cdef double burst


cdef class NativeOverheadBudget(NativeRateControlled):
    cdef ns_cpu_budget budget
    cdef double fraction
    cdef bint reads_meter

    cdef double new_budget(self, double tau) except -1


cdef class NativeAlwaysRecord(NativeOwnSampler):
    cdef object root
    cdef NativeSampler native
