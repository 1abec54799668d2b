"""The queue of tail sampling: encoded spans wait in the table of csrc/tail/ns_trace_table.h for the decision on their trace.

Access to the table needs the interpreter lock, in a free-threaded build the lock of the table; only copying and framing kept
spans needs neither. A holder of the table's lock runs no Python code. Kept spans wait for the worker in the table's own
memory, so `max_bytes` of the settings bounds both.
"""

cimport cython

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free
from libc.string cimport memset

from nanospan._native.base.csrc cimport ns_clock_coarse, ns_clock_monotonic
from nanospan._native.base cimport generation_address
from nanospan._native.base.threads cimport leave_lock, load_acquire_u32, load_u64, reset_lock, store_flag_seq_cst, take_lock
from nanospan._native.encoding cimport (
    ENCODED, EncodedBatch, SourceTable, SpanContract, WITHHELD, buffer_free, encode_span, frame_records
)
from nanospan._native.encoding.csrc cimport NS_OTLP_FIXED_ROOM, ns_buf_init, ns_source
from nanospan._native.encoding.span_view cimport EncodeCounts, SpanView, TraceKey, clear_view, object_or_none, release_view
from nanospan._native.queue.csrc cimport (
    NS_DROPPED_CONTRACT, NS_DROPPED_ENCODE_FAILED, NS_DROPPED_QUEUE_FULL, NS_DROPPED_SHUTDOWN, ns_count, ns_counted,
    ns_wake_requested, ns_wake_take_request, ns_wake_up
)
from nanospan._native.queue cimport SpanQueue, add_counts, contract_of, own_counts
from nanospan._native.tail.csrc cimport (
    CHUNK_BYTES, NS_ENTRY, NS_INNER, NS_ROOT, ns_facts, ns_facts_of_resource, ns_facts_of_span, ns_place,
    ns_trace_table_acquire, ns_trace_table_decide_all, ns_trace_table_end, ns_trace_table_forget, ns_trace_table_free,
    ns_trace_table_make, ns_trace_table_max_span, ns_trace_table_min_bytes, ns_trace_table_read, ns_trace_table_release,
    ns_trace_table_settings, ns_trace_table_start, ns_trace_table_sweep
)

cdef const uint32_t *GENERATION = generation_address()

cdef enum:
    STACK_BYTES = 4096   # nearly all spans are smaller; larger ones move to the heap
    SWEEP_LIMIT = 256    # traces decided before other threads may run
    NO_RESOURCE = 0xFFFFFFFF

cdef double SWEEP_INTERVAL = 1.0  # seconds between two checks for due traces


cdef void retain_source(void *sources, uint32_t slot) noexcept:
    (<SourceTable> sources).retain(slot)


cdef void release_source(void *sources, uint32_t slot) noexcept:
    (<SourceTable> sources).release(slot)


cdef inline ns_place place_of(const TraceKey *key) noexcept nogil:
    if not key.has_parent:
        return NS_ROOT
    return NS_ENTRY if key.is_remote else NS_INNER


def min_bytes(max_traces, remembered):
    """The smallest ``max_bytes`` for these numbers of traces and remembered decisions."""
    return ns_trace_table_min_bytes(max_traces, remembered)


