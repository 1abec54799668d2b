"""The queues between ended spans and the export thread, and the native base of the batch processor.

`EncodedQueue` stores OTLP bytes in the ring of csrc/queue/ns_ring.h, for exporters of bytes. `ObjectQueue` stores the spans,
for any other exporter. Both are bounded; a full queue drops the new span and counts it. Adding a span never blocks.
"""

from collections import deque

cimport cython
from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_New, PyTuple_SET_ITEM
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memset


from nanospan._native.base cimport generation_address
from nanospan._native.base.patches cimport set_attribute
from nanospan._native.base.threads cimport (
    FREE, claim, load_acquire_u32, load_flag, load_flag_seq_cst, load_u32, load_u64, release_flag, store_flag_seq_cst,
    store_release_u32, store_u32
)
from nanospan._native.encoding cimport (
    ENCODED, EncodedBatch, SourceTable, SpanContract, WITHHELD, buffer_free, encode_span, frame_records, readable_calls
)
from nanospan._native.encoding.csrc cimport NS_OTLP_FIXED_ROOM, ns_buf_init, ns_record
from nanospan._native.encoding.span_view cimport (
    EncodeCounts, SpanCalls, SpanView, clear_view, object_or_none, release_view
)
from nanospan._native.queue.csrc cimport (
    NS_DROPPED_CONTRACT, NS_DROPPED_ENCODE_FAILED, NS_DROPPED_EXPORT_FAILED, NS_DROPPED_QUEUE_FULL, NS_DROPPED_SHUTDOWN,
    NS_ENDED, NS_EXPORTED, NS_REJECTED, NS_RING_OK, NS_RING_UNIT, NS_SAMPLED_OUT, ns_count, ns_counted, ns_counters_reset,
    ns_reservation, ns_ring_depth, ns_ring_dropped_full, ns_ring_dropped_oversize, ns_ring_map, ns_ring_max_record,
    ns_ring_push, ns_ring_read, ns_ring_refuse, ns_ring_release, ns_ring_reset, ns_ring_spans_of, ns_ring_stretch,
    ns_ring_ticket, ns_ring_trim, ns_ring_unmap, ns_ring_used_bytes, ns_wake_announce, ns_wake_cancel, ns_wake_request,
    ns_wake_requested, ns_wake_sleep, ns_wake_take_request, ns_wake_up
)

cdef extern from "<sched.h>" nogil:
    int sched_yield()

cdef const uint32_t *GENERATION = generation_address()
cdef const SpanCalls *CALLS_OF_READABLE = readable_calls()

cdef enum:
    STACK_BYTES = 4096  # nearly all spans are smaller; larger ones use the heap
    DRAIN_RECORDS = 64


cdef inline int take_ended(SpanQueue queue, SpanView *view, bint takes_unsampled) except -1:
    if load_acquire_u32(&queue.generation) != GENERATION[0]:
        queue.notice_fork()
    ns_count(&queue.counters, NS_ENDED, 1)
    cdef bint wanted = False
    try:
        if not takes_unsampled and not view.calls.is_sampled(view.span):
            ns_count(&queue.counters, NS_SAMPLED_OUT, 1)
        elif load_flag(&queue.stopped):  # relaxed: a shortcut, `put` checks again
            ns_count(&queue.counters, NS_DROPPED_SHUTDOWN, 1)
        else:
            wanted = True
            queue.put(view)
    except Exception:
        ns_count(&queue.counters, NS_DROPPED_ENCODE_FAILED, 1)
    except BaseException:
        # For example SystemExit of a signal handler that ran during Python code: the span itself is valid, so retry.
        queue.put_again(view, wanted)
        raise
    return 0


