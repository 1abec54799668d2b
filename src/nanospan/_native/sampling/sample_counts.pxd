"""Declarations of sample_counts.h."""

from libc.stdint cimport uint64_t

cdef extern from "sampling/sample_counts.h" nogil:
    void nspy_count_sample(uint64_t *count)
    uint64_t nspy_sample_count(const uint64_t *count)
