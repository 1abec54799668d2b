"""Declarations of the headers of csrc/queue."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from nanospan._native.encoding.csrc cimport ns_record

cdef extern from "queue/ns_ring.h" nogil:
    ctypedef struct ns_ring:
        pass

    ctypedef struct ns_reservation:
        uint32_t spans
        uint32_t units

    ctypedef struct ns_ring_stretch:
        uint64_t position
        size_t count
        size_t bytes

    ctypedef enum ns_ring_status:
        NS_RING_OK
        NS_RING_FULL
        NS_RING_OVERSIZE
    const uint32_t NS_RING_UNIT
    const uint64_t NS_RING_MIN_BYTES
    const uint64_t NS_RING_MAX_BYTES
    const uint32_t NS_RING_MAX_SPANS
    int ns_ring_map(ns_ring **ring, uint64_t max_bytes, uint32_t max_spans)
    void ns_ring_unmap(ns_ring *ring)
    void ns_ring_reset(ns_ring *ring)
    ns_ring_status ns_ring_push(ns_ring *ring, uint32_t source, const void *payload, uint32_t size,
                                ns_reservation *reservation)
    bint ns_ring_refuse(ns_ring *ring)
    uint32_t ns_ring_max_record(const ns_ring *ring)
    ns_ring_stretch ns_ring_read(ns_ring *ring, ns_record *records, size_t max_records, size_t max_bytes)
    void ns_ring_release(ns_ring *ring, ns_ring_stretch stretch, bint give_back)
    void ns_ring_trim(ns_ring *ring)
    uint32_t ns_ring_spans_of(uint64_t position)
    uint32_t ns_ring_ticket(ns_ring *ring)
    uint32_t ns_ring_depth(ns_ring *ring)
    uint64_t ns_ring_used_bytes(ns_ring *ring)
    uint64_t ns_ring_dropped_full(ns_ring *ring)
    uint64_t ns_ring_dropped_oversize(ns_ring *ring)

cdef extern from "queue/ns_wake.h" nogil:
    ctypedef struct ns_wake:
        pass

    void ns_wake_announce(ns_wake *wake)
    void ns_wake_cancel(ns_wake *wake)
    bint ns_wake_sleep(ns_wake *wake, int64_t timeout_ns)
    void ns_wake_up(ns_wake *wake)
    void ns_wake_request(ns_wake *wake)
    bint ns_wake_requested(ns_wake *wake)
    bint ns_wake_take_request(ns_wake *wake)

cdef extern from "queue/ns_counters.h" nogil:
    ctypedef enum ns_counter:
        NS_ENDED
        NS_SAMPLED_OUT
        NS_EXPORTED
        NS_REJECTED
        NS_DROPPED_QUEUE_FULL
        NS_DROPPED_ENCODE_FAILED
        NS_DROPPED_EXPORT_FAILED
        NS_DROPPED_SHUTDOWN
        NS_DROPPED_CONTRACT

    ctypedef struct ns_counters:
        pass

    void ns_count(ns_counters *counters, ns_counter which, uint64_t by)
    uint64_t ns_counted(const ns_counters *counters, ns_counter which)
    void ns_counters_reset(ns_counters *counters)
