"""The embedded receiver: what it accepts and refuses, counts and keeps, in this process and in its own."""

from __future__ import annotations

import gzip
import http.client
import logging
import os
import signal
import socket
import ssl
import subprocess
import sys
import zlib
from collections.abc import Iterator

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1 import trace_pb2

from nanospan.receiver import Receiver, ReceiverProcess, http_body, server

PROTOBUF = {"Content-Type": "application/x-protobuf"}
TRACE = bytes(range(16))


def span(number: int, trace_id: bytes = TRACE, parent: bytes = b"", name: str = "work", **fields: object):
    return trace_pb2.Span(trace_id=trace_id, span_id=number.to_bytes(8), parent_span_id=parent, name=name, **fields)


def request(*spans: trace_pb2.Span, service: str = "shop") -> bytes:
    message = ExportTraceServiceRequest()
    resource_spans = message.resource_spans.add()
    resource_spans.resource.attributes.add(key="service.name").value.string_value = service
    scope_spans = resource_spans.scope_spans.add()
    scope_spans.scope.name = "scope"
    scope_spans.spans.extend(spans)
    return message.SerializeToString()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(grpc_port=None) as running:
        yield running


@pytest.fixture
def connection(receiver: Receiver) -> Iterator[http.client.HTTPConnection]:
    client = http.client.HTTPConnection("127.0.0.1", receiver.http_port, timeout=30)
    yield client
    client.close()


def post(client: http.client.HTTPConnection, body: bytes, path: str = "/v1/traces", **headers: str):
    client.request("POST", path, body, PROTOBUF | {name.replace("_", "-"): value for name, value in headers.items()})
    response = client.getresponse()
    return response, response.read()


class TestHttp:
    @pytest.mark.parametrize(
        ("encoding", "compress"), [("identity", bytes), ("gzip", gzip.compress), ("deflate", zlib.compress)]
    )
    def test_accepts_and_counts(self, receiver, connection, encoding, compress):
        body = request(span(1), span(2, name="x" * 500))
        sent = compress(body)
        response, answer = post(connection, sent, Content_Encoding=encoding)
        assert response.status == 200
        assert response.headers["Content-Type"] == "application/x-protobuf"
        assert ExportTraceServiceResponse.FromString(answer) == ExportTraceServiceResponse()
        stats = receiver.stats()
        assert (stats.spans, stats.batches, stats.http_batches, stats.grpc_batches) == (2, 1, 1, 0)
        assert (stats.bytes, stats.wire_bytes, stats.refused) == (len(body), len(sent), 0)
        assert 0 < stats.first_unix_nano <= stats.last_unix_nano

    def test_keeps_the_connection_even_after_a_refusal(self, receiver, connection):
        post(connection, request(span(1)))
        socket_used = connection.sock
        assert socket_used is not None
        assert post(connection, b"anything", path="/nowhere")[0].status == 404
        assert post(connection, b"\xff", Content_Encoding="identity")[0].status == 400
        assert post(connection, request(span(2)))[0].status == 200
        assert connection.sock is socket_used
        assert receiver.stats().spans == 2

    @pytest.mark.parametrize(
        ("path", "body", "headers", "status"),
        [
            ("/v1/metrics", request(span(1)), {}, 404),
            ("/v1/traces", b"<xml/>", {"Content_Type": "text/xml"}, 415),
            ("/v1/traces", request(span(1)), {"Content_Encoding": "br"}, 415),
            ("/v1/traces", b"\xff\xff\xff", {}, 400),
            ("/v1/traces", b"not gzip", {"Content_Encoding": "gzip"}, 400),
            ("/v1/traces", gzip.compress(request(span(1)))[:-9], {"Content_Encoding": "gzip"}, 400),
            ("/v1/traces", gzip.compress(request(span(1))) + b"more", {"Content_Encoding": "gzip"}, 400),
            ("/v1/traces", b"", {"Content_Length": "1000000000000"}, 413),
            ("/v1/traces", b"", {"Content_Length": "many"}, 400),
            ("/v1/traces", b"", {"Transfer_Encoding": "chunked"}, 411),
        ],
        ids=[
            "path",
            "xml",
            "brotli",
            "garbage",
            "not gzip",
            "gzip cut short",
            "gzip and more",
            "too long",
            "length in words",
            "chunked",
        ],
    )
    def test_refuses(self, receiver, connection, path, body, headers, status):
        response, _ = post(connection, body, path, **headers)
        assert response.status == status
        # With its body unread, the connection cannot be used again.
        left_unread = bool({"Content_Length", "Transfer_Encoding"} & headers.keys())
        assert (response.headers["Connection"] == "close") == left_unread
        assert receiver.stats().refused == 1
        assert receiver.stats().spans == 0

    def test_an_unpacked_body_is_bounded(self, receiver, connection, monkeypatch):
        monkeypatch.setattr(http_body, "MAX_DECODED_BYTES", 1000)
        bomb = gzip.compress(request(span(1, name="x" * 100_000)))
        assert post(connection, bomb, Content_Encoding="gzip")[0].status == 413
        assert receiver.stats().spans == 0

    def test_a_refusal_says_why(self, connection):
        status_pb2 = pytest.importorskip("google.rpc.status_pb2", reason="googleapis-common-protos is not installed")
        _, answer = post(connection, b"\xff")
        assert "ExportTraceServiceRequest" in status_pb2.Status.FromString(answer).message

    @pytest.mark.parametrize(("path", "status"), [("/v1/traces", 405), ("/", 404), ("/traces/zz", 404)])
    def test_get_elsewhere(self, connection, path, status):
        connection.request("GET", path)
        assert connection.getresponse().status == status

    def test_a_taken_port_is_named(self, receiver):
        with pytest.raises(OSError, match=f"127.0.0.1:{receiver.http_port}"):
            Receiver(http_port=receiver.http_port, grpc_port=None)

    def test_stop_closes_open_connections_and_the_port(self, connection):
        with Receiver(grpc_port=None) as short:
            client = http.client.HTTPConnection("127.0.0.1", short.http_port, timeout=30)
            post(client, request(span(1)))
        assert client.sock.recv(1) == b""
        client.close()
        short.stop()
        with pytest.raises(ConnectionRefusedError):
            post(client, request(span(1)))


