"""What happens to a request that a server has read: it is counted and kept, and passed on to who listens."""

from __future__ import annotations

from collections.abc import Callable

from nanospan.receiver.otlp_json import request_from_json
from nanospan.receiver.store import TraceStore

__all__ = ["Intake", "OnRequest"]

OnRequest = Callable[[bytes, int], None]
"""Called with an accepted request, serialised as protobuf, and its number of spans, at least 1. Must not block or raise:
the client waits for its answer."""


class Intake:
    """Takes requests for ``store``, and passes them on to ``on_request``. Used by the threads of all servers."""

    def __init__(self, store: TraceStore, on_request: OnRequest | None = None) -> None:
        self.store = store
        self._on_request = on_request

    def take_protobuf(self, body: bytes, *, transport: str, wire_bytes: int | None = None) -> None:
        """Raises google.protobuf.message.DecodeError when ``body`` is no ``ExportTraceServiceRequest``."""
        spans = self.store.add(body, transport=transport, wire_bytes=wire_bytes)
        if spans and self._on_request is not None:
            self._on_request(body, spans)

    def take_json(self, body: bytes, *, wire_bytes: int) -> tuple[int, str]:
        """The number of spans that were rejected, and why. Raises OtlpJsonError when all of ``body`` is refused."""
        parsed = request_from_json(body)
        spans = self.store.add_request(
            parsed.request, size=len(body), transport="http", wire_bytes=wire_bytes, rejected=parsed.rejected
        )
        if spans and self._on_request is not None:
            self._on_request(parsed.request.SerializeToString(), spans)
        return parsed.rejected, parsed.reason
