from libc.stdint cimport uint64_t

from nanospan._native.context.csrc cimport ns_trace_id


# For native tracers: the ids of csrc/context/ns_ids.h, which is linked into this module alone.
cdef uint64_t new_span_id() noexcept nogil
cdef void new_root_ids(ns_trace_id *trace_id, uint64_t *span_id) noexcept nogil


cdef class NativeIdGenerator:
    cdef bint patched  # a method was assigned on the instance
