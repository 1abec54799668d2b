# The ring by itself, for tests and benchmarks; included by span_queue.pyx, because a C source is linked into one module only.

cdef class Ring:
    """csrc/queue/ns_ring.h with bytes for payloads. One consumer at a time is the caller's duty."""

    cdef ns_ring *ring

    def __cinit__(self, max_bytes, max_spans):
        cdef int error = ns_ring_map(&self.ring, max_bytes, max_spans)
        if error:
            raise ValueError(
                f"max_bytes must be {NS_RING_MIN_BYTES} to {NS_RING_MAX_BYTES} and max_spans 1 to {NS_RING_MAX_SPANS}, "
                f"not {max_bytes} and {max_spans}"
            )

    def __dealloc__(self):
        ns_ring_unmap(self.ring)

    def push(self, bytes payload not None, uint32_t source=0):
        """"ok", "full" or "oversize"."""
        cdef ns_reservation reservation
        cdef ns_ring_status status = ns_ring_push(
            self.ring, source, <const char *> payload, <uint32_t> len(payload), &reservation
        )
        return ("ok", "full", "oversize")[<int> status]

    def pop(self, size_t max_records=1, size_t max_bytes=1 << 30):
        """The oldest payloads with their sources, as a list of pairs; their room is free afterwards."""
        cdef ns_ring_stretch stretch
        cdef size_t i
        cdef ns_record *records = <ns_record *> malloc(max_records * sizeof(ns_record))
        if records == NULL:
            raise MemoryError
        try:
            stretch = ns_ring_read(self.ring, records, max_records, max_bytes)
            popped = [((<char *> records[i].data)[:records[i].size], records[i].source) for i in range(stretch.count)]
        finally:
            free(records)
        ns_ring_release(self.ring, stretch, False)
        return popped

    @property
    def depth(self):
        return ns_ring_depth(self.ring)

    @property
    def used_bytes(self):
        return ns_ring_used_bytes(self.ring)

    @property
    def dropped(self):
        """``(full, oversize)``."""
        return ns_ring_dropped_full(self.ring), ns_ring_dropped_oversize(self.ring)
