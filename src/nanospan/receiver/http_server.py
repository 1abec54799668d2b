"""OTLP/HTTP with protobuf or JSON bodies over the standard library's threading server.

``POST /v1/traces`` takes an ``ExportTraceServiceRequest``, plain, gzip, deflate or, with a library for it, zstd, also from
pages of the allowed origins. ``GET /stats``, ``GET /traces`` and ``GET /traces/<trace id>`` return JSON.
"""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import socketserver
import threading
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from nanospan._common.log import WindowedLog
from nanospan.receiver.cors import AllowedOrigins, preflight_headers
from nanospan.receiver.decode import spans_to_json
from nanospan.receiver.http_body import MAX_BODY_BYTES, MAX_JSON_BYTES, Refusal, decompress
from nanospan.receiver.intake import Intake
from nanospan.receiver.otlp_json import OtlpJsonError

try:
    from google.rpc.status_pb2 import Status as _RpcStatus
except ModuleNotFoundError:
    _RpcStatus = None

__all__ = ["OtlpHttpServer"]

logger = logging.getLogger(__name__)

TRACES_PATH = "/v1/traces"
PROTOBUF = "application/x-protobuf"
JSON = "application/json"

_HTTP2_PREFACE = b"PRI * HTTP/2"
_TLS_HANDSHAKE = b"\x16\x03"
_WRONG_PORT = {
    _HTTP2_PREFACE: "A client speaks gRPC to the OTLP/HTTP port %d; gRPC %s",
    _TLS_HANDSHAKE: "A client speaks TLS to the OTLP/HTTP port %d, which is plaintext: its endpoint must begin with http://%s",
}
_SUCCESS: bytes = ExportTraceServiceResponse().SerializeToString()


