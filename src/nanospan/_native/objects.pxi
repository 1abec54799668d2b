# The queue of exporters that take the spans themselves; included by queue.pyx.

cdef class ObjectQueue(SpanQueue):
    """The spans themselves, in a deque bounded by spans."""

    def __cinit__(self, max_spans, wake_spans):
        self.max_spans = max_spans
        self.wake_spans = wake_spans
        self.renew()

    cdef bint renew(self) except -1:
        spans = deque()
        if not self.begin_process():
            return False
        old_spans = self.spans  # kept until all is in place: letting go of spans may run Python code
        self.spans = spans
        self.pushed = self.taken = 0
        return True

    cdef int put(self, object span) except -1:
        cdef size_t depth = len(self.spans)
        if depth >= self.max_spans:
            ns_count(&self.counters, NS_DROPPED_QUEUE_FULL, 1)
            return 0
        self.spans.append(span)
        self.pushed += 1
        if depth + 1 >= self.wake_spans:
            ns_wake_up(&self.wake)
        return 0

    cdef uint32_t ticket_now(self) noexcept nogil:
        return self.pushed

    cdef uint32_t spans_now(self) noexcept nogil:
        return self.pushed - self.taken

    def next_batch(self, double timeout, uint32_t max_spans, size_t max_bytes):
        """Wait up to ``timeout`` seconds for a batch to be due, then take it, as an `ObjectBatch` or None.

        ``max_bytes`` is not looked at: the size of an object in some exporter's format is not known.
        """
        cdef uint32_t count
        # Announced under the interpreter lock, which `put` holds too: either it sees the sleeper or this sees its span.
        if timeout > 0 and self.may_sleep():
            with nogil:
                self.sleep(timeout)
        ns_wake_take_request(&self.wake)
        count = min(self.spans_now(), max_spans)
        if count == 0:
            return None
        batch = ObjectBatch(tuple([self.spans.popleft() for _ in range(count)]))
        self.taken += count
        batch.ticket = self.taken
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
