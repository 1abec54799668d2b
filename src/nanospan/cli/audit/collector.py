"""Receives what the application exports, and keeps it as it came: headers, and the bytes of the wire and of the message."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from nanospan.receiver import Receiver, TraceStore
from nanospan.receiver.http_body import MAX_BODY_BYTES, Refusal, decompress

__all__ = ["Arrival", "RawCollector"]

_HOST = "127.0.0.1"
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Arrival:
    """One request."""

    path: str
    headers: dict[str, str]
    encoding: str
    """The content encoding, or ``grpc``."""
    wire: bytes
    """As it came, compressed or not; of gRPC the message."""
    body: bytes
    """Without its content encoding; empty if that cannot be taken off."""


class RawCollector:
    """Listens for OTLP/HTTP, and for OTLP/gRPC if grpcio is installed, from construction until `stop`.

    Raises OSError when a port cannot be bound.
    """

    def __init__(self, http_port: int = 0, grpc_port: int | None = 0) -> None:
        self._lock = threading.Lock()
        self._arrivals: list[Arrival] = []
        self._last = time.monotonic()
        self._http = _HttpServer((_HOST, http_port), self)
        try:
            # Its own HTTP port is not told to anybody.
            self._receiver = Receiver(grpc_port=grpc_port, store=TraceStore(count_only=True), on_request=self._of_grpc)
        except OSError:
            self._http.server_close()
            raise
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def http_url(self) -> str:
        """Without the path of a signal."""
        return f"http://{_HOST}:{self._http.server_port}"

    @property
    def grpc_url(self) -> str | None:
        return self._receiver.endpoint_grpc

    def arrivals(self) -> list[Arrival]:
        with self._lock:
            return list(self._arrivals)

    def wait_until_quiet(self, first: float, quiet: float) -> None:
        """Wait until something has arrived, at most ``first`` seconds, and then nothing more for ``quiet`` seconds."""
        started = time.monotonic()
        while True:
            with self._lock:
                some, last = bool(self._arrivals), self._last
            now = time.monotonic()
            if now - started >= first if not some else now - max(last, started) >= quiet:
                return
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        self._receiver.stop()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def add(self, arrival: Arrival) -> None:
        with self._lock:
            self._arrivals.append(arrival)
            self._last = time.monotonic()

    def _of_grpc(self, body: bytes, spans: int) -> None:
        self.add(Arrival("gRPC", {}, "grpc", body, body))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], collector: RawCollector) -> None:
        self.collector = collector
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _HttpServer

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            self._answer(411)
            return
        wire = self.rfile.read(int(length))
        encoding = self.headers.get("Content-Encoding", "identity").lower()
        try:
            body = decompress(wire, encoding)
        except Refusal:
            body = b""
        self.server.collector.add(Arrival(self.path, dict(self.headers), encoding, wire, body))
        self._answer(200)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None: ...
