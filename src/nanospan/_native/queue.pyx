"""The queues between ending spans and the export worker, and the native half of the batch processor.

`EncodedQueue` holds OTLP bytes in the ring of csrc/ns_ring.h, for exporters that take bytes. `ObjectQueue` holds the spans
themselves, for any other exporter. Both are bounded, drop the newest when full and count it, and never wait.
"""

from collections import deque

cimport cython
from cpython.long cimport PyLong_AsLong
from cpython.object cimport PyObject_GenericGetAttr, PyObject_GenericSetAttr
from cpython.tuple cimport PyTuple_GET_ITEM
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

from nanospan import _sdk_private as private
from nanospan._native.batch cimport EncodedBatch, frame_records
from nanospan._native.encoder cimport EncodableSpan, buffer_free, encode_span, resource_of, scope_of
from nanospan._native.fork cimport generation_address
from nanospan._native.ground cimport *
from nanospan._native.sources cimport SourceTable
from nanospan._native.threads cimport (
    FREE, claim, give_back, load_flag, load_flag_ordered, load_u32, load_u64, seen_u32, show_u32, store_flag,
    store_flag_ordered, store_u32
)

cdef extern from "<sched.h>" nogil:
    int sched_yield()

cdef str CONTEXT = private.READABLE_SPAN_FIELDS["context"]
cdef const uint32_t *GENERATION = generation_address()

cdef enum:
    STACK_BYTES = 4096  # nearly all spans are smaller; a larger one moves to the heap
    FEW_RECORDS = 64


cdef inline bint is_sampled(object span) except -1:
    context = PyObject_GenericGetAttr(span, CONTEXT) if type(span) is ReadableSpan else span.context
    if type(context) is SpanContext:
        return PyLong_AsLong(<object> PyTuple_GET_ITEM(context, 3)) & 1
    return bool(context and context.trace_flags.sampled)


