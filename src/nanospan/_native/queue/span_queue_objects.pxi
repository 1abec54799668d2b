# The queue of exporters of span objects; included by span_queue.pxi.

cdef class ObjectQueue(SpanQueue):
    """Span objects in a bounded deque."""

    def __cinit__(self, max_spans, wake_spans):
        self.max_spans = max_spans
        self.wake_spans = wake_spans
        self.reset_after_fork()

    @cython.critical_section
    cdef bint reset_after_fork(self) except -1:
        spans = deque()
        if not self.claim_generation():
            return False
        old_spans = self.spans  # released last: destructors of spans may run Python code
        self.spans = spans
        store_u32(&self.pushed, 0)
        store_u32(&self.taken, 0)
        self.publish_generation()
        return True

    cdef int put(self, SpanView *view) except -1:
        span = view.calls.readable(view.span)
        if self.contract is not None:
            span = self.contract.allowed(span)
            if span is None:
                ns_count(&self.counters, NS_DROPPED_CONTRACT, 1)
                return 0
        return self.append(span)

    # The deque has no other references: the critical sections below neither block nor run Python code.

    @cython.critical_section
    cdef int append(self, object span) except -1:
        cdef size_t depth = len(self.spans)
        if self.stopped:  # checked again: making the ReadableSpan may have let other threads in
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
        # Acquire: the later load of `pushed` then counts every span that is counted in `taken`.
        cdef uint32_t taken = load_acquire_u32(&self.taken)
        return load_u32(&self.pushed) - taken

    @cython.critical_section
    cdef bint announce_sleep(self):
        # `append` runs in the same section: either it sees the announced sleep, or this call sees its span.
        return self.may_sleep()

    @cython.critical_section
    cdef ObjectBatch take(self, uint32_t max_spans):
        """The oldest spans; None if there are none. All memory is allocated before a span is taken: none is lost."""
        cdef uint32_t i, count = min(self.spans_now(), max_spans)
        cdef ObjectBatch batch
        if count == 0:
            return None
        batch = ObjectBatch(PyTuple_New(count))
        for i in range(count):
            span = self.spans.popleft()
            Py_INCREF(span)
            PyTuple_SET_ITEM(batch.spans, i, span)
        store_release_u32(&self.taken, self.taken + count)  # release: pairs with the acquire load in spans_now
        batch.ticket = self.taken
        return batch

    def next_batch(self, double timeout, uint32_t max_spans, size_t max_bytes):
        """Wait up to ``timeout`` seconds for a batch to be due, then take it, as an `ObjectBatch` or None.

        ``max_bytes`` is ignored: the size of a span in the exporter's format is unknown.
        """
        if timeout > 0 and self.announce_sleep():
            with nogil:
                self.sleep(timeout)
        ns_wake_take_request(&self.wake)
        return self.take(max_spans)


cdef class ObjectBatch:
    """A batch of `opentelemetry.sdk.trace.ReadableSpan` objects."""

    def __init__(self, spans):
        self.spans = spans

    @property
    def count(self):
        return len(self.spans)
