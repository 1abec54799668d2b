"""Base class of nanospan's OTLP exporters: the SDK's SpanExporter on top of a Delivery."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from nanospan._common.log import counted
from nanospan._common.version import own_version
from nanospan.export import EncodedBatch, ExportOutcome
from nanospan.export._delivery.delivery import Delivery

__all__ = ["DeliveringExporter", "user_agent"]

logger = logging.getLogger(__name__)


def user_agent() -> str:
    """The User-Agent that the specification requires, followed by nanospan's own product token."""
    from opentelemetry.sdk.version import __version__ as sdk_version

    return f"OTel-OTLP-Exporter-Python/{sdk_version} nanospan/{own_version()}"


class DeliveringExporter(SpanExporter):
    """A SpanExporter that also accepts encoded batches (`nanospan.export.EncodedSpanExporter`)."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__qualname__} to {self._delivery.transport.display}>"

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Encode and send ``spans``. Returns SUCCESS if the receiver acknowledged the request, or ``spans`` is empty.

        A span that cannot be encoded is dropped, logged and counted in the metrics as ``encode_failed``.
        """
        if self._delivery.refuse_after_shutdown():
            return SpanExportResult.FAILURE
        if not spans:
            return SpanExportResult.SUCCESS
        # Imported here: export_encoded needs no encoder.
        from nanospan._native.encoding import encode_batch

        try:
            batch = encode_batch(spans)
        except Exception:
            logger.exception("Encoding %s failed; nothing of the batch is sent", counted(len(spans), "span"))
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
        """Returns True: the exporter does not buffer."""
        return True

    def after_fork(self) -> None:
        """Drop the parent's connections. Idempotent."""
        self._delivery.after_fork()

    def shutdown(self) -> None:
        """Interrupt a waiting retry and close connections. Later exports fail at once."""
        self._delivery.shutdown()
