"""Delivery of one batch over any transport, HTTP or gRPC: attempts, retries, splitting, accounting, logging.

The transport says which of its replies are worth a retry; `backoff` says when.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from nanospan._common.log import WindowedLog, counted, one_line
from nanospan.export import EncodedBatch, ExportOutcome
from nanospan.export._delivery.backoff import FREE_INTERRUPTIONS, MAX_ATTEMPTS, Deadline, backoff_seconds
from nanospan.export._delivery.metrics import REJECTED, ExporterMetrics
from nanospan.export._delivery.reply import Reply, Verdict, partial_success

__all__ = ["Body", "Delivery", "Transport"]

Body = bytes | memoryview

_OUT_OF_TIME = Reply(Verdict.REFUSED, error_type="TimeoutError", reason="no time was left to send them")
_SHUT_DOWN = Reply(Verdict.REFUSED, error_type="already_shutdown", reason="the exporter was shut down")


class Transport(Protocol):
    """A transport to one receiver. It makes one attempt and classifies the reply; `Delivery` decides about retries."""

    @property
    def display(self) -> str:
        """The endpoint for logs, without credentials."""

    def pack(self, request: memoryview) -> Body:
        """The request body, compressed if the transport does not compress by itself."""

    def send(self, body: Body, timeout: float | None) -> Reply:
        """Make one attempt of at most ``timeout`` seconds. Network errors do not raise."""

    def after_fork(self) -> None:
        """Drop the parent's connections."""

    def close(self) -> None:
        """Close connections; called once."""


class _Size(NamedTuple):
    """The size of a request in each unit that a receiver may limit."""

    spans: int
    octets: int
    octets_on_wire: int

    def at_least(self, other: _Size) -> bool:
        return all(mine >= theirs for mine, theirs in zip(self, other, strict=True))


class _Account:
    """The outcomes of the spans of one batch."""

    def __init__(self) -> None:
        self.exported = 0
        self.failures: dict[str, int] = {}
        self.last: Reply | None = None
        self.too_large: list[tuple[_Size, Reply]] = []

    def accepted(self, spans: int, rejected: int) -> None:
        self.exported += spans - rejected
        if rejected:
            self._add(REJECTED, rejected)

    def failed(self, spans: int, reply: Reply) -> None:
        self._add(reply.error_type, spans)
        self.last = reply

    def _add(self, error_type: str, spans: int) -> None:
        self.failures[error_type] = self.failures.get(error_type, 0) + spans

    def cause(self) -> tuple[str | None, Mapping[str, str | int]]:
        """Error type and status of the operation: those of the last failure, else of rejected spans."""
        if self.last is not None:
            return self.last.error_type, self.last.status
        return (REJECTED if self.failures else None), {}

    def outcome(self) -> ExportOutcome:
        rejected = self.failures.get(REJECTED, 0)
        return ExportOutcome(self.exported, rejected, sum(self.failures.values()) - rejected)


