from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uint64_t

from nanospan._native.encoding.csrc cimport ns_buf
from nanospan._native.encoding cimport SourceTable, SpanContract
from nanospan._native.encoding.span_view cimport EncodeCounts, SpanView
from nanospan._native.queue.csrc cimport ns_counters, ns_ring, ns_wake

cdef extern from *:
    """
    #include "base/threads.h"
    /* The counts of an encoder. With the interpreter lock it writes the queue's; on a free-threaded build it counts on its
     * stack and adds once, relaxed: sums publish no other data. */
    #define nspy_own_counts(own, shared) \
        (NSPY_FREE ? ((own)->repaired = (own)->lost = 0, (own)) : (shared))
    #define nspy_add_counts(own, shared)                                                        \
        do {                                                                                    \
            if (NSPY_FREE && ((own)->repaired | (own)->lost)) {                                 \
                nspy_add(&(shared)->repaired, (own)->repaired);                                 \
                nspy_add(&(shared)->lost, (own)->lost);                                         \
            }                                                                                   \
        } while (0)
    """
    EncodeCounts *own_counts "nspy_own_counts"(EncodeCounts *own, EncodeCounts *shared) nogil
    void add_counts "nspy_add_counts"(EncodeCounts *own, EncodeCounts *shared) nogil

cdef class SpanQueue:
    cdef ns_counters counters
    cdef ns_wake wake
    cdef uint32_t generation    # fork generation of the state below (ns_fork.h); acquire load, release store
    cdef bint stopped           # spans that end from now on are dropped; orders: EncodedQueue.push
    cdef readonly uint32_t max_spans
    cdef readonly uint32_t wake_spans
    cdef public object on_fork  # called in a forked child, after the queue was emptied
    cdef bint wants_starts      # `started` is called for each span
    cdef bint takes_unsampled   # takes spans that are recorded but not sampled
    cdef SpanContract contract  # None: none. Set by `agree` before the first span; never replaced

    cdef int end(self, SpanView *view) except -1
    cdef int started(self, SpanView *view) except -1
    cdef int put(self, SpanView *view) except -1
    cdef int put_again(self, SpanView *view, bint wanted) except -1
    cdef int notice_fork(self) except -1
    cdef bint reset_after_fork(self) except -1
    cdef bint claim_generation(self) noexcept
    cdef void publish_generation(self) noexcept
    cdef tuple figures(self)
    cdef uint32_t ticket_now(self) noexcept nogil
    cdef uint32_t spans_now(self) noexcept nogil
    cdef bint is_due(self) noexcept nogil
    cdef bint may_sleep(self) noexcept nogil
    cdef bint sleep(self, double timeout) noexcept nogil


cdef inline PyObject *contract_of(SpanQueue queue) noexcept:
    """Borrowed; NULL: none."""
    return NULL if queue.contract is None else <PyObject *> queue.contract


cdef class EncodedQueue(SpanQueue):
    cdef ns_ring *ring
    cdef SourceTable sources
    cdef EncodeCounts encode_counts
    cdef readonly uint64_t max_bytes
    cdef uint64_t wake_bytes
    cdef size_t max_span_bytes
    cdef bint closed            # the ring was read for the last time; in the section
    cdef bint is_read           # a thread is reading the ring, which allows one reader; `claim`

    cdef int drop_late(self) except -1
    cdef int drop_all(self) except -1
    cdef int push(self, ns_buf *encoded, const SpanView *view) except -1


cdef class ObjectQueue(SpanQueue):
    cdef object spans
    cdef uint32_t pushed  # both change in the section and are read without it, see spans_now
    cdef uint32_t taken

    cdef int append(self, object span) except -1
    cdef bint announce_sleep(self)
    cdef ObjectBatch take(self, uint32_t max_spans)


cdef class ObjectBatch:
    cdef readonly tuple spans
    cdef public uint32_t ticket


cdef class NativeBatchProcessor:
    cdef SpanQueue _queue
    cdef list kept_alive  # former values of _queue
    cdef bint patched     # one of on_start, _on_ending, on_end was assigned on the instance; relaxed


cdef extern from *:
    """
    /* A published pointer: release store, acquire load. */
    #define nspy_queue_of(processor) ((PyObject *)NSPY_LOAD_ACQUIRE((processor)->_queue))
    #define nspy_attach(processor, queue) Py_DECREF(NSPY_REPLACE((processor)->_queue, queue))
    """
    PyObject *queue_of "nspy_queue_of"(NativeBatchProcessor processor)  # None until one is attached
    void attach "nspy_attach"(NativeBatchProcessor processor, SpanQueue queue)
