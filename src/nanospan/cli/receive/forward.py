"""``nanospan receive --forward``: accepted requests go on to another receiver, by nanospan's own exporter."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from nanospan.cli.receive.request_queue import RequestQueue
from nanospan.export.http import OTLPSpanExporter

__all__ = ["ForwardedBatch", "Forwarder", "forward_endpoint"]

MAX_QUEUED_BYTES = 32 << 20
LAST_SECONDS = 3.0
"""What the end waits for requests under way."""

_TRACES_PATH = "/v1/traces"


def forward_endpoint(url: str) -> str:
    """The whole endpoint of ``url``: a URL without a path gets OTLP's. Raises ValueError for no URL of HTTP."""
    text = url.strip()
    parts = urlsplit(text if "://" in text else f"http://{text}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError(f"{url!r} is no URL of an OTLP/HTTP receiver: write http://host:4318")
    return parts._replace(path=_TRACES_PATH if parts.path in ("", "/") else parts.path).geturl()


class ForwardedBatch(bytes):
    """A serialised request with the interface of `nanospan.export.EncodedBatch`.

    Derived from bytes for the buffer protocol, which Python code can provide only from 3.12 on.
    """

    count: int  # type: ignore[assignment]  # in place of the method of bytes

    @classmethod
    def of(cls, body: bytes, count: int) -> ForwardedBatch:
        batch = cls(body)
        batch.count = count
        return batch

    def split(self) -> tuple[ForwardedBatch, ForwardedBatch]:  # type: ignore[override]  # likewise
        half = self.count // 2
        return self._part(0, half), self._part(half, self.count)

    def _part(self, first: int, last: int) -> ForwardedBatch:
        request = ExportTraceServiceRequest.FromString(self)
        number = 0
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                end = number + len(scope.spans)
                del scope.spans[max(0, last - number) :]
                del scope.spans[: max(0, first - number)]
                number = end
        return ForwardedBatch.of(request.SerializeToString(), last - first)


class Forwarder:
    """Sends each request on to ``url``. Never blocks: what waits is bounded, and what is lost is counted.

    Headers, compression, certificates and timeout come from the variables of the exporter (``OTEL_EXPORTER_OTLP_*``), which
    also logs failures. Raises ValueError for a wrong URL.
    """

    def __init__(self, url: str, *, max_bytes: int = MAX_QUEUED_BYTES, last_seconds: float = LAST_SECONDS) -> None:
        self.endpoint = forward_endpoint(url)
        self._last_seconds = last_seconds
        self._exporter = OTLPSpanExporter(endpoint=self.endpoint)
        self._queue = RequestQueue(self._send, name="nanospan-receive-forward", max_bytes=max_bytes)
        self.put: Callable[[bytes, int], None] = self._queue.put

    @property
    def delivered(self) -> int:
        """Spans that the other receiver has accepted."""
        return self._queue.delivered

    @property
    def lost(self) -> int:
        """Spans that it has not, or that were dropped before."""
        return self._queue.lost

    def close(self) -> None:
        """Send what waits, for a bounded time."""
        self._queue.close(self._last_seconds)
        # Ends a retry that waits.
        self._exporter.shutdown()
        self._queue.join(self._last_seconds)

    def _send(self, body: bytes, spans: int) -> int:
        return self._exporter.export_encoded(ForwardedBatch.of(body, spans)).exported
