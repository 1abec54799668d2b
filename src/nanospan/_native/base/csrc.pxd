"""Declarations of the headers of csrc/base."""

from libc.stdint cimport uint32_t, uint64_t
from posix.types cimport clockid_t

cdef extern from "base/ns_text.h" nogil:
    enum: NS_TEXT_UTF8

    ctypedef struct ns_text:
        const void *data
        size_t length
        uint32_t width

cdef extern from "base/ns_fork.h" nogil:
    int ns_fork_install()
    uint32_t ns_fork_generation()
    uint32_t ns_fork_counter

cdef extern from "base/ns_clock.h" nogil:
    uint64_t ns_clock_read(clockid_t clock)
    uint64_t ns_clock_monotonic()
    uint64_t ns_clock_coarse()
    uint64_t ns_clock_wall()
