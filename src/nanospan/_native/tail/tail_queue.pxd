from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

from nanospan._native.base.threads cimport nspy_lock
from nanospan._native.encoding cimport EncodedBatch, SourceTable
from nanospan._native.encoding.csrc cimport ns_buf
from nanospan._native.encoding.span_view cimport EncodeCounts, SpanView, TraceKey
from nanospan._native.queue cimport SpanQueue
from nanospan._native.queue.csrc cimport ns_counter
from nanospan._native.tail.csrc cimport ns_kept_batch, ns_trace_table


cdef class TailQueue(SpanQueue):
    cdef nspy_lock table_lock    # free-threaded build: protects the fields down to has_table, and the last two
    cdef ns_trace_table table
    cdef bint is_read            # a thread is copying kept spans out
    cdef bint has_table          # False in a forked child that found no memory for a table
    cdef object settings         # nanospan.tail.TailSampling
    cdef object plan             # nanospan.tail._plan.Plan; compiled again after a fork
    cdef CompiledPolicies policies
    cdef SourceTable sources
    cdef EncodeCounts encode_counts
    cdef size_t max_span_bytes
    cdef uint32_t matched_resource  # the resource of `resource_matches`
    cdef uint64_t resource_matches

    cdef int make_table(self, ns_trace_table *table, CompiledPolicies policies, SourceTable sources) except -1
    cdef int store(self, ns_buf *encoded, const SpanView *view) except -1
    cdef uint64_t matches_of(self, uint32_t source) noexcept
    cdef int drop_unusable(self, const TraceKey *key, bint known, ns_counter reason) except -1
    cdef int sweep(self) except -1
    cdef int wait(self, double timeout) except -1
    cdef bint announce_sleep(self) noexcept
    cdef int start_in_table(self, const TraceKey *key) noexcept
    cdef int wake_if_due(self) noexcept
    cdef EncodedBatch batch_of(self, ns_kept_batch *batch, EncodedBatch encoded)
    cdef bint copy_table(self, ns_trace_table *table) noexcept
