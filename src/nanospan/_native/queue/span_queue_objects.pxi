# The queue of exporters that take the spans themselves; included by span_queue.pyx.

cdef class ObjectQueue(SpanQueue):
    """The spans themselves, in a deque bounded by spans."""

    def __cinit__(self, max_spans, wake_spans):
        self.max_spans = max_spans
        self.wake_spans = wake_spans
        self.reset_after_fork()

    @cython.critical_section
    cdef bint reset_after_fork(self) except -1:
        spans = deque()
        if not self.claim_generation():
            return False
        old_spans = self.spans  # kept until all is in place: letting go of spans may run Python code
        self.spans = spans
        store_u32(&self.pushed, 0)
        store_u32(&self.taken, 0)
        self.publish_generation()
        return True

    cdef int put(self, SpanView *view) except -1:
        return self.append(view.calls.readable(view.span))

    # No other object refers to the deque: in the critical sections below nothing waits, runs Python code or releases the lock.

    @cython.critical_section
    cdef int append(self, object span) except -1:
        cdef size_t depth = len(self.spans)
        if self.stopped:  # meanwhile: making the span may have let other threads in
            ns_count(&self.counters, NS_DROPPED_SHUTDOWN, 1)
            return 0
        if depth >= self.max_spans:
            ns_count(&self.counters, NS_DROPPED_QUEUE_FULL, 1)
            return 0
        self.spans.append(span)
        store_u32(&self.pushed, self.pushed + 1)
        if depth + 1 >= self.wake_spans:
            ns_wake_up(&self.wake)
        return 0

    cdef uint32_t ticket_now(self) noexcept nogil:
        return load_u32(&self.pushed)

    cdef uint32_t spans_now(self) noexcept nogil:
        # In this order: what is taken was pushed before.
        cdef uint32_t taken = seen_u32(&self.taken)
        return load_u32(&self.pushed) - taken

    @cython.critical_section
    cdef bint announce_sleep(self):
        # `put` holds the section too: either it sees the sleeper or this sees its span.
        return self.may_sleep()

    @cython.critical_section
    cdef tuple take(self, uint32_t max_spans, uint32_t *ticket):
        cdef uint32_t count = min(self.spans_now(), max_spans)
        taken = tuple([self.spans.popleft() for _ in range(count)])
        show_u32(&self.taken, self.taken + count)
        ticket[0] = self.taken
        return taken

    def next_batch(self, double timeout, uint32_t max_spans, size_t max_bytes):
        """Wait up to ``timeout`` seconds for a batch to be due, then take it, as an `ObjectBatch` or None.

        ``max_bytes`` is not looked at: the size of an object in some exporter's format is not known.
        """
        cdef uint32_t ticket = 0
        if timeout > 0 and self.announce_sleep():
            with nogil:
                self.sleep(timeout)
        ns_wake_take_request(&self.wake)
        spans = self.take(max_spans, &ticket)
        if not spans:
            return None
        batch = ObjectBatch(spans)
        batch.ticket = ticket
        return batch


cdef class ObjectBatch:
    """Spans for an exporter that takes `opentelemetry.sdk.trace.ReadableSpan` objects."""

    cdef readonly tuple spans
    cdef public uint32_t ticket

    def __init__(self, spans):
        self.spans = spans

    @property
    def count(self):
        return len(self.spans)