cdef class SpanQueue:
    """What both queues share: counting, waking the worker, noticing a fork."""

    def __cinit__(self, *args, **kwargs):
        self.generation = GENERATION[0] - 1  # of no process: the first renew() is as any other
        self.stopped = self.wants_starts = self.takes_unsampled = False
        self.on_fork = None

    # --- the application's side ---------------------------------------------------------------------------------------

    cdef int end(self, object span) except -1:
        """Takes an ended span. Raises nothing but what Python code in the span raises that is no Exception."""
        if seen_u32(&self.generation) != GENERATION[0]:
            self.notice_fork()
        ns_count(&self.counters, NS_ENDED, 1)
        cdef bint wanted = False
        try:
            if not self.takes_unsampled and not is_sampled(span):
                ns_count(&self.counters, NS_SAMPLED_OUT, 1)
            elif load_flag(&self.stopped):
                ns_count(&self.counters, NS_DROPPED_SHUTDOWN, 1)
            else:
                wanted = True
                self.put(span)
        except Exception:
            ns_count(&self.counters, NS_DROPPED_ENCODE_FAILED, 1)
        except BaseException:
            # A signal handler's SystemExit, or the like, struck while Python code ran: the span itself is whole.
            self.put_again(span, wanted)
            raise
        return 0

    cdef int put_again(self, object span, bint wanted) except -1:
        try:
            if wanted:
                self.put(span)
                return 0
        except BaseException:
            pass
        ns_count(&self.counters, NS_DROPPED_ENCODE_FAILED, 1)
        return 0

    cdef int put(self, object span) except -1:
        raise NotImplementedError

    cdef int end_native(self, EncodableSpan span) except -1:
        """As `end`, for a span of the native tracer."""
        if seen_u32(&self.generation) != GENERATION[0]:
            self.notice_fork()
        ns_count(&self.counters, NS_ENDED, 1)
        cdef bint wanted = False
        try:
            if not self.takes_unsampled and not span.is_sampled():
                ns_count(&self.counters, NS_SAMPLED_OUT, 1)
            elif load_flag(&self.stopped):
                ns_count(&self.counters, NS_DROPPED_SHUTDOWN, 1)
            else:
                wanted = True
                self.put_native(span)
        except Exception:
            ns_count(&self.counters, NS_DROPPED_ENCODE_FAILED, 1)
        except BaseException:
            self.put_native_again(span, wanted)  # see `end`
            raise
        return 0

    cdef int put_native(self, EncodableSpan span) except -1:
        return self.put(span.readable())

    cdef int put_native_again(self, EncodableSpan span, bint wanted) except -1:
        try:
            if wanted:
                self.put_native(span)
                return 0
        except BaseException:
            pass
        ns_count(&self.counters, NS_DROPPED_ENCODE_FAILED, 1)
        return 0

    cdef int started(self, object span) except -1:
        """Told of each span that starts, if the queue `wants_starts`. Raises nothing."""
        return 0

    cdef int started_native(self, EncodableSpan span) except -1:
        return 0

    cdef int notice_fork(self) except -1:
        if self.renew() and self.on_fork is not None:
            self.on_fork()
        return 0

    cdef bint renew(self) except -1:
        """Makes the state of a new process. False if another thread has done so meanwhile.

        Within the section of the queue. What can run Python code, and so let other threads in, comes first and last; between
        `begin_process` and `end_beginning` nothing does, so that no thread meets half of it."""
        raise NotImplementedError

    cdef bint begin_process(self) noexcept:
        if self.generation == GENERATION[0]:
            return False
        ns_counters_reset(&self.counters)
        memset(&self.wake, 0, sizeof(self.wake))
        return True

    cdef void end_beginning(self) noexcept:
        # Whoever sees this number goes on without the section, and must find all of it.
        show_u32(&self.generation, GENERATION[0])

    # --- the worker's side --------------------------------------------------------------------------------------------

    cdef uint32_t ticket_now(self) noexcept nogil:
        return 0

    cdef uint32_t spans_now(self) noexcept nogil:
        return 0

    cdef bint is_due(self) noexcept nogil:
        return self.spans_now() >= self.wake_spans

    cdef bint may_sleep(self) noexcept nogil:
        """Announces sleep and looks again; False if there is no reason to sleep after all."""
        ns_wake_announce(&self.wake)
        if self.is_due() or ns_wake_requested(&self.wake):
            ns_wake_cancel(&self.wake)
            return False
        return True

    cdef bint sleep(self, double timeout) noexcept nogil:
        """Sleeps until a batch is due, somebody asks, or `timeout` seconds have passed. False for the last."""
        return ns_wake_sleep(&self.wake, <int64_t> (timeout * 1e9))

    def check_fork(self):
        """Empty the queue if it was made before a fork that this process came from."""
        if seen_u32(&self.generation) != GENERATION[0]:
            self.notice_fork()

    def request(self):
        """Wake the worker, whatever the queue holds."""
        ns_wake_request(&self.wake)

    def has_work(self):
        """Whether a batch is due or somebody has asked for the worker: for one that must not wait in `next_batch`."""
        return self.is_due() or ns_wake_requested(&self.wake)

    @cython.critical_section
    def stop(self):
        """Count everything that ends from now on as dropped by shutdown."""
        store_flag_ordered(&self.stopped, True)

    def close(self):
        """Say that nothing more will be read, after `stop`; what comes in all the same is counted as dropped by shutdown."""

    @property
    def ticket(self):
        """Spans queued so far, modulo 2**32: all of them are out when a batch has this ``ticket`` or a later one."""
        return self.ticket_now()

    @property
    def depth(self):
        """Spans in the queue."""
        return self.spans_now()

    def __len__(self):
        return self.spans_now()

    def __bool__(self):
        return True

    def settle(self, exported, rejected, failed):
        """Count where the spans of one batch went."""
        ns_count(&self.counters, NS_EXPORTED, exported)
        ns_count(&self.counters, NS_REJECTED, rejected)
        ns_count(&self.counters, NS_DROPPED_EXPORT_FAILED, failed)

    def abandon(self, count):
        """Count spans that a shutdown left behind."""
        ns_count(&self.counters, NS_DROPPED_SHUTDOWN, count)

    cdef tuple figures(self):
        """``(queue_full, oversize, held, sampled_out, evicted)``, all of one moment, the last three of traces that wait, or
        waited, for a decision."""
        return ns_counted(&self.counters, NS_DROPPED_QUEUE_FULL), 0, 0, 0, 0

    def detail(self):
        """Figures beside the accounting."""
        return {}

    def stats(self):
        """The accounting of docs/accounting.md."""
        exported = ns_counted(&self.counters, NS_EXPORTED)
        rejected = ns_counted(&self.counters, NS_REJECTED)
        unsampled = ns_counted(&self.counters, NS_SAMPLED_OUT)
        encode_failed = ns_counted(&self.counters, NS_DROPPED_ENCODE_FAILED)
        export_failed = ns_counted(&self.counters, NS_DROPPED_EXPORT_FAILED)
        shutdown = ns_counted(&self.counters, NS_DROPPED_SHUTDOWN)
        # After those: a span that is held now was in none of them when they were read.
        queue_full, oversize, held, sampled_out, evicted = self.figures()
        sampled_out += unsampled
        dropped = {
            "queue_full": queue_full,
            "oversize": oversize,
            "encode_failed": encode_failed,
            "evicted": evicted,
            "export_failed": export_failed,
            "shutdown": shutdown,
        }
        # Last: every span counted above has ended before.
        ended = ns_counted(&self.counters, NS_ENDED)
        return {
            "ended": ended,
            "queued": ended - held - exported - rejected - sampled_out - sum(dropped.values()),
            "held": held,
            "exported": exported,
            "dropped": dropped,
            "rejected": rejected,
            "sampled_out": sampled_out,
            "detail": self.detail(),
        }


