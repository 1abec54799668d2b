"""The decisions of nanospan's own head samplers."""

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t

from nanospan._native.sampling.csrc cimport (
    ns_cpu_budget, ns_ot, ns_rate_controller, ns_rate_controller_mode, ns_token_bucket
)


# The monotonic clocks of the samplers, in nanoseconds. `coarse` may lag by milliseconds, enough for rates that are measured
# over tenths of a second. Pointers, so that tests can replace the clocks.
cdef struct SamplerClock:
    uint64_t (*precise)() noexcept nogil
    uint64_t (*coarse)() noexcept nogil

cdef SamplerClock *sampler_clock() noexcept nogil


# The randomness of a trace, and the `ot` member of its trace state.
cdef struct Reading:
    ns_ot ot
    uint64_t randomness
    bint hashed  # the randomness is a hash of the trace id; the trace does not carry it


# Base class: counts decisions, and resets its state in a forked child.
cdef class NativeOwnSampler(NativeSampler):
    cdef bint built
    cdef uint32_t generation  # fork generation of the state
    cdef uint64_t asked
    cdef uint64_t sampled

    cdef int set_depth(self, int depth) except -1  # called last in construction
    cdef int decide_full(self, SamplingInput *given, SamplingOutput *output) except -2
    cdef int check_fork(self) except -1
    cdef int reset_after_fork(self) except -1


# Keeps a trace if its randomness reaches a threshold, and reports the threshold in the trace state.
cdef class NativeThresholdSampler(NativeOwnSampler):
    cdef bint hashes
    cdef uint64_t known_threshold
    cdef object known_state  # a TraceState that contains only known_threshold

    cdef object state_for(self, uint64_t threshold)
    cdef bint is_known_state(self, PyObject *state, uint64_t threshold)
    cdef int read(self, const SamplingInput *given, Reading *reading) except -1
    # Decides by the threshold, and reports the result in the trace state.
    cdef int apply_threshold(self, const SamplingInput *given, SamplingOutput *output, const Reading *reading,
                             uint64_t threshold) except -2


cdef class NativeConsistentProbability(NativeThresholdSampler):
    cdef uint64_t own_threshold


cdef class NativeRateControlled(NativeThresholdSampler):
    cdef ns_rate_controller *controller
    cdef double target
    cdef ns_rate_controller_mode mode
    cdef double tau
    cdef double min_probability

    cdef int new_controller(self, double target, ns_rate_controller_mode mode, double tau, double min_probability) except -1
    cdef void update_budget(self, uint64_t now) noexcept


cdef class NativeRateLimited(NativeRateControlled):
    cdef ns_token_bucket bucket  # decides if `controller` is NULL
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
