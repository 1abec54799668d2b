"""The interface between the span processor and the exporters: encoded batches and their outcomes.

The exporters are `nanospan.export.http.OTLPSpanExporter` and `nanospan.export.grpc.OTLPSpanExporter`.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

__all__ = ["EncodedBatch", "EncodedSpanExporter", "ExportOutcome"]


class EncodedBatch(Protocol):
    """One serialised ``ExportTraceServiceRequest``.

    An object with the buffer protocol: ``memoryview(batch)`` is the whole request, contiguous and read-only.
    """

    @property
    def count(self) -> int:
        """Number of spans in the request, at least 1."""

    def split(self) -> tuple[EncodedBatch, EncodedBatch]:
        """Two requests with the same spans in the same order; needs ``count >= 2``."""


class ExportOutcome(NamedTuple):
    """What happened to the spans of one batch. The sum of the three numbers is the batch's ``count``."""

    exported: int
    """Acknowledged by the receiver."""
    rejected: int
    """Rejected by the receiver in a partial success."""
    failed: int
    """Not acknowledged: refused, timed out, unreachable, or too large."""


@runtime_checkable
class EncodedSpanExporter(Protocol):
    """An exporter that accepts encoded OTLP requests."""

    def export_encoded(self, batch: EncodedBatch, timeout: float | None = None) -> ExportOutcome:
        """Send one batch. Network errors do not raise.

        ``timeout``, in seconds, limits the operation with its retries. The exporter's own timeout applies too; None leaves
        it alone. Called with tracing suppressed, by one thread at a time.
        """

    def after_fork(self) -> None:
        """Drop the connections and threads of the parent process. Called in a forked child."""

    def shutdown(self) -> None:
        """Close connections and interrupt a waiting retry. Later exports fail at once."""
