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
from nanospan.processor._waiters import Waiters

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
        self._shut_down = False
        self._shutdown_call: dict[str, object] = {}
        """The call of `shutdown` that counts, which no exception has ended. No lock: a signal handler may call it."""
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
        # Without `with`, whose end allocates: without memory for it the lock would stay taken.
        self._draining = threading.Lock()
        self._drainer: int | None = None
        # 0 is the first ticket of a queue. In a child, another thread may have advanced the queue already.
        self._sent_ticket = 0
        self._flush_ticket = 0
        self._waiters = Waiters()
        self._failures = 0
        self._cpu_reported: int | None = None
        # A new object: after a fork without Python's hooks, the parent's thread object still counts as alive.
        self._has_run = False
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
        finally:
            if self._worker_thread is process:
                self._has_run = True
                self._waiters.notify()
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

    def _drain(self) -> bool:
        """Send all queued spans without waiting for more. False: this thread is doing so already, and was interrupted."""
        me = threading.get_ident()
        if self._drainer == me:
            return False
        self._draining.acquire()
        try:
            self._drainer = me
            while self._send_next(0.0):
                pass
            if self._stopped:
                self._queue.close()
        finally:
            self._drainer = None
            self._draining.release()
        return True

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
        self._sent_ticket = ticket
        # Advance it too: after 2**31 spans without a flush it would compare as ahead.
        if _reached(ticket, self._flush_ticket):
            self._flush_ticket = ticket
        self._waiters.notify()

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

    def _is_running(self) -> bool:
        return self._worker_thread.is_alive() and not self._has_run

    def _wait_for_thread(self, seconds: float) -> bool:
        """Whether the thread has done all its work within ``seconds``, or does not run.

        For an exception of a signal handler, `threading.Thread.join` of CPython 3.11 takes the thread for dead.
        """
        return self._waiters.wait(lambda: not self._is_running(), seconds)

    # --- callers --------------------------------------------------------------------------------------------------

    def flush(self, timeout: float) -> bool:
        """Send all spans queued so far. Returns True if all were sent without failure within ``timeout`` seconds."""
        self._queue.check_fork()
        if self._shutdown or threading.current_thread() is self._worker_thread:
            return False
        deadline = monotonic() + timeout
        target = self._queue.ticket
        failures = self._failures

        def is_sent() -> bool:
            if _reached(self._sent_ticket, target):
                return True
            if not _reached(self._flush_ticket, target):  # at first, and where another thread has written its own
                self._flush_ticket = target
                self._queue.request()
            return False

        self._queue.request()
        if not self._is_running() and not self._drain():
            return False
        return self._waiters.wait(is_sent, max(0.0, deadline - monotonic())) and self._failures == failures

    def flush_at_end(self, timeout: float) -> bool:
        """As `flush`, for an end of the process that may meet a shutdown: it waits for what that sends.

        The shutdown may be another thread's, or what a signal handler, which calls this, has interrupted.
        """
        self._queue.check_fork()
        if not self._shutdown:
            return self.flush(timeout)
        if self._shut_down:
            return True
        if threading.current_thread() is self._worker_thread:
            return False
        self._queue.request()  # the interrupted shutdown may not have come to it
        return self._wait_for_thread(timeout) and self._drain() and self._queue.depth == 0

    def end_in_child(self, timeout: float) -> None:
        """Shut down at the end of a child of multiprocessing, if a span has ended in it.

        Otherwise the exporter stays untouched: it may be a copy of the parent's, with buffered output of the parent.
        """
        self._queue.check_fork()
        if self._queue.stats()["ended"]:
            self.shutdown(timeout * 1e3)

    def leave_at_exit(self) -> None:
        """Send nothing at the end of the interpreter unless the owner shuts the processor down."""
        self._left_at_exit = True

    def has_unsent(self) -> bool:
        """Whether `end_at_exit` has something to do. False in a forked child in which no span has ended."""
        if self._shut_down or self._left_at_exit or self._pid != os.getpid():
            return False
        stats = self._queue.stats()
        return bool(stats["held"] or stats["queued"])

    def end_at_exit(self, timeout: float) -> None:
        """Send what is queued if the processor was not shut down; decide on traces that tail sampling still holds.

        A shutdown that is under way is waited for, and one that an exception has ended is done again.
        """
        if self._shut_down or self._left_at_exit:
            return
        self._queue.check_fork()
        stats = self._queue.stats()
        if self._shutdown_call:
            self.flush_at_end(timeout)
        elif self._shutdown or stats["held"]:
            self.shutdown(timeout * 1e3)
        elif stats["queued"]:
            self.flush(timeout)

    def shutdown(self, timeout_millis: float = 30000) -> None:
        """Send queued spans for at most ``timeout_millis``, then shut the exporter down. Later calls do nothing.

        Spans that are not sent by then are counted as dropped by shutdown. A call that an exception ends, such as the
        KeyboardInterrupt of a second Ctrl-C, does not count: the next one goes on.
        """
        this_call = object()
        try:
            if self._shutdown_call.setdefault("call", this_call) is this_call:
                self._do_shutdown(timeout_millis)
                self._shut_down = True
        except BaseException:
            if self._shutdown_call.get("call") is this_call:
                del self._shutdown_call["call"]
            raise

    def _do_shutdown(self, timeout_millis: float) -> None:
        self._shutdown = True
        self._queue.check_fork()
        deadline = monotonic() + timeout_millis / 1e3
        self._queue.stop()
        self._stopped = True
        self._queue.request()
        from_exporter = threading.current_thread() is self._worker_thread
        if not from_exporter and self._wait_for_thread(timeout_millis / 1e3) and self._worker_thread.ident is not None:
            self._worker_thread.join(max(0.0, deadline - monotonic()))
        # An exporter that shuts its own processor down receives no more batches: no export() after shutdown().
        self._give_up = from_exporter or monotonic() >= deadline
        if not self._is_running():
            self._drain()
        try:
            self._adapter.shutdown(max(0.0, (deadline - monotonic()) * 1e3))
        except Exception:
            logger.exception("Exception while shutting the exporter down")
        self._report_drops(at_the_end=True)
        self._log.say_held_back()