class TestGrpc:
    METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

    @pytest.fixture
    def grpc(self):
        return pytest.importorskip("grpc", reason="grpcio is not installed")

    @pytest.fixture
    def both(self, grpc) -> Iterator[Receiver]:
        with Receiver() as running:
            yield running

    def export(self, grpc, receiver: Receiver, body: bytes, **options: object) -> bytes:
        with grpc.insecure_channel(f"127.0.0.1:{receiver.grpc_port}") as channel:
            return channel.unary_unary(self.METHOD)(body, timeout=60, **options)

    @pytest.mark.parametrize("compressed", [False, True])
    def test_accepts_and_counts(self, grpc, both, compressed):
        body = request(span(1), span(2))
        compression = grpc.Compression.Gzip if compressed else grpc.Compression.NoCompression
        answer = self.export(grpc, both, body, compression=compression)
        assert ExportTraceServiceResponse.FromString(answer) == ExportTraceServiceResponse()
        stats = both.stats()
        assert (stats.spans, stats.grpc_batches, stats.http_batches, stats.bytes) == (2, 1, 0, len(body))

    def test_refuses_garbage(self, grpc, both):
        with pytest.raises(grpc.RpcError) as caught:
            self.export(grpc, both, b"\xff\xff")
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert (both.stats().refused, both.stats().spans) == (1, 0)

    def test_a_taken_port_is_named_and_http_is_closed_again(self, both):
        with Receiver(grpc_port=None) as probe:
            free = probe.http_port
        with pytest.raises(OSError, match=f"127.0.0.1:{both.grpc_port}"):
            Receiver(http_port=free, grpc_port=both.grpc_port)
        Receiver(http_port=free, grpc_port=None).stop()

    def test_calls_to_the_http_port_are_counted_and_named(self, grpc, both, caplog):
        with grpc.insecure_channel(f"127.0.0.1:{both.http_port}") as channel, pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/any/method")(b"", timeout=30)
        assert "http1.x server" in caught.value.details()
        # grpcio connects again when it likes to; a second client that does not.
        counted = both.stats().wrong_protocol
        assert counted >= 1
        with socket.create_connection(("127.0.0.1", both.http_port), 30) as client:
            client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 400 ")
        assert both.stats().wrong_protocol > counted
        assert both.stats().refused == both.stats().wrong_protocol
        warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert warnings == [
            f"A client speaks gRPC to the OTLP/HTTP port {both.http_port}; gRPC is served at port {both.grpc_port}"
        ]

    def test_without_grpcio_http_works_and_the_log_says_how(self, monkeypatch, caplog):
        monkeypatch.setattr(server, "grpc_is_installed", lambda: False)
        with caplog.at_level(logging.WARNING), Receiver() as running:
            assert (running.grpc_port, running.endpoint_grpc) == (None, None)
            client = http.client.HTTPConnection("127.0.0.1", running.http_port, timeout=30)
            assert post(client, request(span(1)))[0].status == 200
            client.close()
        assert "nanospan[grpc]" in caplog.text


