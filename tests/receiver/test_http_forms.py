"""The forms of requests over HTTP besides protobuf: JSON, zstd, and those that browsers make."""

from __future__ import annotations

import gzip
import http.client
import importlib
import json
import logging
import subprocess
import sys
import zlib
from collections.abc import Iterator
from contextlib import closing
from typing import ClassVar

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from nanospan.receiver import Receiver, http_body

JSON = {"Content-Type": "application/json; charset=utf-8"}
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
LOCAL = "http://localhost:3000"


def body(*names: str, **changed: object) -> bytes:
    spans = [{"traceId": TRACE, "spanId": SPAN, "name": name, "kind": 2} | changed for name in names]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).encode()


def protobuf(*names: str) -> bytes:
    message = ExportTraceServiceRequest()
    spans = message.resource_spans.add().scope_spans.add().spans
    for name in names:
        spans.add(name=name)
    return message.SerializeToString()


def to(receiver: Receiver) -> closing[http.client.HTTPConnection]:
    return closing(http.client.HTTPConnection("127.0.0.1", receiver.http_port, timeout=30))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(grpc_port=None) as running:
        yield running


@pytest.fixture
def client(receiver: Receiver) -> Iterator[http.client.HTTPConnection]:
    with to(receiver) as connection:
        yield connection


def ask(client: http.client.HTTPConnection, method: str, sent: bytes | None = None, **headers: str):
    client.request(method, "/v1/traces", sent, {name.replace("_", "-"): value for name, value in headers.items()})
    response = client.getresponse()
    return response, response.read()


class TestJson:
    @pytest.mark.parametrize(
        ("encoding", "compress"), [("identity", bytes), ("gzip", gzip.compress), ("deflate", zlib.compress)]
    )
    def test_is_accepted_and_answered_in_kind(self, receiver, client, encoding, compress):
        sent = compress(body("one"))
        response, answer = ask(client, "POST", sent, **JSON, Content_Encoding=encoding)
        assert (response.status, response.headers["Content-Type"], answer) == (200, "application/json", b"{}")
        (span,) = receiver.store.trace(TRACE)
        assert (span.name, span.span_id, span.kind) == ("one", SPAN, "SERVER")
        assert (receiver.stats().bytes, receiver.stats().wire_bytes) == (len(body("one")), len(sent))

    def test_a_partial_success_counts_and_says_what_was_rejected(self, receiver, client):
        mixed = json.loads(body("good", "bad", "bad"))
        for span in mixed["resourceSpans"][0]["scopeSpans"][0]["spans"][1:]:
            span["traceId"] = "CvdlGRbNQ92ESOshHIAxnA=="
        response, answer = ask(client, "POST", json.dumps(mixed).encode(), **JSON)
        assert response.status == 200
        partial = json.loads(answer)["partialSuccess"]
        assert partial["rejectedSpans"] == "2"
        assert "traceId must be 32 hexadecimal digits" in partial["errorMessage"]
        assert (receiver.stats().spans, receiver.stats().rejected, receiver.stats().refused) == (1, 2, 0)

    @pytest.mark.parametrize("bad", [b"", b"{", b"[]", b'{"resourceSpans": 3}'])
    def test_a_refusal_is_a_status_in_json(self, receiver, client, bad):
        response, answer = ask(client, "POST", bad, **JSON)
        assert (response.status, response.headers["Content-Type"]) == (400, "application/json")
        assert json.loads(answer)["message"].startswith("the body ")
        assert (receiver.stats().refused, receiver.stats().batches) == (1, 0)
        assert ask(client, "POST", body("next"), **JSON)[0].status == 200

    def test_has_a_bound_of_its_own(self, receiver, client, monkeypatch):
        monkeypatch.setattr("nanospan.receiver.http_server.MAX_JSON_BYTES", 1000)
        assert ask(client, "POST", gzip.compress(body("x" * 1000)), **JSON, Content_Encoding="gzip")[0].status == 413
        assert ask(client, "POST", body("x" * 1000), **JSON)[0].status == 413
        assert receiver.stats().spans == 0

    def test_who_listens_gets_protobuf(self):
        heard: list[tuple[bytes, int]] = []
        with Receiver(grpc_port=None, on_request=lambda *request: heard.append(request)) as receiver, to(receiver) as client:
            ask(client, "POST", body("one", "two"), **JSON)
            ask(client, "POST", protobuf("three"), Content_Type="application/x-protobuf")
            ask(client, "POST", protobuf(), Content_Type="application/x-protobuf")
            ask(client, "POST", b"\xff", Content_Type="application/x-protobuf")
        names = [
            [span.name for span in ExportTraceServiceRequest.FromString(got).resource_spans[0].scope_spans[0].spans]
            for got, _ in heard
        ]
        assert names == [["one", "two"], ["three"]]
        assert [spans for _, spans in heard] == [2, 1]


ZSTD = ["compression.zstd", "backports.zstd", "zstandard"]