class OtlpHttpServer(ThreadingHTTPServer):
    """Listens on ``(host, port)`` (port 0: any free one) and hands what it reads to ``intake``.

    Raises OSError when the address cannot be bound. `start` serves from a background thread until `stop`.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], intake: Intake, origins: AllowedOrigins | None = None) -> None:
        self.intake = intake
        self.store = intake.store
        self.origins = AllowedOrigins() if origins is None else origins
        self.grpc_port: int | None = None
        """The port to name to clients that speak gRPC here; None if there is none."""
        self._log = WindowedLog(logger, owned=True)
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
        if protocol == _HTTP2_PREFACE:
            hint = "is off here" if self.grpc_port is None else f"is served at port {self.grpc_port}"
        else:
            hint = f"{self.server_name}:{self.port}"
        self._log.log(logging.WARNING, protocol, _WRONG_PORT[protocol], self.port, hint)

    def refuse_origin(self, origin: str) -> None:
        """Say, once in 20 s, that a page of ``origin`` asked whether it may send, and may not."""
        self._log.log(
            logging.WARNING,
            "origin",
            "A page of %.200r may not send spans to port %d: allow its origin, for nanospan receive with --cors-origin",
            origin,
            self.port,
        )

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
            answer = self._accept(self._read_body())
        except Refusal as refusal:
            self.server.store.add_refused()
            self._answer_refusal(refusal)
        else:
            self._answer(HTTPStatus.OK, self._media_type, answer, self._cors_headers())

    def do_OPTIONS(self) -> None:
        self.close_connection = self.close_connection or self.headers.get("Content-Length", "0") != "0"
        origin = self.headers.get("Origin")
        if self._path != TRACES_PATH:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"not found\n")
        elif origin is None:
            self._answer(HTTPStatus.NO_CONTENT, None, b"", {"Allow": "POST, OPTIONS"})
        elif self.server.origins.allows(origin):
            requested = preflight_headers(self.headers.get("Access-Control-Request-Headers"))
            self._answer(HTTPStatus.NO_CONTENT, None, b"", self._cors_headers() | requested)
        else:
            self.server.refuse_origin(origin)
            self._answer(HTTPStatus.FORBIDDEN, "text/plain", b"this origin is not allowed\n", self._cors_headers())

    def do_GET(self) -> None:
        store = self.server.store
        path = self._path
        if path == "/stats":
            self._answer_json(json.dumps(store.stats().as_dict()))
        elif path == "/traces":
            self._answer_json(json.dumps([summary._asdict() for summary in store.summaries()]))
        elif path.startswith("/traces/") and (spans := store.trace(path.removeprefix("/traces/"))):
            self._answer_json(spans_to_json(spans))
        elif path == TRACES_PATH:
            self._answer(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"use POST\n", {"Allow": "POST, OPTIONS"})
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"not found\n")

    def handle_expect_100(self) -> bool:
        # The interim answer must not wait in the buffer for the final one: the client waits for it.
        is_expected = super().handle_expect_100()
        self.wfile.flush()
        return is_expected

    def _read_body(self) -> bytes:
        if "Transfer-Encoding" in self.headers:
            raise Refusal(HTTPStatus.LENGTH_REQUIRED, "send Content-Length; chunked bodies are not read", close=True)
        stated = self.headers.get("Content-Length")
        if stated is None:
            raise Refusal(HTTPStatus.LENGTH_REQUIRED, "Content-Length is missing", close=True)
        if not (stated.isascii() and stated.isdigit()):
            raise Refusal(HTTPStatus.BAD_REQUEST, "Content-Length is not a number", close=True)
        length = int(stated)
        if length > MAX_BODY_BYTES:
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body may have {MAX_BODY_BYTES} bytes", close=True)
        body = self.rfile.read(length)
        if len(body) < length:
            raise Refusal(HTTPStatus.BAD_REQUEST, "the body ended early", close=True)
        return body

    @property
    def _path(self) -> str:
        return self.path.partition("?")[0]

    @property
    def _media_type(self) -> str:
        """That of the request's body, which is that of the answer too."""
        return str(self.headers.get("Content-Type", "")).partition(";")[0].strip().lower()

    def _cors_headers(self) -> dict[str, str]:
        return self.server.origins.headers(self.headers.get("Origin"))

    def _accept(self, body: bytes) -> bytes:
        """The answer to a request that was accepted, in the encoding of the request."""
        if self._path != TRACES_PATH:
            raise Refusal(HTTPStatus.NOT_FOUND, f"traces go to {TRACES_PATH}")
        media_type = self._media_type
        if media_type not in (PROTOBUF, JSON):
            raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Content-Type must be {PROTOBUF} or {JSON}")
        encoding = self.headers.get("Content-Encoding", "identity").strip().lower()
        data = decompress(body, encoding, MAX_JSON_BYTES if media_type == JSON else None)
        try:
            if media_type == JSON:
                return self._accept_json(data, len(body))
            self.server.intake.take_protobuf(data, transport="http", wire_bytes=len(body))
        except DecodeError as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, "the body is no ExportTraceServiceRequest") from error
        except OtlpJsonError as error:
            raise Refusal(HTTPStatus.BAD_REQUEST, str(error)) from error
        return _SUCCESS

    def _accept_json(self, data: bytes, wire_bytes: int) -> bytes:
        rejected, reason = self.server.intake.take_json(data, wire_bytes=wire_bytes)
        # As protobuf's JSON, 64-bit numbers are strings.
        partial = {"partialSuccess": {"rejectedSpans": str(rejected), "errorMessage": reason}} if rejected else {}
        return json.dumps(partial).encode()

    def _answer_refusal(self, refusal: Refusal) -> None:
        if refusal.close:
            self.close_connection = True
        if self._media_type == JSON:
            media_type, body = JSON, json.dumps({"message": refusal.reason}).encode()
        elif _RpcStatus is None:
            media_type, body = "text/plain; charset=utf-8", f"{refusal.reason}\n".encode()
        else:
            media_type, body = PROTOBUF, _RpcStatus(message=refusal.reason).SerializeToString()
        self._answer(refusal.status, media_type, body, self._cors_headers())

    def _answer_json(self, text: str) -> None:
        self._answer(HTTPStatus.OK, JSON, text.encode())

    def _answer(
        self, status: HTTPStatus, media_type: str | None, body: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        self.send_response(status)
        if media_type is not None:
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        logger.debug("%s " + format, self.address_string(), *args)
