"""Rules that select the sampler of a span."""

from cpython.object cimport PyObject
from libc.stdint cimport uint64_t


# An exact text, or a pattern.
cdef class TextMatch:
    cdef str text
    cdef bint is_pattern

    cdef bint holds(self, object text) noexcept


# A condition on the value of one attribute.
cdef class AttributeMatch:
    cdef str key
    cdef bint any_value
    cdef TextMatch like   # None: compare with `values`
    cdef tuple values

    cdef bint holds(self, object attributes) except -1
    cdef bint holds_in_mapping(self, object attributes) except -1
    cdef bint holds_for(self, object value) except -1
    cdef bint holds_for_one(self, object value) except -1


# The sampler of a rule, and the counts of its decisions.
cdef class NativeOutcome:
    cdef object sampler
    cdef NativeSampler native
    cdef bint keeps_all   # ALWAYS_ON: a threshold of 0
    cdef uint64_t matched
    cdef uint64_t sampled

    cdef int decide_on(self, SamplingInput *given, SamplingOutput *output) except -2
    cdef int report_all_kept(self, SamplingInput *given, SamplingOutput *output) except -1


cdef enum:
    MAX_KINDS = 5

cdef class NativeRule(NativeOutcome):
    cdef TextMatch name
    cdef TextMatch scope
    cdef tuple attributes
    cdef tuple kinds             # owns the objects in `kind`
    cdef PyObject *kind[MAX_KINDS]
    cdef int kind_count          # 0: any
    cdef int parents             # bit set over parent_place; 0: any

    cdef bint matches(self, const SamplingInput *given) except -1


cdef class NativeRuleBased(NativeOwnSampler):
    cdef tuple rules
    cdef NativeOutcome default
    cdef tuple counting          # the native samplers with `counts_spans`

    cdef tuple outcomes(self)
    cdef NativeOutcome outcome_for(self, const SamplingInput *given)
