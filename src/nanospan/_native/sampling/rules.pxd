"""Which sampler a rule gives a span to."""

from cpython.object cimport PyObject
from libc.stdint cimport uint64_t

from nanospan._native.sampling.samplers cimport SamplingOutput, NativeSampler, SamplingInput
from nanospan._native.sampling.threshold_samplers cimport NativeOwnSampler


# A text that is to be equal, or to be like a pattern.
cdef class TextMatch:
    cdef str text
    cdef bint is_pattern

    cdef bint holds(self, object text) noexcept


# What the value of one attribute is to be.
cdef class AttributeMatch:
    cdef str key
    cdef bint any_value
    cdef TextMatch like   # None: one of `values`
    cdef tuple values

    cdef bint holds(self, object attributes) except -1
    cdef bint holds_in_mapping(self, object attributes) except -1
    cdef bint holds_for(self, object value) except -1
    cdef bint holds_for_one(self, object value) except -1


# Where a rule gives a span to, and what came of it.
cdef class NativeOutcome:
    cdef object sampler
    cdef NativeSampler native
    cdef bint keeps_all   # ALWAYS_ON: a threshold of 0
    cdef uint64_t matched
    cdef uint64_t sampled

    cdef int decide_on(self, SamplingInput *question, SamplingOutput *answer) except -2
    cdef int tell_all_kept(self, SamplingInput *question, SamplingOutput *answer) except -1


cdef enum:
    MAX_KINDS = 5

cdef class NativeRule(NativeOutcome):
    cdef TextMatch name
    cdef TextMatch scope
    cdef tuple attributes
    cdef tuple kinds             # keeps alive what is in kind
    cdef PyObject *kind[MAX_KINDS]
    cdef int kind_count          # 0: any
    cdef int parents             # 1 << parent_place of those that match; 0: any

    cdef bint matches(self, const SamplingInput *question) except -1


cdef class NativeRuleBased(NativeOwnSampler):
    cdef tuple rules
    cdef NativeOutcome default
    cdef tuple counting          # the natives that want to be told of spans

    cdef NativeOutcome outcome_for(self, const SamplingInput *question)
