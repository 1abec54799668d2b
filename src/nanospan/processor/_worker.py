"""The thread that takes batches from a queue and sends them."""

from __future__ import annotations

import logging
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

from opentelemetry.context import attach, detach, set_value
from opentelemetry.sdk.trace.export import SpanExporter

from nanospan._common.clock import monotonic
from nanospan._common.log import WindowedLog, counted
from nanospan._common.threads import lasting_thread, start_without_signals
from nanospan._compat.sdk import SUPPRESS_INSTRUMENTATION_KEY
from nanospan._native.encoding import EncodedBatch
from nanospan._native.queue import ObjectBatch, ObjectQueue, SpanQueue
from nanospan._native.sampling import add_worker_time, meter_is_read
from nanospan.export import ExportOutcome
from nanospan.processor._at_exit import send_at_exit
from nanospan.processor._child_processes import shut_down_at_end_of_child
from nanospan.processor._export_adapter import ExportAdapter
from nanospan.processor._green_threads import end_in_children, green_sleep
from nanospan.processor._metrics import ProcessorMetrics
from nanospan.processor._settings import MAX_REQUEST_BYTES, MAX_REQUEST_SPANS, QueueSettings

__all__ = ["ExportWorker"]

logger = logging.getLogger(__name__)

REPORT_WINDOW_SECONDS = 60.0
GREENLET_POLL_SECONDS = 0.02
"""Interval between two checks of the queue if the worker is a greenlet, which native code cannot wake."""

_TICKETS = 1 << 32

_DROP_REPORTS = {
    "queue_full": "%s dropped because the queue was full",
    "encode_failed": "%s dropped because they could not be encoded",
    "evicted": "%s dropped because tail sampling had no room to hold their traces or decisions",
}


def _reached(ticket: int, target: int) -> bool:
    """Whether ``ticket`` is at or after ``target``, modulo 2**32."""
    return (ticket - target) % _TICKETS < _TICKETS // 2


class _Awaken:
    """The part of the SDK's ``_worker_awaken`` event that other libraries use."""

    def __init__(self, queue: SpanQueue) -> None:
        self._queue = queue

    def set(self) -> None:
        self._queue.request()


