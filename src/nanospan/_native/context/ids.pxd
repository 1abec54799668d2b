from libc.stdint cimport uint64_t

from nanospan._native.context.csrc cimport ns_trace_id


# Ids for native tracers: ns_ids.c has state, so it is linked into this module only.
cdef uint64_t new_span_id() noexcept nogil
cdef void new_root_ids(ns_trace_id *trace_id, uint64_t *span_id) noexcept nogil


cdef class NativeIdGenerator:
    cdef bint patched  # a method was assigned on the instance
