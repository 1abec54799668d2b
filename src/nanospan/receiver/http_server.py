"""OTLP/HTTP with protobuf bodies over the standard library's threading server.

``POST /v1/traces`` takes an ``ExportTraceServiceRequest``, plain, gzip or deflate. ``GET /stats``, ``GET
/traces`` and ``GET /traces/<trace id>`` return JSON.
"""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import socketserver
import threading
import time
import zlib
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from nanospan.receiver.decode import spans_to_json
from nanospan.receiver.store import TraceStore

try:
    from google.rpc.status_pb2 import Status as _RpcStatus
except ModuleNotFoundError:
    _RpcStatus = None

__all__ = ["OtlpHttpServer"]

logger = logging.getLogger(__name__)

TRACES_PATH = "/v1/traces"
MAX_BODY_BYTES = 64 << 20
MAX_DECODED_BYTES = 256 << 20
PROTOBUF = "application/x-protobuf"

_HTTP2_PREFACE = b"PRI * HTTP/2"
_TLS_HANDSHAKE = b"\x16\x03"
_WRONG_PORT = {
    _HTTP2_PREFACE: "A client speaks gRPC to the OTLP/HTTP port %d; gRPC %s",
    _TLS_HANDSHAKE: "A client speaks TLS to the OTLP/HTTP port %d, which is plaintext: its endpoint must begin with http://%s",
}
_WRONG_PORT_SECONDS = 20.0

_SUCCESS = ExportTraceServiceResponse().SerializeToString()
_WINDOW_BITS = {"gzip": 31, "deflate": 15}


class _Refusal(Exception):
    """A request to be answered with ``status`` and ``reason``; ``close`` when its body was left unread."""

    def __init__(self, status: HTTPStatus, reason: str, *, close: bool = False) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.close = close