class Delivery:
    """Delivers batches through a transport.

    ``timeout``, in seconds, covers one batch with all retries and parts; None for no limit. A batch above
    ``max_request_size`` bytes, before compression, is split; 0 for no limit.
    """

    def __init__(
        self,
        transport: Transport,
        metrics: ExporterMetrics | None,
        timeout: float | None,
        logger: logging.Logger,
        max_request_size: int = 0,
    ) -> None:
        self.transport = transport
        self._metrics = metrics
        self._timeout = timeout
        self._max_request_size = max_request_size
        self._logger = logger
        self._windowed = WindowedLog(logger, owned=True)
        self._stopping = threading.Event()
        self._warned_stopped = False
        self._warned_answer = False
        self._process = os.getpid()
        _deliveries.add(self)

    def deliver(self, batch: EncodedBatch, timeout: float | None = None) -> ExportOutcome:
        """Send one batch within ``timeout`` seconds and the exporter's own timeout. Never raises."""
        self._notice_fork()
        count = batch.count
        if not count:
            return ExportOutcome(0, 0, 0)
        if self.refuse_after_shutdown():
            return ExportOutcome(0, 0, count)
        bounds = [seconds for seconds in (timeout, self._timeout) if seconds is not None]
        deadline = Deadline(max(min(bounds), 0.0) if bounds else None)
        account = _Account()
        began = self._metrics.begin(count) if self._metrics is not None else 0.0
        try:
            self._deliver_parts(batch, deadline, account)
        except Exception as error:
            self._logger.exception("Sending spans to %s failed unexpectedly", self.transport.display)
            account.failed(count - sum(account.outcome()), Reply(Verdict.REFUSED, type(error).__qualname__))
        if self._metrics is not None:
            cause, status = account.cause()
            self._metrics.end(began, count, account.exported, account.failures, cause, status)
        if self._stopping.is_set():
            self._windowed.say_held_back()  # the shutdown did not wait for this batch
        return account.outcome()

    def record_failure(self, count: int, error_type: str, reason: str) -> None:
        """Log and count spans that were lost before a request was sent."""
        self._log_failure(count, Reply(Verdict.REFUSED, error_type, reason))
        if self._metrics is not None:
            self._metrics.end(self._metrics.begin(count), count, 0, {error_type: count}, error_type, {})

    def refuse_after_shutdown(self) -> bool:
        """Whether the exporter is shut down; the first call after that logs a warning."""
        stopped = self._stopping.is_set()
        if stopped and not self._warned_stopped:
            self._warned_stopped = True
            self._logger.warning("The exporter is shut down; spans handed to it are lost")
        return stopped

    def shutdown(self) -> None:
        """Interrupt a waiting retry and close connections. A second call only logs a warning."""
        self._notice_fork()
        if self._stopping.is_set():
            self._logger.warning("The exporter is already shut down")
            return
        self._stopping.set()
        self.transport.close()
        self._windowed.say_held_back()

    def after_fork(self) -> None:
        """Reset in a forked child, without closing the parent's connections."""
        stopped = self._stopping.is_set()
        # A thread of the parent may have acquired the old event's lock.
        self._stopping = threading.Event()
        if stopped:
            self._stopping.set()
        self._process = os.getpid()
        self.transport.after_fork()

    def _notice_fork(self) -> None:
        # Servers such as uWSGI fork without running Python's fork hooks. getpid is cheap compared to a request.
        if os.getpid() != self._process:
            self.after_fork()

    def _deliver_parts(self, batch: EncodedBatch, deadline: Deadline, account: _Account) -> None:
        waiting = [batch]
        while waiting:
            part = waiting.pop()
            reply = self._deliver_part(part, deadline, account)
            if reply.verdict is Verdict.SPLIT and part.count > 1:
                waiting.extend(reversed(part.split()))
            elif reply.verdict is Verdict.ACCEPTED:
                account.accepted(part.count, self._rejected(reply, part.count))
            else:
                account.failed(part.count, reply)
                self._log_failure(part.count, reply)

    def _deliver_part(self, part: EncodedBatch, deadline: Deadline, account: _Account) -> Reply:
        if self._stopping.is_set():
            return _SHUT_DOWN
        if deadline.passed:
            return _OUT_OF_TIME
        request = memoryview(part)  # type: ignore[arg-type]  # Protocol cannot express a buffer before Python 3.12
        if 0 < self._max_request_size < request.nbytes:
            return Reply(
                Verdict.SPLIT,
                error_type="RequestPayloadTooLargeError",
                reason=f"{request.nbytes} bytes are more than max_request_size, {self._max_request_size}",
            )
        body = self.transport.pack(request)
        size = _Size(part.count, request.nbytes, memoryview(body).nbytes)
        # A receiver that refused a request as too large refuses every larger one. Without this check, a receiver that
        # refuses every request, such as one without quota, would get one request for each span of the batch.
        refusal = next((reply for refused, reply in account.too_large if size.at_least(refused)), None)
        if refusal is not None:
            return refusal
        reply = self._attempt(body, part.count, deadline)
        if reply.verdict is Verdict.SPLIT:
            account.too_large.append((size, reply))
        return reply

    def _attempt(self, body: Body, spans: int, deadline: Deadline) -> Reply:
        """Send until accepted, refused, out of attempts or time, or shut down; returns the last reply."""
        retries = interruptions = 0
        may_retry_at_once = True
        reply = _OUT_OF_TIME
        while not deadline.passed:
            reply = self.transport.send(body, deadline.remaining())
            if reply.verdict is not Verdict.RETRY or self._stopping.is_set():
                break
            if reply.interrupted and interruptions < FREE_INTERRUPTIONS:
                interruptions += 1
                continue
            if reply.connection_lost and may_retry_at_once:
                # Usually the receiver has closed an idle kept-alive connection.
                may_retry_at_once = False
                continue
            wait = backoff_seconds(retries) if reply.retry_after is None else reply.retry_after
            retries += 1
            if retries == MAX_ATTEMPTS or not deadline.allows(wait):
                break
            self._windowed.log(
                logging.WARNING,
                ("retry", reply.error_type),
                "Sending %s to %s: %s; trying again in %.1f s",
                counted(spans, "span"),
                self.transport.display,
                reply.reason,
                wait,
                spans=spans,
            )
            if self._stopping.wait(wait):
                break
        return reply

    def _rejected(self, reply: Reply, count: int) -> int:
        """Number of rejected spans in the response of a receiver that accepted the request. Logs its message."""
        try:
            if reply.body is None:
                raise ValueError("longer than 4 MiB")
            partial = partial_success(reply.body)
        except ValueError as error:
            if not self._warned_answer:
                self._warned_answer = True
                self._logger.warning(
                    "%s accepted spans with an answer that cannot be read (%s); taken as full success",
                    self.transport.display,
                    error,
                )
            return 0
        if partial is None:
            return 0
        # The number is untrusted input: clamp it, so that the outcome adds up.
        rejected = min(max(partial.rejected, 0), count)
        message = one_line(partial.message) or "no reason given"
        if rejected:
            self._windowed.log(
                logging.WARNING,
                "rejected",
                "%s rejected %d of %s: %s",
                self.transport.display,
                rejected,
                counted(count, "span"),
                message,
                spans=rejected,
            )
        else:
            self._windowed.log(
                logging.WARNING,
                "message",
                "%s accepted all spans and warns: %s",
                self.transport.display,
                message,
            )
        return rejected

    def _log_failure(self, spans: int, reply: Reply) -> None:
        self._windowed.log(
            logging.ERROR,
            ("failed", reply.error_type),
            "%s not delivered to %s: %s",
            f"{counted(spans, 'span')} {'was' if spans == 1 else 'were'}",
            self.transport.display,
            reply.reason,
            spans=spans,
        )


_deliveries: weakref.WeakSet[Delivery] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for delivery in list(_deliveries):
        delivery.after_fork()


# One hook for all exporters, since hooks cannot be unregistered; the set has weak references.
os.register_at_fork(after_in_child=_after_fork_in_child)