class ExportWorker:
    """Sends the batches of one queue, in its own daemon thread.

    Some attributes have the names of the SDK's ``BatchProcessor``: other libraries read ``_exporter`` and write
    ``_schedule_delay`` (seconds) through ``BatchSpanProcessor._batch_processor``; the SDK's tests call ``emit``.
    """

    def __init__(
        self, exporter: SpanExporter, adapter: ExportAdapter, settings: QueueSettings, metrics: ProcessorMetrics | None
    ) -> None:
        self._exporter = exporter
        self._adapter = adapter
        self._queue = adapter.queue
        self.emit = self._queue.emit
        self._metrics = metrics
        self._schedule_delay_millis = settings.schedule_delay_millis
        self._schedule_delay = settings.schedule_delay_millis / 1e3
        self._export_timeout_millis = settings.export_timeout_millis
        self._export_timeout = settings.export_timeout_millis / 1e3
        self._max_queue_size = settings.max_queue_size
        self._max_export_batch_size = settings.max_export_batch_size or settings.wake_spans
        self._max_spans = settings.max_export_batch_size or MAX_REQUEST_SPANS
        self._worker_awaken = _Awaken(self._queue)
        self._log = WindowedLog(logger, REPORT_WINDOW_SECONDS, owned=True)
        self._reported = dict.fromkeys(_DROP_REPORTS, (0, -REPORT_WINDOW_SECONDS))
        """For each reason the drops that are logged, and when."""
        self._shutdown = False
        self._stopped = False
        self._first_shutdown = [True]  # the first call pops it; a lock could deadlock with a signal handler
        self._give_up = False
        self._left_at_exit = False
        self._reset_state()
        weak_after_fork = weakref.WeakMethod(self._after_fork)

        def after_fork() -> None:
            if method := weak_after_fork():
                method()

        self._queue.on_fork = after_fork
        shut_down_at_end_of_child(self)
        send_at_exit(self)
        self._start_thread()

    def _reset_state(self) -> None:
        """Initialise the state of this process; a forked child repeats it."""
        self._pid = os.getpid()
        # Both without `with`, whose end allocates: without memory for it the lock would stay taken.
        self._sent = threading.Condition()
        self._draining = threading.Lock()
        # 0 is the first ticket of a queue. In a child, another thread may have advanced the queue already.
        self._sent_ticket = 0
        self._flush_ticket = 0
        self._failures = 0
        self._cpu_reported: int | None = None
        # A new object: after a fork without Python's hooks, the parent's thread object still counts as alive.
        self._worker_thread = lasting_thread(self._run, "OtelBatchSpanRecordProcessor")

    def _start_thread(self) -> None:
        try:
            if isinstance(self._queue, ObjectQueue):
                self._worker_thread.start()  # the exporter is anyone's, and may start programs
            else:
                start_without_signals(self._worker_thread)
        except RuntimeError as error:
            # Expected during interpreter shutdown: shutdown() sends from the calling thread.
            level = logging.DEBUG if "interpreter shutdown" in str(error) else logging.WARNING
            logger.log(level, "The span export thread could not be started; spans wait for a flush: %s", error)

    def _after_fork(self) -> None:
        self._reset_state()
        self._reported = dict.fromkeys(_DROP_REPORTS, (0, -REPORT_WINDOW_SECONDS))
        if self._metrics is not None:
            self._metrics.after_fork()
        try:
            self._adapter.after_fork()
        except Exception:
            logger.exception("Exception while the exporter took note of a fork")
        if not self._shutdown:
            shut_down_at_end_of_child(self)
            self._start_thread()

    # --- the thread -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        process = self._worker_thread
        try:
            self._serve(process)
        except BaseException:
            # A forked child kills the greenlet that it inherited; the child has its own worker.
            self._queue.check_fork()
            if self._worker_thread is process:
                raise
        if self._worker_thread is not process:
            # After the fork, threading no longer knows this thread, and its end would raise KeyError; register it again.
            threading.current_thread()

    def _serve(self, process: threading.Thread) -> None:
        """Send batches until shutdown; ``process`` is the worker thread of the process in which this call began."""
        sleep = green_sleep()
        if sleep is not None:
            end_in_children()
        while not self._shutdown:
            flushing = not _reached(self._sent_ticket, self._flush_ticket)
            try:
                if sleep is None:
                    self._send_next(0.0 if flushing else self._schedule_delay)
                else:
                    if not flushing:
                        self._wait_green(sleep)
                    self._queue.check_fork()
                    if self._worker_thread is process:
                        self._send_next(0.0)
            except Exception:
                # Unexpected (such as MemoryError); the thread must survive it.
                self._log.log(logging.ERROR, "worker", "The span export thread failed", exc_info=True)
                time.sleep(min(1.0, self._schedule_delay))
            if self._worker_thread is not process:
                return
            if sleep is None:  # a greenlet has no CPU time of its own
                self._report_cpu_time()
        self._queue.check_fork()
        if self._worker_thread is process:
            self._drain()

    def _wait_green(self, sleep: Callable[[float], Any]) -> None:
        """Run other greenlets until the queue has work or ``schedule_delay`` has passed."""
        deadline = monotonic() + self._schedule_delay
        while not self._queue.has_work() and (left := deadline - monotonic()) > 0:
            sleep(min(left, GREENLET_POLL_SECONDS))
            self._queue.check_fork()

    def _report_cpu_time(self) -> None:
        """Report the CPU time of this thread since the last call to the cost meter, if a sampler reads it."""
        if not meter_is_read():
            self._cpu_reported = None
            return
        used = time.thread_time_ns()
        if self._cpu_reported is not None:
            add_worker_time(used - self._cpu_reported)
        self._cpu_reported = used

    def _drain(self) -> None:
        """Send all queued spans without waiting for more."""
        self._draining.acquire()
        try:
            while self._send_next(0.0):
                pass
            if self._stopped:
                self._queue.close()
        finally:
            self._draining.release()

    def _send_next(self, wait: float) -> bool:
        """Wait up to ``wait`` seconds for a batch and send it. False if there was none."""
        batch = self._queue.next_batch(wait, self._max_spans, MAX_REQUEST_BYTES)
        if batch is None:
            # Read the ticket first: if the queue is empty afterwards, all spans up to the ticket have left it.
            ticket = self._queue.ticket
            if self._queue.depth == 0:
                self._note_sent(ticket)
            self._report_drops()
            return False
        process = self._worker_thread
        if self._give_up:
            self._queue.abandon(batch.count)
            self._failures += 1
        else:
            self._send(batch)
        if self._worker_thread is not process:
            return True  # a child forked during the export: batch and ticket belong to the parent
        self._note_sent(batch.ticket)
        self._report_drops()
        return True

    def _send(self, batch: EncodedBatch | ObjectBatch) -> None:
        interrupt: BaseException | None = None
        outcome: ExportOutcome | None = None
        process = self._worker_thread
        token = None
        try:
            token = attach(set_value(SUPPRESS_INSTRUMENTATION_KEY, True))
            if self._metrics is not None:
                self._metrics.add_exported(batch.count)
            outcome = self._adapter.send(batch, self._export_timeout)
        except BaseException as error:
            self._queue.check_fork()
            if self._worker_thread is not process:
                raise
            # In a caller's thread KeyboardInterrupt propagates; in the worker thread nothing may end the worker.
            if not isinstance(error, Exception) and threading.current_thread() is not process:
                interrupt = error
            self._log.log(logging.ERROR, "exception", "Exception while exporting spans", exc_info=True)
        finally:
            # Whatever raised, and be it the log for want of memory: these spans have an outcome.
            self._queue.check_fork()
            if self._worker_thread is process:
                if outcome is None:
                    self._queue.settle(0, 0, batch.count)
                else:
                    self._queue.settle(outcome.exported, outcome.rejected, outcome.failed)
                if outcome is None or outcome.failed:
                    self._failures += 1
            if token is not None:
                detach(token)
        if interrupt is not None:
            raise interrupt

    def _note_sent(self, ticket: int) -> None:
        self._sent.acquire()
        try:
            self._sent_ticket = ticket
            # Advance it too: after 2**31 spans without a flush it would compare as ahead.
            if _reached(ticket, self._flush_ticket):
                self._flush_ticket = ticket
            self._sent.notify_all()
        finally:
            self._sent.release()

    def _report_drops(self, at_the_end: bool = False) -> None:
        """Log the drops since the last line of their kind: once per window, and the rest ``at_the_end``."""
        dropped = self._queue.stats()["dropped"]
        now = monotonic()
        for reason, message in _DROP_REPORTS.items():
            reported, logged = self._reported[reason]
            added = dropped[reason] - reported
            if added > 0 and (at_the_end or now - logged >= REPORT_WINDOW_SECONDS):
                # Before the log: its handler may run this again.
                self._reported[reason] = dropped[reason], now
                logger.warning(message, counted(added, "span"))

    # --- callers --------------------------------------------------------------------------------------------------

    def flush(self, timeout: float) -> bool:
        """Send all spans queued so far. Returns True if all were sent without failure within ``timeout`` seconds."""
        self._queue.check_fork()
        if self._shutdown or threading.current_thread() is self._worker_thread:
            return False
        deadline = monotonic() + timeout
        target = self._queue.ticket
        failures = self._failures
        self._sent.acquire()
        try:
            if not _reached(self._flush_ticket, target):
                self._flush_ticket = target
        finally:
            self._sent.release()
        self._queue.request()
        if not self._worker_thread.is_alive():
            self._drain()
        self._sent.acquire()
        try:
            while not _reached(self._sent_ticket, target):
                if not self._sent.wait(max(0.0, deadline - monotonic())):
                    return False
        finally:
            self._sent.release()
        return self._failures == failures

    def end_in_child(self) -> None:
        """Shut down at the end of a child of multiprocessing, if a span has ended in it.

        Otherwise the exporter stays untouched: it may be a copy of the parent's, with buffered output of the parent.
        """
        self._queue.check_fork()
        if self._queue.stats()["ended"]:
            self.shutdown()

    def leave_at_exit(self) -> None:
        """Send nothing at the end of the interpreter unless the owner shuts the processor down."""
        self._left_at_exit = True

    def has_unsent(self) -> bool:
        """Whether `end_at_exit` has something to do. False in a forked child in which no span has ended."""
        if self._shutdown or self._left_at_exit or self._pid != os.getpid():
            return False
        stats = self._queue.stats()
        return bool(stats["held"] or stats["queued"])

    def end_at_exit(self, timeout: float) -> None:
        """Send what is queued if the processor was not shut down; decide on traces that tail sampling still holds."""
        if self._shutdown or self._left_at_exit:
            return
        self._queue.check_fork()
        stats = self._queue.stats()
        if stats["held"]:
            self.shutdown(timeout * 1e3)
        elif stats["queued"]:
            self.flush(timeout)

    def shutdown(self, timeout_millis: float = 30000) -> None:
        """Send queued spans for at most ``timeout_millis``, then shut the exporter down.

        Spans that are not sent by then are counted as dropped by shutdown.
        """
        try:
            self._first_shutdown.pop()
        except IndexError:
            return
        self._shutdown = True
        self._queue.check_fork()
        deadline = monotonic() + timeout_millis / 1e3
        self._queue.stop()
        self._stopped = True
        self._queue.request()
        from_exporter = threading.current_thread() is self._worker_thread
        if self._worker_thread.ident is not None and not from_exporter:
            self._worker_thread.join(timeout_millis / 1e3)
        # An exporter that shuts its own processor down receives no more batches: no export() after shutdown().
        self._give_up = from_exporter or monotonic() >= deadline
        if not self._worker_thread.is_alive():
            self._drain()
        try:
            self._adapter.shutdown(max(0.0, (deadline - monotonic()) * 1e3))
        except Exception:
            logger.exception("Exception while shutting the exporter down")
        self._report_drops(at_the_end=True)
        self._log.say_held_back()