cdef class EncodedQueue(SpanQueue):
    """Spans as OTLP bytes, in a ring bounded by spans and by bytes."""

    def __cinit__(self, max_spans, wake_spans, max_bytes):
        self.max_spans = max_spans
        self.wake_spans = wake_spans
        self.max_bytes = max_bytes
        self.wake_bytes = self.max_bytes // 4
        self.ring = NULL
        cdef int error = ns_ring_map(&self.ring, self.max_bytes, self.max_spans)
        if error:
            raise OSError(error, f"cannot map a queue of {self.max_bytes} bytes and {self.max_spans} spans")
        self.most_span_bytes = ns_ring_max_record(self.ring) - NS_OTLP_FIXED_ROOM
        self.renew()

    def __dealloc__(self):
        ns_ring_unmap(self.ring)

    @cython.critical_section
    cdef bint renew(self) except -1:
        sources = SourceTable()
        if not self.begin_process():
            return False
        old_sources = self.sources  # kept until all is in place: letting go of it may run Python code
        self.sources = sources
        ns_ring_reset(self.ring)
        memset(&self.encode_counts, 0, sizeof(self.encode_counts))
        self.is_read = False
        self.end_beginning()
        return True

    cdef int put_native(self, EncodableSpan span) except -1:
        cdef uint8_t storage[STACK_BYTES]
        cdef ns_buf encoded
        cdef EncodeCounts own
        cdef EncodeCounts *counts
        if ns_ring_refuse(self.ring):
            return 0
        counts = own_counts(&own, &self.encode_counts)
        ns_buf_init(&encoded, storage, STACK_BYTES, self.most_span_bytes)
        try:
            if span.encode(&encoded, counts) != 0:
                ns_count(&self.counters, NS_DROPPED_ENCODE_FAILED, 1)
            else:
                self.push(&encoded, span.own_resource(), span.own_scope())
        finally:
            add_counts(&own, &self.encode_counts)
            buffer_free(&encoded)
        return 0

    cdef int put(self, object span) except -1:
        cdef uint8_t storage[STACK_BYTES]
        cdef ns_buf encoded
        cdef EncodeCounts own
        cdef EncodeCounts *counts
        if ns_ring_refuse(self.ring):
            return 0
        counts = own_counts(&own, &self.encode_counts)
        ns_buf_init(&encoded, storage, STACK_BYTES, self.most_span_bytes)
        try:
            if encode_span(&encoded, span, counts) != 0:
                ns_count(&self.counters, NS_DROPPED_ENCODE_FAILED, 1)
            else:
                self.push(&encoded, resource_of(span), scope_of(span) or None)
        finally:
            add_counts(&own, &self.encode_counts)
            buffer_free(&encoded)
        return 0

    cdef int push(self, ns_buf *encoded, object resource, object scope) except -1:
        cdef ns_reservation reservation
        cdef int64_t source = self.sources.acquire(resource, scope)
        if source < 0:
            ns_count(&self.counters, NS_DROPPED_ENCODE_FAILED, 1)
        elif load_flag(&self.stopped):
            # Meanwhile: encoding may have let other threads in.
            self.sources.release(<uint32_t> source)
            ns_count(&self.counters, NS_DROPPED_SHUTDOWN, 1)
        elif ns_ring_push(self.ring, <uint32_t> source, encoded.data, <uint32_t> encoded.len,
                          &reservation) != NS_RING_OK:
            self.sources.release(<uint32_t> source)
        else:
            if (reservation.spans >= self.wake_spans
                    or <uint64_t> reservation.units * NS_RING_UNIT >= self.wake_bytes):
                ns_wake_up(&self.wake)
            # With an interpreter lock, nobody stops the queue between the look and the push. Without one, `stopped` is
            # looked at again: the push, this look, the store in `stop` and the last look at the ring are in one order, so
            # that a span which that look did not find is found here.
            if FREE and load_flag_ordered(&self.stopped):
                self.drop_late()
        return 0

    @cython.critical_section
    cdef int drop_late(self) except -1:
        """After a push that a stop has overtaken: if the ring was read for the last time, the span is dropped."""
        if self.closed:
            self.drop_all()
        return 0

    @cython.critical_section
    def close(self):
        store_flag_ordered(&self.closed, True)
        self.drop_all()

    cdef int drop_all(self) except -1:
        cdef ns_record records[FEW_RECORDS]
        cdef ns_ring_stretch stretch
        while not claim(&self.is_read):
            with nogil:
                sched_yield()  # until the last reader, who came before the ring was closed, has copied what he reads
        stretch.count = 1
        while stretch.count:
            stretch = ns_ring_read(self.ring, records, FEW_RECORDS, <size_t> -1)
            self.sources.release_all(records, stretch.count)
            ns_ring_release(self.ring, stretch, False)
            ns_count(&self.counters, NS_DROPPED_SHUTDOWN, stretch.count)
        give_back(&self.is_read)
        return 0

    cdef uint32_t ticket_now(self) noexcept nogil:
        return ns_ring_ticket(self.ring)

    cdef uint32_t spans_now(self) noexcept nogil:
        return ns_ring_depth(self.ring)

    cdef bint is_due(self) noexcept nogil:
        return ns_ring_depth(self.ring) >= self.wake_spans or ns_ring_used_bytes(self.ring) >= self.wake_bytes

    def next_batch(self, double timeout, uint32_t max_spans, size_t max_bytes):
        """Wait up to ``timeout`` seconds for a batch to be due, then take it.

        Takes the oldest spans, at most ``max_spans``, into one request of about ``max_bytes``. Returns an `EncodedBatch`,
        or None if there was nothing. Waiting, reading and framing happen without the interpreter lock: the ring has its
        room back before this thread has to compete for it.
        """
        cdef ns_record *records = NULL
        cdef ns_ring_stretch stretch
        cdef uint8_t *body = NULL
        cdef size_t size = 0
        cdef uint32_t depth
        cdef int failed = 0
        cdef bint woken = True
        with nogil:
            if timeout > 0 and self.may_sleep():
                woken = self.sleep(timeout)
            ns_wake_take_request(&self.wake)
            memset(&stretch, 0, sizeof(stretch))
            # A ring has one reader at a time. Where another is at it, or drops what came after the end, there is nothing here.
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
                    # A queue that is emptied by the clock is a quiet one: give its pages back.
                    ns_ring_release(self.ring, stretch, not woken)
                if not woken:
                    ns_ring_trim(self.ring)
                give_back(&self.is_read)
        if stretch.count == 0:
            free(records)
            return None
        if failed:
            self.sources.release_all(records, stretch.count)
            free(records)
            ns_count(&self.counters, NS_DROPPED_ENCODE_FAILED, stretch.count)
            return None
        batch = EncodedBatch.adopt(body, size, records, stretch.count, self.sources)
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


include "objects.pxi"


cdef class NativeBatchProcessor:
    """The calls that the SDK makes for every span. Everything else is `nanospan.BatchSpanProcessor`."""

    def __setattr__(self, str name, value):
        # Whoever replaces one of the three calls on an instance wants it called: no shortcut past it any more.
        if name in ("on_start", "_on_ending", "on_end"):
            store_flag(&self.patched, True)
        PyObject_GenericSetAttr(self, name, value)

    def on_start(self, span, parent_context=None):
        """Tell a queue that wants to know."""
        cdef SpanQueue queue = <SpanQueue> queue_of(self)
        if queue is not None and queue.wants_starts:
            queue.started(span)

    def _on_ending(self, span):
        pass

    def on_end(self, span):
        """Queue an ended span and return: at most one system call, no lock, no wait."""
        cdef SpanQueue queue = <SpanQueue> queue_of(self)
        if queue is not None:  # None while a subclass is being constructed
            queue.end(span)

    def _attach_queue(self, SpanQueue queue not None):
        if self._queue is not None:
            # Constructed once more: other threads may be in the first queue.
            self.former = [self.former, self._queue]
        attach(self, queue)


include "ring.pxi"
