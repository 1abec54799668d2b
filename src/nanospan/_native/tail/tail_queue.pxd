from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from nanospan._native.encoding.batch cimport EncodedBatch
from nanospan._native.encoding.encoder cimport EncodeCounts, TraceKey
from nanospan._native.base.csrc cimport ns_buf, ns_record
from nanospan._native.tail.policies cimport CompiledPolicies, ns_facts, ns_policies
from nanospan._native.queue.span_queue cimport SpanQueue
from nanospan._native.encoding.sources cimport SourceTable
from nanospan._native.base.threads cimport nspy_lock

cdef extern from "tail/ns_trace_table.h" nogil:
    ctypedef struct ns_traces_counts:
        uint64_t spans_kept
        uint64_t spans_sampled_out
        uint64_t spans_evicted
        uint64_t spans_queue_full
        uint64_t late_kept
        uint64_t late_dropped
        uint64_t late_forgotten
        uint64_t traces_kept
        uint64_t traces_sampled_out
        uint64_t traces_evicted
        uint64_t traces_queue_full
        uint64_t decided_early
        uint64_t decided_by_time
        uint64_t thresholds_unwritten

    ctypedef struct ns_traces_settings:
        uint64_t max_bytes
        uint32_t max_traces
        uint32_t remembered
        uint64_t wait_ns
        uint64_t wait_after_root_ns
        ns_policies *policies
        void (*retain)(void *context, uint32_t source)
        void (*release)(void *context, uint32_t source)
        void *context
        uint64_t (*clock)()

    ctypedef struct ns_traces:
        uint32_t traces_held
        uint64_t spans_held
        uint64_t bytes_held
        uint32_t spans_queued
        uint32_t spans_read
        uint32_t chunks_queued
        uint32_t most_queued
        uint32_t chunks_free
        uint32_t chunk_count
        ns_traces_counts counts

    ctypedef struct ns_haul:
        uint8_t *bytes
        ns_record *records
        size_t count


cdef class TailQueue(SpanQueue):
    cdef nspy_lock table_lock    # where the interpreter has none: for all from here to has_table, and for resource_matches
    cdef ns_traces table
    cdef bint is_read            # kept spans are being copied out
    cdef bint has_table          # False after a fork in which no memory could be had for it
    cdef object settings         # nanospan.tail.TailSampling
    cdef CompiledPolicies policies
    cdef SourceTable sources
    cdef EncodeCounts encode_counts
    cdef size_t most_span_bytes
    cdef uint32_t matched_resource  # whose conditions are known
    cdef uint64_t resource_matches

    cdef int make_table(self, ns_traces *table, CompiledPolicies policies, SourceTable sources) except -1
    cdef int take(self, ns_buf *encoded, object resource, object scope) except -1
    cdef uint64_t matches_of(self, uint32_t source) noexcept
    cdef int refuse(self, const TraceKey *key, bint known) except -1
    cdef int sweep(self) except -1
    cdef int wait(self, double timeout) except -1
    cdef bint announce_sleep(self) noexcept
    cdef int start_in_table(self, const TraceKey *key) noexcept
    cdef int wake_if_due(self) noexcept
    cdef EncodedBatch batch_of(self, ns_haul *haul)
    cdef bint copy_table(self, ns_traces *table) noexcept
