"""The queues between ending spans and the export worker, and the native half of the batch processor.

`EncodedQueue` holds OTLP bytes in the ring of csrc/queue/ns_ring.h, for exporters that take bytes. `ObjectQueue` holds the spans
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

from nanospan._compat import sdk as private
from nanospan._native.base.fork cimport generation_address
from nanospan._native.base.patches cimport set_attribute
from nanospan._native.base.threads cimport (
    FREE, claim, give_back, load_flag, load_flag_ordered, load_u32, load_u64, seen_u32, show_u32, store_flag,
    store_flag_ordered, store_u32
)
from nanospan._native.encoding.batch cimport EncodedBatch, frame_records
from nanospan._native.encoding.csrc cimport NS_OTLP_FIXED_ROOM, ns_buf_init, ns_record
from nanospan._native.encoding.encoder cimport buffer_free, encode_span, readable_calls
from nanospan._native.encoding.sources cimport SourceTable
from nanospan._native.encoding.span_view cimport (
    EncodeCounts, SpanCalls, SpanView, clear_view, object_or_none, release_view
)
from nanospan._native.queue.csrc cimport (
    NS_DROPPED_ENCODE_FAILED, NS_DROPPED_EXPORT_FAILED, NS_DROPPED_QUEUE_FULL, NS_DROPPED_SHUTDOWN, NS_ENDED, NS_EXPORTED,
    NS_REJECTED, NS_RING_MAX_BYTES, NS_RING_MAX_SPANS, NS_RING_MIN_BYTES, NS_RING_OK, NS_RING_UNIT, NS_SAMPLED_OUT,
    ns_count, ns_counted, ns_counters_reset, ns_reservation, ns_ring_depth, ns_ring_dropped_full, ns_ring_dropped_oversize,
    ns_ring_map, ns_ring_max_record, ns_ring_push, ns_ring_read, ns_ring_refuse, ns_ring_release, ns_ring_reset,
    ns_ring_spans_of, ns_ring_status, ns_ring_stretch, ns_ring_ticket, ns_ring_trim, ns_ring_unmap, ns_ring_used_bytes,
    ns_wake_announce, ns_wake_cancel, ns_wake_request, ns_wake_requested, ns_wake_sleep, ns_wake_take_request, ns_wake_up
)

cdef extern from "<sched.h>" nogil:
    int sched_yield()

cdef const uint32_t *GENERATION = generation_address()
cdef const SpanCalls *CALLS_OF_READABLE = readable_calls()

cdef enum:
    STACK_BYTES = 4096  # nearly all spans are smaller; a larger one moves to the heap
    FEW_RECORDS = 64


cdef class SpanQueue:
    """What both queues share: counting, waking the worker, noticing a fork."""

    def __cinit__(self, *args, **kwargs):
        self.generation = GENERATION[0] - 1  # of no process: the first reset_after_fork() is as any other
        self.stopped = self.wants_starts = self.takes_unsampled = False
        self.on_fork = None

    # --- the application's side ---------------------------------------------------------------------------------------

    cdef int end(self, SpanView *view) except -1:
        """Takes an ended span. Raises only what Python code in the span raises that is not an Exception."""
        if seen_u32(&self.generation) != GENERATION[0]:
            self.notice_fork()
        ns_count(&self.counters, NS_ENDED, 1)
        cdef bint wanted = False
        try:
            if not self.takes_unsampled and not view.calls.is_sampled(view.span):
                ns_count(&self.counters, NS_SAMPLED_OUT, 1)
            elif load_flag(&self.stopped):
                ns_count(&self.counters, NS_DROPPED_SHUTDOWN, 1)
            else:
                wanted = True
                self.put(view)
        except Exception:
            ns_count(&self.counters, NS_DROPPED_ENCODE_FAILED, 1)
        except BaseException:
            # SystemExit of a signal handler, for example, was raised while Python code ran: the span itself is whole.
            self.put_again(view, wanted)
            raise
        return 0

    cdef int put_again(self, SpanView *view, bint wanted) except -1:
        try:
            if wanted:
                self.put(view)
                return 0
        except BaseException:
            pass
        ns_count(&self.counters, NS_DROPPED_ENCODE_FAILED, 1)
        return 0

    cdef int put(self, SpanView *view) except -1:
        raise NotImplementedError

    cdef int started(self, SpanView *view) except -1:
        """Called for each span that starts, if the queue `wants_starts`. Raises nothing."""
        return 0

    cdef int notice_fork(self) except -1:
        if self.reset_after_fork() and self.on_fork is not None:
            self.on_fork()
        return 0

    cdef bint reset_after_fork(self) except -1:
        """Makes the state of a new process. False if another thread has done so meanwhile.

        Within the section of the queue. What can run Python code, and so let other threads in, comes first and last; between
        `claim_generation` and `publish_generation` nothing does, so that no thread meets half of it."""
        raise NotImplementedError

    cdef bint claim_generation(self) noexcept:
        if self.generation == GENERATION[0]:
            return False
        ns_counters_reset(&self.counters)
        memset(&self.wake, 0, sizeof(self.wake))
        return True

    cdef void publish_generation(self) noexcept:
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
        """The accounting of docs/operations.md."""
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


include "span_queue_encoded.pxi"
include "span_queue_objects.pxi"


cdef class NativeBatchProcessor:
    """The calls that the SDK makes for every span. Everything else is `nanospan.BatchSpanProcessor`."""

    def __setattr__(self, str name, value):
        set_attribute(self, name, value, name in ("on_start", "_on_ending", "on_end"), &self.patched)

    def on_start(self, span, parent_context=None):
        """Pass the start on to a queue that wants starts."""
        cdef SpanView view
        cdef SpanQueue queue = <SpanQueue> queue_of(self)
        if queue is not None and queue.wants_starts:
            view.span = <PyObject *> span
            view.calls = CALLS_OF_READABLE
            queue.started(&view)

    def _on_ending(self, span):
        pass

    def on_end(self, span):
        """Queue an ended span and return: at most one system call, no lock, no wait."""
        cdef SpanView view
        cdef SpanQueue queue = <SpanQueue> queue_of(self)
        if queue is not None:  # None while a subclass is being constructed
            view.span = <PyObject *> span
            view.calls = CALLS_OF_READABLE
            queue.end(&view)

    def _attach_queue(self, SpanQueue queue not None):
        if self._queue is not None:
            # Constructed once more: other threads may be in the first queue.
            self.kept_alive = [self.kept_alive, self._queue]
        attach(self, queue)