class TestZstd:
    @pytest.fixture(params=ZSTD)
    def compress(self, request, monkeypatch):
        """With this library alone."""
        module = pytest.importorskip(request.param, reason=f"{request.param} is not installed", exc_type=ImportError)
        real = http_body._import
        monkeypatch.setattr(http_body, "_import", lambda name: real(name) if name == request.param else None)
        return module.compress

    def test_is_accepted(self, receiver, client, compress):
        # Over several of the pieces in which it is unpacked, and several blocks of zstd.
        sent = compress(body(*(f"{number:032x}" for number in range(10_000))))
        assert len(sent) > 10 * http_body._ZSTD_PIECE_BYTES
        assert ask(client, "POST", sent, **JSON, Content_Encoding="zstd")[0].status == 200
        assert receiver.stats().spans == 10_000

    def test_an_unpacked_body_is_bounded(self, client, compress, monkeypatch):
        sent = protobuf("x" * 100_000)
        for bound, status in ((len(sent) - 1, 413), (len(sent), 200)):
            monkeypatch.setattr(http_body, "MAX_DECODED_BYTES", bound)
            response, _ = ask(client, "POST", compress(sent), Content_Type="application/x-protobuf", Content_Encoding="zstd")
            assert response.status == status

    @pytest.mark.parametrize(
        "damage", [lambda sent: b"none", lambda sent: sent[:-3], lambda sent: sent + b"more", lambda sent: b""]
    )
    def test_what_is_not_one_whole_stream_is_refused(self, client, compress, damage):
        sent = damage(compress(protobuf("one")))
        response, _ = ask(client, "POST", sent, Content_Type="application/x-protobuf", Content_Encoding="zstd")
        assert response.status == 400

    def test_without_a_library_the_answer_says_what_to_install(self, client, monkeypatch):
        real = importlib.import_module

        def without_zstd(name: str):
            if name in ZSTD:
                raise ModuleNotFoundError(name)
            return real(name)

        monkeypatch.setattr(importlib, "import_module", without_zstd)
        response, answer = ask(client, "POST", b"x", **JSON, Content_Encoding="zstd")
        assert response.status == 415
        assert "pip install backports.zstd" in json.loads(answer)["message"]


class TestBrowsers:
    PREFLIGHT: ClassVar = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "content-type,x-team"}

    @pytest.mark.parametrize(
        ("origins", "origin", "allowed"),
        [
            (None, LOCAL, True),
            (None, "https://127.0.0.1", True),
            (None, "http://[::1]:8080", True),
            (None, "http://localhost.example.com", False),
            (None, "http://example.com", False),
            (None, "null", False),
            (["https://app.example.com"], "https://app.example.com", True),
            (["https://app.example.com"], "https://app.example.com:444", False),
            (["https://app.example.com"], LOCAL, False),
            (["https://*.example.com"], "https://a.b.example.com", True),
            (["https://*.example.com"], "https://evil.com/.example.com", False),
            (["*"], "null", True),
        ],
    )
    def test_a_preflight_permits_the_allowed_origins(self, origins, origin, allowed):
        options = {} if origins is None else {"cors_origins": origins}
        with Receiver(grpc_port=None, **options) as receiver, to(receiver) as client:
            preflight, _ = ask(client, "OPTIONS", Origin=origin, **self.PREFLIGHT)
            real, _ = ask(client, "POST", body("one"), **JSON, Origin=origin)
        assert preflight.status == (204 if allowed else 403)
        expected = origin if allowed else None
        assert preflight.headers["Access-Control-Allow-Origin"] == expected
        assert preflight.headers["Access-Control-Allow-Methods"] == ("POST" if allowed else None)
        assert preflight.headers["Access-Control-Allow-Headers"] == ("content-type,x-team" if allowed else None)
        # A browser that asked does not send; whoever sends all the same is no browser.
        assert (real.status, real.headers["Access-Control-Allow-Origin"]) == (200, expected)
        assert preflight.headers["Vary"] == real.headers["Vary"] == "Origin"

    def test_a_page_can_read_why_it_was_refused(self, client):
        response, _ = ask(client, "POST", b"{", **JSON, Origin=LOCAL)
        assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (400, LOCAL)

    def test_traces_are_not_for_other_pages_to_read(self, client):
        client.request("GET", "/traces", headers={"Origin": LOCAL})
        assert client.getresponse().headers["Access-Control-Allow-Origin"] is None

    def test_a_refused_origin_is_named_once(self, client, caplog):
        with caplog.at_level(logging.WARNING):
            for _ in range(2):
                ask(client, "OPTIONS", Origin="http://example.com", **self.PREFLIGHT)
        (line,) = [record.getMessage() for record in caplog.records]
        assert "'http://example.com'" in line
        assert "--cors-origin" in line

    def test_without_an_origin_it_names_the_methods(self, client):
        response, _ = ask(client, "OPTIONS")
        assert (response.status, response.headers["Allow"]) == (204, "POST, OPTIONS")

    @pytest.mark.parametrize(
        "origin", ["", "example.com", "http://", "http://example.com/", "http://a b", "http://a/*", "**"]
    )
    def test_what_is_no_origin_is_refused(self, origin):
        with pytest.raises(ValueError, match="is no origin: write scheme://host"):
            Receiver(grpc_port=None, cors_origins=[origin])


def test_a_taken_grpc_port_is_said_once_and_with_its_cause():
    pytest.importorskip("grpc", reason="grpcio is not installed")
    with Receiver() as receiver:
        command = [sys.executable, "-m", "nanospan.receiver", "--grpc-port", str(receiver.grpc_port)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line == f"nanospan.receiver: cannot listen on 127.0.0.1:{receiver.grpc_port}: Address already in use"
