# The queue of exporters of bytes; included by span_queue.pxi.

cdef class EncodedQueue(SpanQueue):
    """OTLP bytes in a ring bounded by spans and bytes."""

    def __cinit__(self, max_spans, wake_spans, max_bytes):
        self.max_spans = max_spans
        self.wake_spans = wake_spans
        self.max_bytes = max_bytes
        self.wake_bytes = self.max_bytes // 4
        self.ring = NULL
        cdef int error = ns_ring_map(&self.ring, self.max_bytes, self.max_spans)
        if error:
            raise OSError(error, f"cannot map a queue of {self.max_bytes} bytes and {self.max_spans} spans")
        self.max_span_bytes = ns_ring_max_record(self.ring) - NS_OTLP_FIXED_ROOM
        self.reset_after_fork()

    def __dealloc__(self):
        ns_ring_unmap(self.ring)

    @cython.critical_section
    cdef bint reset_after_fork(self) except -1:
        sources = SourceTable()
        sources.contract = self.contract
        if not self.claim_generation():
            return False
        old_sources = self.sources  # released last: its destructor may run Python code
        self.sources = sources
        ns_ring_reset(self.ring)
        memset(&self.encode_counts, 0, sizeof(self.encode_counts))
        self.is_read = False
        self.publish_generation()
        return True

    def agree(self, SpanContract contract):
        SpanQueue.agree(self, contract)
        self.sources.contract = contract

    cdef int put(self, SpanView *view) except -1:
        cdef uint8_t storage[STACK_BYTES]
        cdef ns_buf encoded
        cdef EncodeCounts own
        cdef EncodeCounts *counts
        cdef int outcome
        if ns_ring_refuse(self.ring):
            return 0
        counts = own_counts(&own, &self.encode_counts)
        ns_buf_init(&encoded, storage, STACK_BYTES, self.max_span_bytes)
        clear_view(view)
        view.contract = contract_of(self)
        try:
            outcome = encode_span(&encoded, view, counts)
            if outcome == ENCODED:
                self.push(&encoded, view)
            else:
                ns_count(&self.counters, NS_DROPPED_CONTRACT if outcome == WITHHELD else NS_DROPPED_ENCODE_FAILED, 1)
        finally:
            add_counts(&own, &self.encode_counts)
            buffer_free(&encoded)
            release_view(view)
        return 0

    cdef int push(self, ns_buf *encoded, const SpanView *view) except -1:
        cdef ns_reservation reservation
        cdef int64_t source = self.sources.acquire(object_or_none(view.resource), object_or_none(view.scope))
        if source < 0:
            ns_count(&self.counters, NS_DROPPED_ENCODE_FAILED, 1)
        elif load_flag(&self.stopped):
            # Checked again: encoding may have let other threads in.
            self.sources.release(<uint32_t> source)
            ns_count(&self.counters, NS_DROPPED_SHUTDOWN, 1)
        elif ns_ring_push(self.ring, <uint32_t> source, encoded.data, <uint32_t> encoded.len,
                          &reservation) != NS_RING_OK:
            self.sources.release(<uint32_t> source)
        else:
            if (reservation.spans >= self.wake_spans
                    or <uint64_t> reservation.units * NS_RING_UNIT >= self.wake_bytes):
                ns_wake_up(&self.wake)
            # With the interpreter lock, no thread stops the queue between the check above and the push. Without it, check
            # again: the push, this load, the store in `stop` and the last read of the ring are sequentially consistent, so
            # either that read finds the span or this load finds the stop.
            if FREE and load_flag_seq_cst(&self.stopped):
                self.drop_late()
        return 0

    @cython.critical_section
    cdef int drop_late(self) except -1:
        """For a push that raced with a stop: drops the span if the ring was read for the last time."""
        if self.closed:
            self.drop_all()
        return 0

    @cython.critical_section
    def close(self):
        store_flag_seq_cst(&self.closed, True)
        self.drop_all()

    cdef int drop_all(self) except -1:
        cdef ns_record records[DRAIN_RECORDS]
        cdef ns_ring_stretch stretch
        while not claim(&self.is_read):
            with nogil:
                sched_yield()  # a reader that started before the close is still copying its batch
        stretch.count = 1
        while stretch.count:
            stretch = ns_ring_read(self.ring, records, DRAIN_RECORDS, <size_t> -1)
            self.sources.release_all(records, stretch.count)
            ns_ring_release(self.ring, stretch, False)
            ns_count(&self.counters, NS_DROPPED_SHUTDOWN, stretch.count)
        release_flag(&self.is_read)
        return 0

    cdef uint32_t ticket_now(self) noexcept nogil:
        return ns_ring_ticket(self.ring)

    cdef uint32_t spans_now(self) noexcept nogil:
        return ns_ring_depth(self.ring)

    cdef bint is_due(self) noexcept nogil:
        return ns_ring_depth(self.ring) >= self.wake_spans or ns_ring_used_bytes(self.ring) >= self.wake_bytes

    def next_batch(self, double timeout, uint32_t max_spans, size_t max_bytes):
        """Wait up to ``timeout`` seconds for a batch to be due, then take it.

        Takes the oldest spans, at most ``max_spans``, into one request of about ``max_bytes``. Returns an `EncodedBatch`, or
        None if the queue is empty. Waits, reads and frames without the interpreter lock, so that the room in the ring is
        free again before this thread competes for the lock.
        """
        cdef ns_record *records = NULL
        cdef ns_ring_stretch stretch
        cdef uint8_t *body = NULL
        cdef size_t size = 0
        cdef uint32_t depth
        cdef int failed = 0
        cdef bint woken = True
        cdef EncodedBatch batch = EncodedBatch.__new__(EncodedBatch)
        with nogil:
            if timeout > 0 and self.may_sleep():
                woken = self.sleep(timeout)
            ns_wake_take_request(&self.wake)
            memset(&stretch, 0, sizeof(stretch))
            # The ring allows one reader: while another thread reads or drains it, return nothing.
            if claim(&self.is_read):
                depth = ns_ring_depth(self.ring)
                if depth > max_spans:
                    depth = max_spans
                if depth:
                    records = <ns_record *> malloc(depth * sizeof(ns_record))
                if records != NULL:
                    stretch = ns_ring_read(self.ring, records, depth, max_bytes)
                if stretch.count:
                    failed = frame_records(records, stretch.count, self.sources, &body, &size)
                    # A batch due by the timeout means low traffic: return pages to the system.
                    ns_ring_release(self.ring, stretch, not woken)
                if not woken:
                    ns_ring_trim(self.ring)
                release_flag(&self.is_read)
        if stretch.count == 0:
            free(records)
            return None
        if failed:
            self.sources.release_all(records, stretch.count)
            free(records)
            ns_count(&self.counters, NS_DROPPED_ENCODE_FAILED, stretch.count)
            return None
        batch.adopt(body, size, records, stretch.count, self.sources)
        batch.ticket = ns_ring_spans_of(stretch.position)
        return batch

    @property
    def used_bytes(self):
        """Bytes of the ring in use."""
        return ns_ring_used_bytes(self.ring)

    cdef tuple figures(self):
        return ns_ring_dropped_full(self.ring), ns_ring_dropped_oversize(self.ring), 0, 0, 0

    def detail(self):
        return {
            "queue_bytes": ns_ring_used_bytes(self.ring),
            "values_repaired": load_u64(&self.encode_counts.repaired) + load_u64(&self.sources.counts.repaired),
            "values_lost": load_u64(&self.encode_counts.lost) + load_u64(&self.sources.counts.lost),
        }
