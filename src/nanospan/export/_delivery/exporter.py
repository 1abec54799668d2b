"""What nanospan's two OTLP exporters have in common: the SDK's SpanExporter over a Delivery."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from nanospan.export import EncodedBatch, ExportOutcome
from nanospan.export._delivery.delivery import Delivery

__all__ = ["DeliveringExporter", "user_agent"]

logger = logging.getLogger(__name__)


def user_agent() -> str:
    """The User-Agent that the specification asks of an exporter, with nanospan's own token behind it."""
    from importlib.metadata import PackageNotFoundError, version

    from opentelemetry.sdk.version import __version__ as sdk_version

    try:
        own = version("nanospan")
    except PackageNotFoundError:
        own = "unknown"
    return f"OTel-OTLP-Exporter-Python/{sdk_version} nanospan/{own}"


class DeliveringExporter(SpanExporter):
    """A SpanExporter that also takes encoded batches (`nanospan.export.EncodedSpanExporter`)."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Encode and send ``spans``, if there are any. SUCCESS unless what was sent was not acknowledged.

        A span that cannot be encoded is left out, logged and counted in the metrics as ``encode_failed``.
        """
        if self._delivery.refuse_after_shutdown():
            return SpanExportResult.FAILURE
        if not spans:
            return SpanExportResult.SUCCESS
        # Here and not above: who hands over encoded batches needs no encoder.
        from nanospan._native.encoding.batch import encode_batch

        try:
            batch = encode_batch(spans)
        except Exception:
            logger.exception("Encoding %d spans failed; they are lost", len(spans))
            batch = None
        left_out = len(spans) - (0 if batch is None else batch.count)
        if left_out:
            self._delivery.record_failure(left_out, "encode_failed", "they could not be encoded")
        if batch is None or self._delivery.deliver(batch).failed:
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def export_encoded(self, batch: EncodedBatch, timeout: float | None = None) -> ExportOutcome:
        """Send one encoded batch; ``timeout`` in seconds. See `nanospan.export.EncodedSpanExporter`."""
        return self._delivery.deliver(batch, timeout)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """True at once: an exporter holds nothing back."""
        return True

    def after_fork(self) -> None:
        """Forget the parent's connections; harmless when called more than once."""
        self._delivery.after_fork()

    def shutdown(self) -> None:
        """Interrupt a retry that is waiting and release connections. Later exports fail at once."""
        self._delivery.shutdown()
