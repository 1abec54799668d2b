"""Scripted OTLP receivers: an HTTP server on a raw socket, a gRPC server, what they can answer, and batches to send.

The soak's receiver is built on `HttpServer` and `GrpcServer`. Nothing of nanospan is imported.
"""

from __future__ import annotations

import contextlib
import gzip
import socket
import ssl
import struct
import threading
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

if TYPE_CHECKING:
    import pytest

DONE = (1, 0, 0)
FAILED = (0, 0, 1)
"""The ``ExportOutcome`` of a batch of one span."""

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
    raw: bytes = b""

    @property
    def length(self) -> int:
        return int(self.headers.get("content-length", 0))

    @property
    def body(self) -> bytes:
        encoding = self.headers.get("content-encoding", "")
        if encoding == "gzip":
            return gzip.decompress(self.raw)
        return zlib.decompress(self.raw) if encoding == "deflate" else self.raw


class Step(Protocol):
    """What the server does with one request; returns whether the connection stays open."""

    def __call__(self, connection: socket.socket, server: HttpReceiver) -> bool: ...


def head(status: int, length: int, **headers: str) -> bytes:
    """The head of a response; underscores in the names of ``headers`` stand for hyphens."""
    lines = [f"HTTP/1.1 {status} Scripted", f"Content-Length: {length}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def reset_when_closed(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def answer(status: int, body: bytes = b"", *, close: bool = False, **headers: str) -> Step:
    """A well-formed response."""

    def step(connection: socket.socket, server: HttpReceiver) -> bool:
        connection.sendall(head(status, len(body), **headers) + body)
        # ``close`` without announcing it: the client is left with a stale connection.
        return not close

    return step


def hang(connection: socket.socket, server: HttpReceiver) -> bool:
    """Never answer; ends with the server."""
    server.stopping.wait(WAIT)
    return False


def when(told: threading.Event, status: int = 200) -> Step:
    """Answer after the test has said ``server.tell(told)``."""

    def step(connection: socket.socket, server: HttpReceiver) -> bool:
        server.wait_for(told.is_set)
        return answer(status)(connection, server)

    return step


def reset(connection: socket.socket, server: HttpReceiver) -> bool:
    """Break the connection after the request was read, without a word."""
    reset_when_closed(connection)
    return False


def reset_in_request(connection: socket.socket, server: HttpReceiver) -> bool:
    """Break the connection when half of the request's body has been read."""
    return reset(connection, server)


def reset_in_answer(status: int = 200) -> Step:
    """Send half of a response, then break the connection."""

    def step(connection: socket.socket, server: HttpReceiver) -> bool:
        connection.sendall(head(status, 1000) + b"half")
        return reset(connection, server)

    return step


def raw(text: bytes) -> Step:
    """Send these very bytes and close."""

    def step(connection: socket.socket, server: HttpReceiver) -> bool:
        connection.sendall(text)
        return False

    return step


class HttpServer:
    """A port of 127.0.0.1 that reads the heads of requests; a subclass reads the rest and answers, rightly or not."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.tls = tls
        self.port = 0
        self.connections = 0
        self.stopping = threading.Event()
        self._changed = threading.Condition()
        self._open: dict[threading.Thread, socket.socket] = {}
        self.listen()

    def serve(self, connection: socket.socket, stream: BinaryIO, request: Request) -> bool:
        """Read the body, of which nothing is read yet, and answer; returns whether the connection stays open."""
        raise NotImplementedError

    def listen(self) -> None:
        """Open the port: at first any free one, later the same one again."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self.port = self._listener.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept, args=(self._listener,), daemon=True)
        self._acceptor.start()

    def stop_listening(self) -> None:
        """Refuse new connections; those that are open stay so."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join(WAIT)
        self._listener.close()

    def close(self) -> None:
        self.stopping.set()
        self.stop_listening()
        with self._changed:
            threads = dict(self._open)
            for connection in threads.values():
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(WAIT)

    def wait_for_end_of_connections(self) -> None:
        """Wait until the clients have closed all connections."""
        with self._changed:
            threads = list(self._open)
        for thread in threads:
            thread.join(WAIT)
            assert not thread.is_alive(), "a connection is still open"

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._run, args=(connection, self.connections), daemon=True)
            with self._changed:
                self._open[thread] = connection
            thread.start()

    def _run(self, connection: socket.socket, number: int) -> None:
        try:
            # A client that breaks off is nothing to report: the tests look at what arrived before.
            with contextlib.suppress(OSError):
                if self.tls is not None:
                    connection = self.tls.wrap_socket(connection, server_side=True)
                with connection, connection.makefile("rb") as stream:
                    with self._changed:
                        self._open[threading.current_thread()] = connection
                    while (request := _read_head(stream, number)) and self.serve(connection, stream, request):
                        pass
        finally:
            with self._changed:
                del self._open[threading.current_thread()]


def _read_head(stream: BinaryIO, connection: int) -> Request | None:
    line = stream.readline().decode("latin-1").strip()
    if not line:
        return None
    headers: dict[str, str] = {}
    while header := stream.readline().decode("latin-1").strip():
        name, _, value = header.partition(":")
        headers[name.lower()] = value.strip()
    return Request(connection, line, headers)


class HttpReceiver(HttpServer):
    """Keeps the requests and answers them by the steps of ``script`` in turn, the last of them for ever."""

    def __init__(self, script: list[Step] | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.script = script or [answer(200)]
        self.requests: list[Request] = []
        super().__init__(tls)

    def __enter__(self) -> HttpReceiver:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/v1/traces"

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, WAIT), "the receiver did not see what the test waits for"

    def tell(self, told: threading.Event) -> None:
        """Let the step `when` of ``told`` answer."""
        with self._changed:
            told.set()
            self._changed.notify_all()

    def span_names(self) -> list[str]:
        return [name for request in self.requests for name in names(request.body)]

    def serve(self, connection: socket.socket, stream: BinaryIO, request: Request) -> bool:
        # The one step that is due before the body has been read.
        if self._next_step() is reset_in_request:
            stream.read(request.length // 2)
        else:
            request.raw = stream.read(request.length)
        with self._changed:
            step = self._next_step()
            self.requests.append(request)
            self._changed.notify_all()
        return step(connection, self)

    def _next_step(self) -> Step:
        return self.script[min(len(self.requests), len(self.script) - 1)]


def unused_port() -> int:
    """A port of 127.0.0.1 at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class GrpcServer:
    """A trace service on a port of 127.0.0.1; a subclass answers."""

    METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

    def __init__(
        self,
        *,
        workers: int = 4,
        credentials: Any | None = None,
        port: int = 0,
        options: Sequence[tuple[str, Any]] = (),
    ) -> None:
        self._workers, self._credentials, self._options = workers, credentials, options
        self.port = port
        self.stopping = threading.Event()
        self.listen()

    def export(self, body: bytes, context: Any) -> bytes:
        raise NotImplementedError

    def listen(self) -> None:
        """Open the port: at first the given one, or any free one, later the same one again."""
        from concurrent.futures import ThreadPoolExecutor

        import grpc

        options = [("grpc.so_reuseport", 0), *self._options]
        server = grpc.server(ThreadPoolExecutor(self._workers), options=options)
        handler = grpc.unary_unary_rpc_method_handler(self.export)
        service, method = self.METHOD.split("/")[1:]
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
        address = f"127.0.0.1:{self.port}"
        if self._credentials is None:
            self.port = server.add_insecure_port(address)
        else:
            self.port = server.add_secure_port(address, self._credentials)
        server.start()
        self._server = server

    def stop_listening(self, grace: float | None = None) -> None:
        """Close the port and all connections; calls under way may take ``grace`` seconds more."""
        self._server.stop(grace).wait(WAIT)

    def close(self, grace: float | None = None) -> None:
        self.stopping.set()
        self.stop_listening(grace)


class GrpcReceiver(GrpcServer):
    """Keeps the requests and answers by a script of functions ``(request, context) -> response``, in bytes."""

    def __init__(self, *script: Callable[[bytes, Any], bytes], **settings: Any) -> None:
        self.script = script or (lambda body, context: b"",)
        self.bodies: list[bytes] = []
        self.metadata: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        super().__init__(**settings)

    def __enter__(self) -> GrpcReceiver:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.port}"

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, WAIT), "the receiver did not see what the test waits for"

    def span_names(self) -> list[str]:
        return [name for body in self.bodies for name in names(body)]

    def export(self, body: bytes, context: Any) -> bytes:
        with self._changed:
            self.bodies.append(body)
            self.metadata.append(dict(context.invocation_metadata()))
            step = self.script[min(len(self.bodies), len(self.script)) - 1]
            self._changed.notify_all()
        return step(body, context)
