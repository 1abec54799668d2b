"""How a batch leaves: as bytes to an exporter that takes them, or as spans to any other SpanExporter."""

from __future__ import annotations

import inspect
import logging
from typing import Protocol

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from nanospan._common.log import WindowedLog
from nanospan._native.queue.span_queue import EncodedQueue, ObjectBatch, ObjectQueue, SpanQueue
from nanospan._native.tail.tail_queue import TailQueue
from nanospan.export import EncodedBatch, EncodedSpanExporter, ExportOutcome
from nanospan.export._transport.official import wrap_official
from nanospan.processor._settings import QueueSettings
from nanospan.tail import TailSampling
from nanospan.tail._plan import Plan

__all__ = ["ExportAdapter", "export_adapter_for"]

logger = logging.getLogger(__name__)


class ExportAdapter(Protocol):
    """One way out, with the queue that feeds it."""

    queue: SpanQueue

    def send(self, batch: EncodedBatch | ObjectBatch, timeout: float) -> ExportOutcome:
        """Hand one batch to the exporter; ``timeout`` in seconds. May raise what the exporter raises."""

    def after_fork(self) -> None: ...

    def shutdown(self, timeout_millis: float) -> None: ...


class BytesExport:
    """Bytes to an exporter that takes bytes."""

    def __init__(
        self, exporter: EncodedSpanExporter, settings: QueueSettings, tail_sampling: TailSampling | None
    ) -> None:
        self._exporter = exporter
        self.queue: EncodedQueue | TailQueue
        if tail_sampling is None:
            self.queue = EncodedQueue(settings.max_queue_size, settings.wake_spans, settings.max_queue_bytes)
        else:
            self.queue = TailQueue(tail_sampling, Plan(tail_sampling.policies), settings.wake_spans)

    def send(self, batch: EncodedBatch, timeout: float) -> ExportOutcome:
        return self._exporter.export_encoded(batch, timeout)

    def after_fork(self) -> None:
        self._exporter.after_fork()

    def shutdown(self, timeout_millis: float) -> None:
        self._exporter.shutdown()


class ObjectExport:
    """Spans to a SpanExporter of any kind."""

    def __init__(self, exporter: SpanExporter, settings: QueueSettings) -> None:
        self._exporter = exporter
        self._log = WindowedLog(logger)
        self.queue = ObjectQueue(settings.max_queue_size, settings.wake_spans)

    def send(self, batch: ObjectBatch, timeout: float) -> ExportOutcome:
        result = self._exporter.export(list(batch.spans))
        # None: an exporter that forgot to say has not said that it failed.
        if result is SpanExportResult.SUCCESS or result is None:
            return ExportOutcome(batch.count, 0, 0)
        self._log.log(logging.WARNING, "failed", "%s failed to export spans", type(self._exporter).__name__)
        return ExportOutcome(0, 0, batch.count)

    def after_fork(self) -> None:
        pass

    def shutdown(self, timeout_millis: float) -> None:
        # As the SDK's processor does: some exporters' shutdown takes the time that is left.
        if "timeout_millis" in inspect.signature(self._exporter.shutdown).parameters:
            self._exporter.shutdown(timeout_millis=timeout_millis)
        else:
            self._exporter.shutdown()


def export_adapter_for(exporter: SpanExporter, settings: QueueSettings, tail_sampling: TailSampling | None = None) -> ExportAdapter:
    """Bytes where the exporter is nanospan's or exactly an official OTLP one; the spans themselves everywhere else.

    Exactly: a subclass may look at the spans, and a foreign exporter must get the real thing. Raises ValueError for tail
    sampling before such a one: what is held until its trace is decided on is held as bytes.
    """
    if _takes_bytes(exporter):
        return BytesExport(exporter, settings, tail_sampling)
    wrapped = wrap_official(exporter)
    if wrapped is not None:
        return BytesExport(wrapped, settings, tail_sampling)
    if tail_sampling is not None:
        raise ValueError(
            "tail_sampling needs an exporter of OTLP, nanospan's or exactly one of the official ones; "
            f"{type(exporter).__module__}.{type(exporter).__qualname__} takes spans as objects"
        )
    return ObjectExport(exporter, settings)


def _takes_bytes(exporter: object) -> bool:
    """Whether ``export_encoded`` is this exporter's own way, not one it inherits under an ``export`` of its own."""
    if not isinstance(exporter, EncodedSpanExporter):
        return False
    for cls in type(exporter).__mro__:
        if "export_encoded" in vars(cls):
            return True
        if "export" in vars(cls):
            return False
    return False