cdef class SpanQueue:
    """Base of all queues: accounting, wake-up of the export thread, detection of forks."""

    def __cinit__(self, *args, **kwargs):
        self.generation = GENERATION[0] - 1  # never current: the constructor's reset_after_fork() runs
        self.stopped = self.wants_starts = self.takes_unsampled = False
        self.on_fork = None

    def agree(self, SpanContract contract):
        """Ask ``contract`` of each span; before the first span."""
        self.contract = contract

    # --- application threads ------------------------------------------------------------------------------------------

    cdef int end(self, SpanView *view) except -1:
        """Takes an ended span. Raises only a BaseException that is not an Exception, from Python code of the span."""
        return take_ended(self, view, self.takes_unsampled)

    def emit(self, span):
        """Take an ended span whatever its trace flags, as the ``emit`` of the SDK's ``BatchProcessor`` does."""
        cdef SpanView view
        view.span = <PyObject *> span
        view.calls = CALLS_OF_READABLE
        take_ended(self, &view, True)

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
        if not self.reset_after_fork():
            return 0
        if self.contract is not None:
            self.contract.after_fork()
        if self.on_fork is not None:
            self.on_fork()
        return 0

    cdef bint reset_after_fork(self) except -1:
        """Makes the state of a new process, in the queue's critical section. False: another thread already did.

        No Python code runs between `claim_generation` and `publish_generation`: it could let another thread enter the
        section while the state is incomplete."""
        raise NotImplementedError

    cdef bint claim_generation(self) noexcept:
        if self.generation == GENERATION[0]:
            return False
        ns_counters_reset(&self.counters)
        memset(&self.wake, 0, sizeof(self.wake))
        return True

    cdef void publish_generation(self) noexcept:
        # Publish last: readers of the generation take no lock and need the complete state. Release pairs with the acquire
        # load in `end`.
        store_release_u32(&self.generation, GENERATION[0])

    # --- export thread ------------------------------------------------------------------------------------------------

    cdef uint32_t ticket_now(self) noexcept nogil:
        return 0

    cdef uint32_t spans_now(self) noexcept nogil:
        return 0

    cdef bint is_due(self) noexcept nogil:
        return self.spans_now() >= self.wake_spans

    cdef bint may_sleep(self) noexcept nogil:
        """Announces the sleep, then checks again, so that no wake-up is lost (ns_wake.h). False: do not sleep."""
        ns_wake_announce(&self.wake)
        if self.is_due() or ns_wake_requested(&self.wake):
            ns_wake_cancel(&self.wake)
            return False
        return True

    cdef bint sleep(self, double timeout) noexcept nogil:
        """Sleeps until a batch is due or requested. False: `timeout` seconds passed first."""
        return ns_wake_sleep(&self.wake, <int64_t> (timeout * 1e9))

    def check_fork(self):
        """Empty the queue if it was created before a fork of this process."""
        if load_acquire_u32(&self.generation) != GENERATION[0]:
            self.notice_fork()

    def request(self):
        """Wake the export thread, even if no batch is due."""
        ns_wake_request(&self.wake)

    def has_work(self):
        """Whether a batch is due or requested; for a caller that must not block in `next_batch`."""
        return self.is_due() or ns_wake_requested(&self.wake)

    @cython.critical_section
    def stop(self):
        """Count every span that ends from now on as dropped by shutdown."""
        # Sequentially consistent: see EncodedQueue.push.
        store_flag_seq_cst(&self.stopped, True)

    def close(self):
        """After `stop`: the queue is not read any more. Spans left in it or added later count as dropped by shutdown."""

    @property
    def ticket(self):
        """Spans queued so far, modulo 2**32. All have left the queue when a batch has this ``ticket`` or a later one."""
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
        """Count the outcomes of the spans of one batch."""
        ns_count(&self.counters, NS_EXPORTED, exported)
        ns_count(&self.counters, NS_REJECTED, rejected)
        ns_count(&self.counters, NS_DROPPED_EXPORT_FAILED, failed)

    def abandon(self, count):
        """Count spans that the shutdown dropped."""
        ns_count(&self.counters, NS_DROPPED_SHUTDOWN, count)

    cdef tuple figures(self):
        """``(queue_full, oversize, held, sampled_out, evicted)``, read at one moment; the last three: tail queue only."""
        return ns_counted(&self.counters, NS_DROPPED_QUEUE_FULL), 0, 0, 0, 0

    def detail(self):
        """Counts beside the accounting."""
        return {}

    def stats(self):
        """The accounting of docs/operations.md."""
        exported = ns_counted(&self.counters, NS_EXPORTED)
        rejected = ns_counted(&self.counters, NS_REJECTED)
        unsampled = ns_counted(&self.counters, NS_SAMPLED_OUT)
        encode_failed = ns_counted(&self.counters, NS_DROPPED_ENCODE_FAILED)
        export_failed = ns_counted(&self.counters, NS_DROPPED_EXPORT_FAILED)
        shutdown = ns_counted(&self.counters, NS_DROPPED_SHUTDOWN)
        withheld = ns_counted(&self.counters, NS_DROPPED_CONTRACT)
        # Read after the outcomes: a span that is held now was not yet in any of them.
        queue_full, oversize, held, sampled_out, evicted = self.figures()
        sampled_out += unsampled
        dropped = {
            "queue_full": queue_full,
            "oversize": oversize,
            "encode_failed": encode_failed,
            "evicted": evicted,
            "export_failed": export_failed,
            "shutdown": shutdown,
            "contract": withheld,
        }
        # Read last: every span counted above was counted as ended before.
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
    """The methods that the SDK calls for every span. `nanospan.BatchSpanProcessor` has all others."""

    def __setattr__(self, str name, value):
        set_attribute(self, name, value, name in ("on_start", "_on_ending", "on_end"), &self.patched)

    def on_start(self, span, parent_context=None):
        """Report the start of a span to a queue that wants starts."""
        cdef SpanView view
        cdef SpanQueue queue = <SpanQueue> queue_of(self)
        if queue is not None and queue.wants_starts:
            view.span = <PyObject *> span
            view.calls = CALLS_OF_READABLE
            queue.started(&view)

    def _on_ending(self, span):
        pass

    def on_end(self, span):
        """Queue an ended span: at most one system call, no lock, never blocks."""
        cdef SpanView view
        cdef SpanQueue queue = <SpanQueue> queue_of(self)
        if queue is not None:  # None while a subclass is being constructed
            view.span = <PyObject *> span
            view.calls = CALLS_OF_READABLE
            queue.end(&view)

    def _attach_queue(self, SpanQueue queue not None):
        if self._queue is not None:
            # __init__ was called again: other threads may be using the first queue.
            self.kept_alive = [self.kept_alive, self._queue]
        attach(self, queue)