class OtlpHttpServer(ThreadingHTTPServer):
    """Listens on ``(host, port)`` (port 0: any free one) and hands accepted requests to ``store``.

    Raises OSError when the address cannot be bound. `start` serves from a background thread until `stop`.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], store: TraceStore) -> None:
        self.store = store
        self.grpc_port: int | None = None
        """The port to name to clients that speak gRPC here; None if there is none."""
        self._wrong_port_logged: dict[bytes, float] = {}
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        self._thread: threading.Thread | None = None
        super().__init__(address, _Handler)

    @property
    def port(self) -> int:
        return self.server_address[1]

    def server_bind(self) -> None:
        # HTTPServer's version resolves the host's full name, which can take seconds without a network.
        socketserver.TCPServer.server_bind(self)
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), int(port)

    def start(self) -> None:
        self._thread = threading.Thread(
            target=self.serve_forever,
            kwargs={"poll_interval": 0.05},
            name="nanospan-receiver-http",
            daemon=True,
        )
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and close the connections that are still open."""
        if self._thread is not None:
            self.shutdown()
            self._thread.join()
            self._thread = None
        self.server_close()
        # With the lock: a closed connection is not in the set, and its descriptor may belong to another file.
        with self._connections_lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._connections_lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._connections_lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def refuse_wrong_protocol(self, protocol: bytes) -> None:
        """Count a connection that speaks ``protocol``, a key of `_WRONG_PORT`, and say so, once in 20 s."""
        self.store.add_refused(wrong_protocol=True)
        now = time.monotonic()
        if now - self._wrong_port_logged.get(protocol, -_WRONG_PORT_SECONDS) < _WRONG_PORT_SECONDS:
            return
        self._wrong_port_logged[protocol] = now
        if protocol == _HTTP2_PREFACE:
            hint = "is off here" if self.grpc_port is None else f"is served at port {self.grpc_port}"
        else:
            hint = f"{self.server_name}:{self.port}"
        logger.warning(_WRONG_PORT[protocol], self.port, hint)

    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.debug("connection from %s ended with an error", client_address, exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: OtlpHttpServer
    protocol_version = "HTTP/1.1"
    server_version = "nanospan-receiver"
    # Headers and body are sent in one segment; otherwise delayed acknowledgements cost 40 ms per response.
    wbufsize = -1
    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        # A look at what has arrived: TLS has no lines to wait for.
        start = self.rfile.peek(len(_HTTP2_PREFACE))  # type: ignore[attr-defined]  # a BufferedReader
        for protocol in _WRONG_PORT:
            if start.startswith(protocol):
                self.server.refuse_wrong_protocol(protocol)
                self.close_connection = True
                # grpcio and OpenSSL recognise an answer of HTTP/1, and say so to their users.
                self.wfile.write(b"HTTP/1.1 400 This is a plaintext OTLP/HTTP port\r\nContent-Length: 0\r\n\r\n")
                self.wfile.flush()
                return
        super().handle_one_request()

    def do_POST(self) -> None:
        try:
            body = self._read_body()
            self._accept(body)
        except _Refusal as refusal:
            self.server.store.add_refused()
            self._answer_refusal(refusal)
        else:
            self._answer(HTTPStatus.OK, PROTOBUF, _SUCCESS)

    def do_GET(self) -> None:
        store = self.server.store
        path = self.path.partition("?")[0]
        if path == "/stats":
            self._answer_json(json.dumps(store.stats().as_dict()))
        elif path == "/traces":
            self._answer_json(json.dumps([summary._asdict() for summary in store.summaries()]))
        elif path.startswith("/traces/") and (spans := store.trace(path.removeprefix("/traces/"))):
            self._answer_json(spans_to_json(spans))
        elif path == TRACES_PATH:
            self._answer(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"use POST\n", allow="POST")
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"not found\n")

    def _read_body(self) -> bytes:
        if "Transfer-Encoding" in self.headers:
            raise _Refusal(
                HTTPStatus.LENGTH_REQUIRED, "send Content-Length; chunked bodies are not read", close=True
            )
        stated = self.headers.get("Content-Length")
        if stated is None:
            raise _Refusal(HTTPStatus.LENGTH_REQUIRED, "Content-Length is missing", close=True)
        if not (stated.isascii() and stated.isdigit()):
            raise _Refusal(HTTPStatus.BAD_REQUEST, "Content-Length is not a number", close=True)
        length = int(stated)
        if length > MAX_BODY_BYTES:
            raise _Refusal(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body may have {MAX_BODY_BYTES} bytes", close=True
            )
        body = self.rfile.read(length)
        if len(body) < length:
            raise _Refusal(HTTPStatus.BAD_REQUEST, "the body ended early", close=True)
        return body

    def _accept(self, body: bytes) -> None:
        if self.path.partition("?")[0] != TRACES_PATH:
            raise _Refusal(HTTPStatus.NOT_FOUND, f"traces go to {TRACES_PATH}")
        content_type = self.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if content_type != PROTOBUF:
            raise _Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Content-Type must be {PROTOBUF}")
        encoding = self.headers.get("Content-Encoding", "identity").strip().lower()
        data = body if encoding == "identity" else _decompress(body, encoding)
        try:
            self.server.store.add(data, transport="http", wire_bytes=len(body))
        except DecodeError as error:
            raise _Refusal(HTTPStatus.BAD_REQUEST, "the body is no ExportTraceServiceRequest") from error

    def _answer_refusal(self, refusal: _Refusal) -> None:
        if refusal.close:
            self.close_connection = True
        if _RpcStatus is None:
            self._answer(refusal.status, "text/plain; charset=utf-8", f"{refusal.reason}\n".encode())
        else:
            self._answer(refusal.status, PROTOBUF, _RpcStatus(message=refusal.reason).SerializeToString())

    def _answer_json(self, text: str) -> None:
        self._answer(HTTPStatus.OK, "application/json", text.encode())

    def _answer(
        self, status: HTTPStatus, content_type: str, body: bytes, *, allow: str | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        if allow is not None:
            self.send_header("Allow", allow)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        logger.debug("%s " + format, self.address_string(), *args)


def _decompress(body: bytes, encoding: str) -> bytes:
    window_bits = _WINDOW_BITS.get(encoding)
    if window_bits is None:
        raise _Refusal(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Content-Encoding must be gzip, deflate or identity"
        )
    decompressor = zlib.decompressobj(window_bits)
    try:
        data = decompressor.decompress(body, MAX_DECODED_BYTES)
    except zlib.error as error:
        raise _Refusal(HTTPStatus.BAD_REQUEST, f"the body is no valid {encoding}") from error
    if decompressor.unconsumed_tail:
        raise _Refusal(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body unpacks to over {MAX_DECODED_BYTES} bytes"
        )
    if not decompressor.eof or decompressor.unused_data:
        raise _Refusal(HTTPStatus.BAD_REQUEST, f"the body is not one whole {encoding} stream")
    return data
