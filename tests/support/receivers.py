"""Receivers for the exporters' tests: a scripted HTTP server on a raw socket, a gRPC server, and batches to
send.
"""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import struct
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from nanospan.export import ExportOutcome

DONE = ExportOutcome(1, 0, 0)
FAILED = ExportOutcome(0, 0, 1)
"""What becomes of a batch of one span."""

WAIT = 60.0
"""Seconds for conditions that hold at once unless something is broken."""


class Batch(bytes):
    """An EncodedBatch in pure Python: one request with one resource and one scope."""

    @property
    def _spans(self) -> list[Any]:
        return list(ExportTraceServiceRequest.FromString(self).resource_spans[0].scope_spans[0].spans)

    @property
    def count(self) -> int:
        return len(self._spans)

    def split(self) -> tuple[Batch, Batch]:
        spans = self._spans
        assert len(spans) >= 2, "a batch of one cannot be split"
        middle = len(spans) // 2
        return _batch_of(spans[:middle]), _batch_of(spans[middle:])


def _batch_of(spans: Sequence[Any]) -> Batch:
    request = ExportTraceServiceRequest()
    request.resource_spans.add().scope_spans.add().spans.extend(spans)
    return Batch(request.SerializeToString())


def batch(count: int = 1, size: int = 0, large: Mapping[int, int] | None = None) -> Batch:
    """A batch of ``count`` spans called s0, s1, ..., each with ``size`` extra bytes, or those that ``large``
    gives it.
    """
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add().spans
    for number in range(count):
        spans.add(name=f"s{number}", trace_state="x" * (large or {}).get(number, size))
    return Batch(request.SerializeToString())


def names(body: bytes) -> list[str]:
    """The names of the spans in a request."""
    return [
        span.name
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def partial_success(rejected: int, message: str) -> bytes:
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = rejected
    answer.partial_success.error_message = message
    return answer.SerializeToString()


def levels(caplog: pytest.LogCaptureFixture) -> list[int]:
    """The levels of what nanospan has logged, in order."""
    return [record.levelno for record in caplog.records if record.name.startswith("nanospan")]


@dataclass
class Request:
    """One request as the server received it."""

    connection: int
    line: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> bytes:
        encoding = self.headers.get("content-encoding", "")
        if encoding == "gzip":
            return gzip.decompress(self.raw)
        return zlib.decompress(self.raw) if encoding == "deflate" else self.raw


class Step(Protocol):
    """What the server does with one request; returns whether the connection stays open."""

    def __call__(self, connection: socket.socket, server: HttpReceiver) -> bool: ...


def answer(status: int, body: bytes = b"", *, close: bool = False, **headers: str) -> Step:
    """A well-formed response; underscores in the names of ``headers`` stand for hyphens."""

    def step(connection: socket.socket, server: HttpReceiver) -> bool:
        lines = [f"HTTP/1.1 {status} Scripted", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body)
        # ``close`` without announcing it: the client is left with a stale connection.
        return not close

    return step


def hang(connection: socket.socket, server: HttpReceiver) -> bool:
    """Never answer; ends with the server."""
    server.stopping.wait(WAIT)
    return False


def reset(connection: socket.socket, server: HttpReceiver) -> bool:
    """Break the connection after the request was read, without a word."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def reset_in_answer(status: int = 200) -> Step:
    """Send half of a response, then break the connection."""

    def step(connection: socket.socket, server: HttpReceiver) -> bool:
        connection.sendall(f"HTTP/1.1 {status} Scripted\r\nContent-Length: 1000\r\n\r\nhalf".encode())
        return reset(connection, server)

    return step


def raw(text: bytes) -> Step:
    """Send these very bytes and close."""

    def step(connection: socket.socket, server: HttpReceiver) -> bool:
        connection.sendall(text)
        return False

    return step


@dataclass
class HttpReceiver:
    """Answers the requests it gets by the steps of ``script`` in turn, the last of them for ever."""

    script: list[Step] = field(default_factory=lambda: [answer(200)])
    tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self.stopping = threading.Event()
        self._changed = threading.Condition()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> HttpReceiver:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stopping.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(WAIT)
        self._listener.close()
        with self._changed:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(WAIT)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/v1/traces"

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, WAIT), "the receiver did not see what the test waits for"

    def span_names(self) -> list[str]:
        return [name for request in self.requests for name in names(request.body)]

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        # A client that breaks off is nothing to report: the tests look at what arrived before.
        with contextlib.suppress(OSError):
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb") as stream, self._until_closed(connection):
                while self._one(connection, stream, number):
                    pass

    @contextlib.contextmanager
    def _until_closed(self, connection: socket.socket) -> Iterator[None]:
        """So long, the end of the receiver ends the connection."""
        with self._changed:
            self._open.add(connection)
        try:
            yield
        finally:
            with self._changed:
                self._open.discard(connection)

    def _one(self, connection: socket.socket, stream: Any, number: int) -> bool:
        line = stream.readline().decode("latin-1").strip()
        if not line:
            return False
        headers: dict[str, str] = {}
        while header := stream.readline().decode("latin-1").strip():
            name, _, value = header.partition(":")
            headers[name.lower()] = value.strip()
        request = Request(number, line, headers, stream.read(int(headers.get("content-length", 0))))
        with self._changed:
            self.requests.append(request)
            step = self.script[min(len(self.requests), len(self.script)) - 1]
            self._changed.notify_all()
        return step(connection, self)


def unused_port() -> int:
    """A port of 127.0.0.1 at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class GrpcReceiver:
    """A trace service that answers by a script of functions ``(request, context) -> response``, in bytes."""

    METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

    def __init__(
        self,
        *script: Callable[[bytes, Any], bytes],
        credentials: Any | None = None,
        port: int = 0,
        options: Sequence[tuple[str, Any]] = (),
    ) -> None:
        from concurrent.futures import ThreadPoolExecutor

        import grpc

        self.script = script or (lambda body, context: b"",)
        self.bodies: list[bytes] = []
        self.metadata: list[dict[str, Any]] = []
        self.stopping = threading.Event()
        self._changed = threading.Condition()
        self._server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0), *options])
        handler = grpc.unary_unary_rpc_method_handler(self._export)
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(self.METHOD.split("/")[1], {"Export": handler}),)
        )
        address = f"127.0.0.1:{port}"
        self.port = (
            self._server.add_insecure_port(address)
            if credentials is None
            else self._server.add_secure_port(address, credentials)
        )
        self._server.start()

    def __enter__(self) -> GrpcReceiver:
        return self

    def __exit__(self, *exc: object) -> None:
        self.stopping.set()
        self._server.stop(None).wait(WAIT)

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, WAIT), "the receiver did not see what the test waits for"

    def span_names(self) -> list[str]:
        return [name for body in self.bodies for name in names(body)]

    def _export(self, body: bytes, context: Any) -> bytes:
        with self._changed:
            self.bodies.append(body)
            self.metadata.append(dict(context.invocation_metadata()))
            step = self.script[min(len(self.bodies), len(self.script)) - 1]
            self._changed.notify_all()
        return step(body, context)