def test_tls_to_the_plaintext_port_is_counted_and_named(receiver, caplog):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with socket.create_connection(("127.0.0.1", receiver.http_port), 30) as plain, pytest.raises(ssl.SSLError) as caught:
        context.wrap_socket(plain, server_hostname="localhost")
    assert caught.value.reason == "WRONG_VERSION_NUMBER"
    assert receiver.stats().wrong_protocol == receiver.stats().refused == 1
    assert f"its endpoint must begin with http://127.0.0.1:{receiver.http_port}" in caplog.text


def test_grpc_to_a_receiver_without_it_is_told_so(receiver, caplog):
    with socket.create_connection(("127.0.0.1", receiver.http_port), 30) as client:
        client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 400 ")
    assert receiver.stats().wrong_protocol == 1
    assert "gRPC is off here" in caplog.text


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_the_official_exporters_deliver(protocol, monkeypatch):
    module = pytest.importorskip(
        f"opentelemetry.exporter.otlp.proto.{protocol}.trace_exporter",
        reason=f"opentelemetry-exporter-otlp-proto-{protocol} is not installed",
    )
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Receiver() as receiver:
        endpoint = receiver.endpoint_http if protocol == "http" else receiver.endpoint_grpc
        provider = TracerProvider(resource=Resource({"service.name": "shop"}))
        provider.add_span_processor(SimpleSpanProcessor(module.OTLPSpanExporter(endpoint=endpoint)))
        with provider.get_tracer("scope").start_as_current_span("root") as root:
            root.set_attribute("n", 1)
        provider.shutdown()
        (got,) = receiver.store.trace(f"{root.context.trace_id:032x}")
    assert (got.name, got.service, got.scope, got.attributes) == ("root", "shop", "scope", {"n": 1})
    assert (got.start_unix_nano, got.end_unix_nano) == (root.start_time, root.end_time)


class TestProcess:
    def test_counts_in_another_process(self):
        with ReceiverProcess(grpc_port=None) as process:
            assert process.pid != os.getpid()
            assert process.endpoint_http == f"http://127.0.0.1:{process.http_port}/v1/traces"
            assert process.endpoint_grpc is None
            client = http.client.HTTPConnection("127.0.0.1", process.http_port, timeout=30)
            post(client, request(span(1), span(2)))
            client.close()
            assert process.wait_for_spans(2, timeout=0)
            assert not process.wait_for_spans(3, timeout=0)
            assert (process.stats()["spans"], process.stats()["batches"]) == (2, 1)
            assert process.summaries() == []
            with pytest.raises(LookupError):
                process.trace(TRACE.hex())
        process.stop()
        with pytest.raises(OSError):
            process.stats()

    def test_hands_over_the_traces_it_keeps(self):
        with ReceiverProcess(count_only=False, grpc_port=None, max_traces=1) as process:
            client = http.client.HTTPConnection("127.0.0.1", process.http_port, timeout=30)
            post(client, request(span(1, b"o" * 16)))
            post(client, request(span(1, name="root"), span(2, parent=(1).to_bytes(8))))
            client.close()
            (summary,) = process.summaries()
            assert (summary.trace_id, summary.services) == (TRACE.hex(), ("shop",))
            assert [got.name for got in process.trace(TRACE.hex())] == ["root", "work"]

    def test_offers_grpc(self):
        grpc = pytest.importorskip("grpc", reason="grpcio is not installed")
        with ReceiverProcess() as process:
            assert process.endpoint_grpc == f"http://127.0.0.1:{process.grpc_port}"
            with grpc.insecure_channel(f"127.0.0.1:{process.grpc_port}") as channel:
                channel.unary_unary(TestGrpc.METHOD)(request(span(1)), timeout=60)
            assert process.stats()["grpc_batches"] == 1

    def test_a_taken_port_fails_at_once(self, receiver):
        with pytest.raises(RuntimeError, match="exit code 1"):
            ReceiverProcess(port=receiver.http_port, grpc_port=None)

    @pytest.mark.parametrize("ending", ["eof", "sigterm"])
    def test_ends_cleanly(self, ending):
        command = [sys.executable, "-m", "nanospan.receiver", "--no-grpc"]
        command += ["--exit-on-eof"] if ending == "eof" else []
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                assert b"http_port" in process.stdout.readline()
                if ending == "eof":
                    process.stdin.close()
                else:
                    process.send_signal(signal.SIGTERM)
                assert process.wait(60) == 0
                assert process.stderr.read() == b""
            finally:
                process.kill()