cdef class TailQueue(SpanQueue):
    """Spans as OTLP bytes, by trace, bounded by traces and by bytes.

    ``settings`` is a `nanospan.tail.TailSampling`, ``plan`` the `nanospan.tail._plan.Plan` of its policies. Raises
    ValueError if ``max_bytes`` leaves no room for spans beside the records of the traces, OSError if the system has no
    memory.
    """

    def __cinit__(self, settings, plan, wake_spans):
        self.settings = settings
        self.plan = plan
        self.max_spans = settings.num_traces
        self.wake_spans = wake_spans
        self.wants_starts = self.takes_unsampled = True
        self.has_table = False
        self.reset_after_fork()

    def __dealloc__(self):
        if self.has_table:
            ns_trace_table_free(&self.table)

    cdef int make_table(self, ns_trace_table *table, CompiledPolicies policies, SourceTable sources) except -1:
        cdef ns_trace_table_settings wanted
        settings = self.settings
        wanted.max_bytes = settings.max_bytes
        wanted.max_traces = settings.num_traces
        wanted.remembered = settings.decision_cache_size
        wanted.wait_ns = <uint64_t> (settings.decision_wait * 1e9)
        wanted.wait_after_root_ns = <uint64_t> (settings.decision_wait_after_root_ended * 1e9)
        wanted.policies = policies.policies
        wanted.retain = retain_source
        wanted.release = release_source
        wanted.context = <void *> sources
        wanted.clock = ns_clock_coarse
        needed = ns_trace_table_min_bytes(wanted.max_traces, wanted.remembered)
        if wanted.max_bytes < needed:
            raise ValueError(
                f"max_bytes must be at least {needed} for num_traces={settings.num_traces} and "
                f"decision_cache_size={settings.decision_cache_size}, not {settings.max_bytes}"
            )
        error = ns_trace_table_make(table, &wanted)
        if error:
            raise OSError(error, f"cannot map {settings.max_bytes} bytes for tail sampling")
        return 0

    @cython.critical_section
    cdef bint reset_after_fork(self) except -1:
        cdef ns_trace_table table, old_table
        cdef bint had_table = self.has_table
        cdef bint first = self.policies is None
        sources = SourceTable()
        sources.contract = self.contract
        policies = CompiledPolicies(self.plan)
        made = True
        try:
            self.make_table(&table, policies, sources)
        except OSError:
            if first:
                raise
            made = False  # in a forked child nobody can handle the error: drop spans as a full queue does
        if not self.claim_generation():
            if made:
                ns_trace_table_free(&table)
            return False
        _old = self.sources, self.policies  # released only when the new state is complete: that may run Python code
        reset_lock(&self.table_lock)
        if had_table:
            old_table = self.table
        self.has_table = made
        if made:
            self.table = table
            self.max_span_bytes = ns_trace_table_max_span(&table) - NS_OTLP_FIXED_ROOM
        self.sources = sources
        self.policies = policies
        self.matched_resource = NO_RESOURCE
        self.resource_matches = 0
        self.is_read = False
        memset(&self.encode_counts, 0, sizeof(self.encode_counts))
        self.publish_generation()
        if had_table:
            ns_trace_table_free(&old_table)
        return True

    # --- the application's side ---------------------------------------------------------------------------------------

    cdef int started(self, SpanView *view) except -1:
        cdef TraceKey key
        if load_acquire_u32(&self.generation) != GENERATION[0]:
            self.notice_fork()
        try:
            if view.calls.trace_key(view.span, &key):
                self.start_in_table(&key)
        except Exception:
            pass  # the table accepts the end of a span without its start
        return 0

    cdef int start_in_table(self, const TraceKey *key) noexcept:
        take_lock(&self.table_lock)
        if self.has_table and not self.stopped:
            ns_trace_table_start(&self.table, key.high, key.low, place_of(key))
            self.wake_if_due()
        leave_lock(&self.table_lock)
        return 0

    cdef int put(self, SpanView *view) except -1:
        cdef uint8_t storage[STACK_BYTES]
        cdef ns_buf encoded
        cdef EncodeCounts own
        cdef EncodeCounts *counts = own_counts(&own, &self.encode_counts)
        cdef TraceKey key
        cdef bint stored = False
        cdef int outcome
        cdef bint known = view.calls.trace_key(view.span, &key)
        ns_buf_init(&encoded, storage, STACK_BYTES, self.max_span_bytes)
        clear_view(view)
        view.contract = contract_of(self)
        try:
            outcome = encode_span(&encoded, view, counts)
            if outcome == ENCODED:
                stored = self.store(&encoded, view)
            if not stored:
                self.drop_unusable(&key, known, NS_DROPPED_CONTRACT if outcome == WITHHELD else NS_DROPPED_ENCODE_FAILED)
        finally:
            add_counts(&own, &self.encode_counts)
            buffer_free(&encoded)
            release_view(view)
        return 0

    def agree(self, SpanContract contract):
        SpanQueue.agree(self, contract)
        self.sources.contract = contract

    cdef int drop_unusable(self, const TraceKey *key, bint known, ns_counter reason) except -1:
        """Drop an unusable span, or one that the contract withholds; its trace must not wait for it. A span that raised is
        retried first, and `decision_wait` bounds the wait in any case."""
        ns_count(&self.counters, reason, 1)
        if not known:
            return 0
        take_lock(&self.table_lock)
        if self.has_table:
            ns_trace_table_forget(&self.table, key.high, key.low, place_of(key))
        leave_lock(&self.table_lock)
        return 0

    cdef int store(self, ns_buf *encoded, const SpanView *view) except -1:
        """Puts an encoded span into the table. False if the span is unusable."""
        cdef ns_facts facts
        cdef uint64_t matches
        cdef int64_t source
        if not ns_facts_of_span(encoded.data, encoded.len, self.policies.conditions, &facts):
            return False
        source = self.sources.acquire(object_or_none(view.resource), object_or_none(view.scope))
        if source < 0:
            return False
        matches = self.matches_of(<uint32_t> source)
        take_lock(&self.table_lock)
        if self.stopped or not self.has_table:
            # Checked again under the lock: other threads may have run while the span was encoded.
            self.sources.release(<uint32_t> source)
            ns_count(&self.counters, NS_DROPPED_SHUTDOWN if self.stopped else NS_DROPPED_QUEUE_FULL, 1)
        else:
            if not ns_trace_table_end(&self.table, &facts, matches, <uint32_t> source, encoded.data, <uint32_t> encoded.len):
                self.sources.release(<uint32_t> source)
            self.wake_if_due()
        leave_lock(&self.table_lock)
        return True

    cdef uint64_t matches_of(self, uint32_t source) noexcept:
        """Conditions met by a source's resource; cached for the last resource. A pattern may run Python code."""
        cdef const ns_source *described = self.sources.described[source]
        cdef uint64_t matches
        cdef bint known
        take_lock(&self.table_lock)
        known = described.resource_id == self.matched_resource
        matches = self.resource_matches
        leave_lock(&self.table_lock)
        if known:
            return matches
        matches = ns_facts_of_resource(
            described.resource_head.data, described.resource_head.size, self.policies.conditions
        )
        take_lock(&self.table_lock)
        self.resource_matches = matches
        self.matched_resource = described.resource_id
        leave_lock(&self.table_lock)
        return matches

    cdef int wake_if_due(self) noexcept:
        if self.is_due():
            ns_wake_up(&self.wake)
        return 0

    def stop(self):
        """Decide on all held traces. Spans that end later count as dropped by shutdown."""
        take_lock(&self.table_lock)
        store_flag_seq_cst(&self.stopped, True)
        if self.has_table:
            ns_trace_table_decide_all(&self.table)
        leave_lock(&self.table_lock)

    # --- the worker's side --------------------------------------------------------------------------------------------

    cdef uint32_t ticket_now(self) noexcept nogil:
        cdef uint32_t ticket
        take_lock(&self.table_lock)
        ticket = self.table.spans_read + self.table.spans_queued
        leave_lock(&self.table_lock)
        return ticket

    cdef uint32_t spans_now(self) noexcept nogil:
        cdef uint32_t spans
        take_lock(&self.table_lock)
        spans = self.table.spans_queued
        leave_lock(&self.table_lock)
        return spans

    cdef bint is_due(self) noexcept nogil:
        # The caller holds the lock.
        return self.table.spans_queued >= self.wake_spans or self.table.chunks_queued >= self.table.max_queued // 4

    cdef int sweep(self) except -1:
        cdef size_t decided = SWEEP_LIMIT
        while decided == SWEEP_LIMIT:
            take_lock(&self.table_lock)
            decided = ns_trace_table_sweep(&self.table, SWEEP_LIMIT) if self.has_table else 0
            leave_lock(&self.table_lock)
            if decided == SWEEP_LIMIT:
                with nogil:
                    pass  # lets waiting threads take the interpreter lock
        return 0

    cdef bint announce_sleep(self) noexcept:
        # A thread that ends a span holds the same lock: either it sees the sleeper, or the worker sees the span.
        cdef bint sleeps
        take_lock(&self.table_lock)
        sleeps = self.may_sleep()
        leave_lock(&self.table_lock)
        return sleeps

    cdef int wait(self, double timeout) except -1:
        """Waits for a due batch or a wake-up request, at most `timeout` seconds; decides on due traces meanwhile."""
        cdef uint64_t now = ns_clock_monotonic()
        cdef uint64_t until = now + <uint64_t> (timeout * 1e9)
        cdef double left
        cdef bint woken = False
        self.sweep()
        while now < until and not woken and self.announce_sleep():
            left = min(<double> (until - now) / 1e9, SWEEP_INTERVAL)
            with nogil:
                woken = self.sleep(left)
            self.sweep()
            now = ns_clock_monotonic()
        return 0

    def has_work(self):
        """As for any queue; also decides on the due traces."""
        cdef bint due
        self.sweep()
        take_lock(&self.table_lock)
        due = self.is_due()
        leave_lock(&self.table_lock)
        return due or ns_wake_requested(&self.wake)

    def next_batch(self, double timeout, uint32_t max_spans, size_t max_bytes):
        """Wait up to ``timeout`` seconds until a batch of kept spans is due, then take it.

        Takes the oldest spans, at most ``max_spans``, into one request of about ``max_bytes``. Returns an `EncodedBatch`, or
        None if there were none.
        """
        cdef ns_kept_batch batch
        cdef int failed
        cdef bint reads
        cdef EncodedBatch encoded = EncodedBatch.__new__(EncodedBatch)
        self.wait(timeout)
        ns_wake_take_request(&self.wake)
        # One reader at a time: in a forked child without a worker, several threads may call this.
        take_lock(&self.table_lock)
        reads = not self.is_read and self.has_table and ns_trace_table_acquire(&self.table)
        if reads:
            self.is_read = True
        leave_lock(&self.table_lock)
        if not reads:
            return None
        try:
            with nogil:
                failed = ns_trace_table_read(&self.table, max_spans, max_bytes, &batch)
            # Without memory the spans stay in the table.
            return None if failed else self.batch_of(&batch, encoded)
        finally:
            take_lock(&self.table_lock)
            self.is_read = False
            leave_lock(&self.table_lock)

    cdef EncodedBatch batch_of(self, ns_kept_batch *batch, EncodedBatch encoded):
        cdef uint8_t *body = NULL
        cdef size_t size = 0
        cdef size_t i
        cdef int failed
        cdef uint32_t ticket
        for i in range(batch.count):
            self.sources.retain(batch.records[i].source)
        with nogil:
            failed = frame_records(batch.records, batch.count, self.sources, &body, &size)
        free(batch.bytes)
        take_lock(&self.table_lock)
        ns_trace_table_release(&self.table, batch)
        ticket = self.table.spans_read
        leave_lock(&self.table_lock)
        if failed:
            self.sources.release_all(batch.records, batch.count)
            free(batch.records)
            ns_count(&self.counters, NS_DROPPED_ENCODE_FAILED, batch.count)
            return None
        encoded.adopt(body, size, batch.records, batch.count, self.sources)
        encoded.ticket = ticket
        return encoded

    # --- figures ------------------------------------------------------------------------------------------------------

    cdef tuple figures(self):
        cdef uint64_t full = ns_counted(&self.counters, NS_DROPPED_QUEUE_FULL)
        cdef ns_trace_table table
        if not self.copy_table(&table):
            return full, 0, 0, 0, 0
        return (
            full + table.counts.spans_queue_full, 0, table.spans_held, table.counts.spans_sampled_out,
            table.counts.spans_evicted,
        )

    cdef bint copy_table(self, ns_trace_table *table) noexcept:
        """Copies a consistent set of the table's figures. False if there is no table."""
        cdef bint has_table
        take_lock(&self.table_lock)
        has_table = self.has_table
        if has_table:
            table.traces_held, table.spans_held, table.bytes_held = (
                self.table.traces_held, self.table.spans_held, self.table.bytes_held)
            table.chunk_count, table.chunks_free = self.table.chunk_count, self.table.chunks_free
            table.counts = self.table.counts
        leave_lock(&self.table_lock)
        return has_table

    def detail(self):
        """The fates of the traces, and the counts of each policy."""
        cdef ns_trace_table table
        figures = {
            "values_repaired": load_u64(&self.encode_counts.repaired) + load_u64(&self.sources.counts.repaired),
            "values_lost": load_u64(&self.encode_counts.lost) + load_u64(&self.sources.counts.lost),
        }
        if self.copy_table(&table):
            figures["tail"] = {
                "traces_held": table.traces_held,
                "bytes_held": table.bytes_held,
                "bytes_in_use": (table.chunk_count - table.chunks_free) * <uint64_t> CHUNK_BYTES,
                "traces_kept": table.counts.traces_kept,
                "traces_sampled_out": table.counts.traces_sampled_out,
                "traces_evicted": table.counts.traces_evicted,
                "traces_queue_full": table.counts.traces_queue_full,
                "spans_kept": table.counts.spans_kept,
                "late_spans_kept": table.counts.late_kept,
                "late_spans_dropped": table.counts.late_dropped,
                "late_spans_forgotten": table.counts.late_forgotten,
                "traces_decided_early": table.counts.decided_early,
                "traces_decided_by_time": table.counts.decided_by_time,
                "thresholds_not_written": table.counts.thresholds_unwritten,
                "policies": self.policies.counts(),
            }
        return figures
