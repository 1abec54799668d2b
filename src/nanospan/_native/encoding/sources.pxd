from libc.stdint cimport int64_t, uint32_t, uint64_t

from nanospan._native.encoding.csrc cimport ns_record, ns_source, ns_source_slot
from nanospan._native.encoding.span_view cimport EncodeCounts


cdef class Source:
    """One encoded pair of resource and scope. Immutable once it has a slot."""

    cdef ns_source described
    cdef object resource
    cdef object scope
    # `described` points into these
    cdef bytes resource_head
    cdef bytes resource_tail
    cdef bytes scope_head
    cdef bytes scope_tail


cdef class SourceTable:
    cdef const ns_source **described  # by slot; valid while a record refers to the slot
    cdef ns_source_slot *slots
    cdef uint32_t capacity
    cdef uint32_t used
    cdef bint may_move                # the arrays may be reallocated
    cdef size_t sweep_at
    cdef list sources                 # Source or None, by slot
    cdef list free_slots
    cdef dict by_identity
    cdef dict resource_ids
    cdef dict scope_ids
    cdef object first_resource
    cdef uint32_t next_resource_id
    cdef uint32_t next_scope_id
    cdef uint32_t cache[64]           # last slot by hash of the addresses; relaxed, each guess is verified
    cdef EncodeCounts counts
    cdef SpanContract contract        # None: none; set before the first acquire

    cdef int64_t acquire(self, object resource, object scope) except -2
    cdef void retain(self, uint32_t slot) noexcept nogil
    cdef void release(self, uint32_t slot) noexcept nogil
    cdef void release_all(self, const ns_record *records, size_t count) noexcept nogil
    cdef int64_t find(self, object resource, object scope) except -2
    cdef int64_t add(self, object resource, object scope, tuple identity) except -2
    cdef int place(self, Source source, int64_t slot) except -1
    cdef int64_t acquire_known(self, tuple identity, object resource, object scope) except -2
    cdef Source describe(self, object resource, object scope)
    cdef uint32_t resource_id(self, object resource) except? 0xFFFFFFFF
    cdef uint32_t scope_id(self, object scope) except? 0xFFFFFFFF
    cdef bint grow(self) except -1
    cdef int sweep(self) except -1
