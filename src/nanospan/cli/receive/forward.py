"""``nanospan receive --forward``: accepted requests go on to another receiver, by nanospan's own exporter."""

from __future__ import annotations

from urllib.parse import urlsplit

from nanospan.cli.receive.request_batch import RequestBatch
from nanospan.cli.receive.request_queue import RequestQueue
from nanospan.export.http import OTLPSpanExporter

__all__ = ["Forwarder", "forward_endpoint"]

MAX_QUEUED_BYTES = 32 << 20
LAST_SECONDS = 1.0
"""What the end waits for requests that are not delivered yet."""

_TRACES_PATH = "/v1/traces"


def forward_endpoint(url: str) -> str:
    """The whole endpoint of ``url``: a URL without a path gets OTLP's. Raises ValueError for no URL of HTTP."""
    text = url.strip()
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # of the port, or of brackets
        usable = False
    if not usable:
        raise ValueError(f"{url!r} is no URL of an OTLP/HTTP receiver: write http://host:4318")
    return parts._replace(path=_TRACES_PATH if parts.path in ("", "/") else parts.path).geturl()


class Forwarder(RequestQueue):
    """Sends each request on to ``url``. Never blocks: what waits is bounded, and what is lost is counted.

    Headers, compression, certificates and timeout come from the variables of the exporter (``OTEL_EXPORTER_OTLP_*``), which
    also logs failures. Raises ValueError for a wrong URL.
    """

    def __init__(self, url: str, *, max_bytes: int = MAX_QUEUED_BYTES, last_seconds: float = LAST_SECONDS) -> None:
        self.endpoint = forward_endpoint(url)
        self._last_seconds = last_seconds
        self._exporter = OTLPSpanExporter(endpoint=self.endpoint)
        super().__init__(self._send, name="nanospan-receive-forward", max_bytes=max_bytes)

    def close(self) -> None:
        """Send what waits, for a bounded time; what is not delivered then is lost."""
        self.drain(self._last_seconds)
        # Ends a retry that waits. A request under way cannot be interrupted: its thread is left behind.
        self._exporter.shutdown()
        self.join(0)

    def _send(self, body: bytes, spans: int) -> int:
        return self._exporter.export_encoded(RequestBatch.of(body, spans)).exported
