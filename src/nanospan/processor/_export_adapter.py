"""Adapts an exporter to a queue: encoded bytes for exporters that accept them, span objects for any other."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from nanospan._common.log import WindowedLog, counted
from nanospan._native.queue import EncodedQueue, ObjectBatch, ObjectQueue
from nanospan.export import EncodedBatch, EncodedSpanExporter, ExportOutcome
from nanospan.processor._settings import QueueSettings

if TYPE_CHECKING:
    from nanospan._native.tail import TailQueue
    from nanospan.tail import TailSampling

__all__ = ["ExportAdapter", "export_adapter_for"]

logger = logging.getLogger(__name__)

_OFFICIAL_PACKAGE = "opentelemetry.exporter.otlp.proto."


class ExportAdapter(Protocol):
    """Sends batches to an exporter, and owns the queue of that kind of batch."""

    @property
    def queue(self) -> EncodedQueue | TailQueue | ObjectQueue: ...

    def send(self, batch: Any, timeout: float) -> ExportOutcome:
        """Pass a batch of ``queue`` to the exporter; ``timeout`` in seconds. Exceptions of the exporter propagate."""

    def after_fork(self) -> None: ...

    def shutdown(self, timeout_millis: float) -> None: ...


class BytesExport:
    """Sends encoded batches to an exporter that accepts them."""

    def __init__(self, exporter: EncodedSpanExporter, settings: QueueSettings, tail_sampling: TailSampling | None) -> None:
        self._exporter = exporter
        self.queue: EncodedQueue | TailQueue
        if tail_sampling is None:
            self.queue = EncodedQueue(settings.max_queue_size, settings.wake_spans, settings.max_queue_bytes)
        else:
            # Imported here: most programs sample no tails.
            from nanospan._native.tail import TailQueue
            from nanospan.tail._plan import Plan

            self.queue = TailQueue(tail_sampling, Plan(tail_sampling.policies), settings.wake_spans)

    def send(self, batch: EncodedBatch, timeout: float) -> ExportOutcome:
        return self._exporter.export_encoded(batch, timeout)

    def after_fork(self) -> None:
        self._exporter.after_fork()

    def shutdown(self, timeout_millis: float) -> None:
        self._exporter.shutdown()


class ObjectExport:
    """Sends span objects to any SpanExporter."""

    def __init__(self, exporter: SpanExporter, settings: QueueSettings) -> None:
        self._exporter = exporter
        self._log = WindowedLog(logger, owned=True)
        self.queue = ObjectQueue(settings.max_queue_size, settings.wake_spans)

    def send(self, batch: ObjectBatch, timeout: float) -> ExportOutcome:
        result = self._exporter.export(list(batch.spans))
        # None is an exporter that returns nothing: not a failure.
        if result is SpanExportResult.SUCCESS or result is None:
            return ExportOutcome(batch.count, 0, 0)
        self._log.log(
            logging.WARNING,
            "failed",
            "%s failed to export %s",
            type(self._exporter).__name__,
            counted(batch.count, "span"),
            spans=batch.count,
        )
        return ExportOutcome(0, 0, batch.count)

    def after_fork(self) -> None:
        pass

    def shutdown(self, timeout_millis: float) -> None:
        self._log.say_held_back()
        # As in the SDK's processor: the shutdown of some exporters accepts the remaining time.
        shutdown: Callable[..., None] = self._exporter.shutdown
        if "timeout_millis" in inspect.signature(shutdown).parameters:
            shutdown(timeout_millis=timeout_millis)
        else:
            shutdown()


def export_adapter_for(
    exporter: SpanExporter, settings: QueueSettings, tail_sampling: TailSampling | None = None
) -> ExportAdapter:
    """BytesExport for nanospan's exporters and exact instances of the official OTLP ones; ObjectExport for any other.

    A subclass of an official exporter may read the spans. Raises ValueError for tail sampling with ObjectExport: tail
    sampling holds encoded spans.
    """
    if _takes_bytes(exporter):
        return BytesExport(exporter, settings, tail_sampling)
    if str(type(exporter).__module__).startswith(_OFFICIAL_PACKAGE):
        # Imported here, when a processor is made and not when it sends: a process with another exporter does without.
        from nanospan.export._transport.official import wrap_official

        wrapped = wrap_official(exporter)
        if wrapped is not None:
            return BytesExport(wrapped, settings, tail_sampling)
    if tail_sampling is not None:
        raise ValueError(
            "tail_sampling needs an exporter of OTLP, nanospan's or exactly one of the official ones; "
            f"{type(exporter).__module__}.{type(exporter).__qualname__} takes spans as objects"
        )
    return ObjectExport(exporter, settings)


def _takes_bytes(exporter: object) -> TypeGuard[EncodedSpanExporter]:
    """Whether ``export_encoded`` is not hidden by an ``export`` that a subclass overrides."""
    if not isinstance(exporter, EncodedSpanExporter):
        return False
    for cls in type(exporter).__mro__:
        if "export_encoded" in vars(cls):
            return True
        if "export" in vars(cls):
            return False
    return False
