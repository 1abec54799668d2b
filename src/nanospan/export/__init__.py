"""What passes between the span processor and the exporters: encoded batches one way, outcomes the other.

The exporters themselves are `nanospan.export.http.OTLPSpanExporter` and `nanospan.export.grpc.OTLPSpanExporter`.
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
        """Two requests that together hold the same spans in the same order; needs ``count >= 2``."""


class ExportOutcome(NamedTuple):
    """Where the spans of one batch went. The three numbers add up to the batch's ``count``."""

    exported: int
    """Acknowledged with success."""
    rejected: int
    """Refused by the receiver in a partial success."""
    failed: int
    """Not acknowledged: refused as a whole, timed out, unreachable, or too large to be split further."""


@runtime_checkable
class EncodedSpanExporter(Protocol):
    """An exporter that takes finished OTLP bytes, so that nothing is encoded twice."""

    def export_encoded(self, batch: EncodedBatch, timeout: float | None = None) -> ExportOutcome:
        """Send one batch and return where its spans went; never raises for what the network does.

        ``timeout``, in seconds, bounds the whole operation with its retries; None leaves the exporter's own bound,
        and the smaller of the two holds. Called with tracing suppressed, by one thread at a time.
        """

    def after_fork(self) -> None:
        """Forget connections and threads that belong to the parent process; called in a forked child."""

    def shutdown(self) -> None:
        """Release connections and interrupt a retry that is waiting. Later exports fail at once."""
