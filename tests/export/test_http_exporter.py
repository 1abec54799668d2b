"""The HTTP exporter: what it sends, its arguments, its end."""

from __future__ import annotations

import logging
import sys
import threading
from types import ModuleType
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from support.receivers import (
    DONE,
    FAILED,
    WAIT,
    Batch,
    HttpReceiver,
    answer,
    batch,
    hang,
    levels,
    partial_success,
)

from nanospan.export import EncodedSpanExporter, ExportOutcome
from nanospan.export.http import Compression, OTLPSpanExporter


def exporter(receiver: HttpReceiver, **arguments: Any) -> OTLPSpanExporter:
    arguments.setdefault("timeout", WAIT)
    return OTLPSpanExporter(receiver.url, **arguments)


def test_request_as_the_specification_wants_it(caplog: pytest.LogCaptureFixture) -> None:
    with HttpReceiver() as receiver:
        sender = exporter(receiver)
        sent = batch(3)
        assert sender.export_encoded(sent) == (3, 0, 0)
        request = receiver.requests[0]
    assert request.line == "POST /v1/traces HTTP/1.1"
    assert request.headers["content-type"] == "application/x-protobuf"
    assert request.headers["content-length"] == str(len(sent))
    assert "transfer-encoding" not in request.headers
    assert "content-encoding" not in request.headers
    assert request.headers["user-agent"].startswith("OTel-OTLP-Exporter-Python/")
    assert " nanospan/" in request.headers["user-agent"]
    assert request.raw == sent
    assert not levels(caplog)


def test_is_both_kinds_of_exporter() -> None:
    sender = OTLPSpanExporter()
    assert isinstance(sender, SpanExporter)
    assert isinstance(sender, EncodedSpanExporter)
    assert sender.force_flush() is True


def test_batch_that_is_a_buffer_and_not_bytes() -> None:
    class Buffer(bytearray):
        count = 2

        def split(self) -> Any:
            raise AssertionError("not asked to split")

    with HttpReceiver() as receiver:
        assert exporter(receiver).export_encoded(Buffer(batch(2))) == (2, 0, 0)
        assert receiver.span_names() == ["s0", "s1"]
        assert "transfer-encoding" not in receiver.requests[0].headers


@pytest.mark.parametrize("method", [Compression.Gzip, Compression.Deflate, "gzip", "deflate"])
def test_compressed_body_decodes_to_the_same_request(method: Compression | str) -> None:
    sent = batch(50)
    with HttpReceiver() as receiver:
        assert exporter(receiver, compression=method).export_encoded(sent) == (50, 0, 0)
        request = receiver.requests[0]
    assert request.headers["content-encoding"] == getattr(method, "value", method)
    assert len(request.raw) < len(sent)
    assert request.body == sent


def test_headers_of_variable_and_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "user-agent=mine,api-key=environment,other=kept")
    with HttpReceiver() as receiver:
        exporter(receiver, headers={"API-Key": "argument"}).export_encoded(batch())
        headers = receiver.requests[0].headers
    assert (headers["user-agent"], headers["api-key"], headers["other"]) == ("mine", "argument", "kept")


def test_credentials_in_the_url_become_basic_auth(caplog: pytest.LogCaptureFixture) -> None:
    with HttpReceiver([answer(400)]) as receiver:
        url = receiver.url.replace("//", "//me:secret@") + "?token=secret"
        assert OTLPSpanExporter(url).export_encoded(batch()) == FAILED
        request = receiver.requests[0]
    assert request.headers["authorization"] == "Basic bWU6c2VjcmV0"
    assert "?token=secret" in request.line
    assert "secret" not in caplog.text
    assert "/v1/traces" in caplog.text


def test_timeout_of_the_call_bounds_the_exporters_own() -> None:
    with HttpReceiver([hang]) as receiver:
        assert exporter(receiver, timeout=3600).export_encoded(batch(), timeout=0.2) == FAILED
        assert exporter(receiver, timeout=0.2).export_encoded(batch(), timeout=3600) == FAILED
        assert exporter(receiver, timeout=0).export_encoded(batch(), timeout=0.2) == FAILED


def test_no_time_at_all_sends_nothing() -> None:
    with HttpReceiver() as receiver:
        assert exporter(receiver).export_encoded(batch(), timeout=0) == FAILED
        assert exporter(receiver).export_encoded(batch(), timeout=-1) == FAILED
        assert not receiver.requests


def test_max_request_size_splits_before_sending(caplog: pytest.LogCaptureFixture) -> None:
    with HttpReceiver() as receiver:
        sender = exporter(receiver, max_request_size=len(batch(2)) + 10)
        assert sender.export_encoded(batch(8)) == (8, 0, 0)
        assert len(receiver.requests) == 4
        assert sender.export_encoded(batch(1, size=1000)) == FAILED
        assert exporter(receiver, max_request_size=0).export_encoded(batch(1, size=1000)) == DONE
    assert "max_request_size" in caplog.text


def test_shutdown_interrupts_a_waiting_retry(
    retry_waits: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    with HttpReceiver([answer(503, Retry_After="3000")]) as receiver:
        sender = exporter(receiver, timeout=3600)
        outcomes: list[ExportOutcome] = []
        thread = threading.Thread(target=lambda: outcomes.append(sender.export_encoded(batch())))
        thread.start()
        assert retry_waits.wait(WAIT)
        sender.shutdown()
        thread.join(WAIT)
        assert outcomes == [FAILED]
        caplog.clear()
        assert sender.export_encoded(batch()) == FAILED
        assert sender.export_encoded(batch()) == FAILED
        assert sender.export([object()]) is SpanExportResult.FAILURE  # type: ignore[list-item]
        assert len(receiver.requests) == 1
        assert levels(caplog) == [logging.WARNING]


def test_second_shutdown_only_warns(caplog: pytest.LogCaptureFixture) -> None:
    sender = OTLPSpanExporter()
    sender.shutdown()
    assert not levels(caplog)
    sender.shutdown()
    assert levels(caplog) == [logging.WARNING]


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A stand-in for the native encoder, so that this test needs no compiled module."""
    module = ModuleType("nanospan._native.encoding.batch")
    module.encode_batch = lambda spans: batch(len(spans))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "nanospan._native.encoding.batch", module)
    return module


def test_export_of_spans(
    encoder: ModuleType, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    spans: list[Any] = [object(), object()]
    with HttpReceiver([answer(200), answer(200, partial_success(1, "")), answer(400)]) as receiver:
        sender = exporter(receiver)
        assert sender.export([]) is SpanExportResult.SUCCESS
        assert not receiver.requests, "nothing to send, nothing sent"
        assert sender.export(spans) is SpanExportResult.SUCCESS
        assert receiver.span_names() == ["s0", "s1"]
        assert sender.export(spans) is SpanExportResult.SUCCESS
        assert sender.export(spans) is SpanExportResult.FAILURE

        # The encoder leaves out what it cannot encode, and returns None when nothing is left.
        monkeypatch.setattr(encoder, "encode_batch", lambda spans: batch(1))
        caplog.clear()
        before = len(receiver.requests)
        assert sender.export(spans) is SpanExportResult.FAILURE
        assert "1 spans were not delivered" in caplog.text
        assert "could not be encoded" in caplog.text
        monkeypatch.setattr(encoder, "encode_batch", lambda spans: None)
        assert sender.export(spans) is SpanExportResult.FAILURE

        def broken(spans: Any) -> Any:
            raise RuntimeError("no encoding today")

        monkeypatch.setattr(encoder, "encode_batch", broken)
        assert sender.export(spans) is SpanExportResult.FAILURE
        assert len(receiver.requests) == before + 1
    assert "no encoding today" in caplog.text


def test_a_broken_batch_does_not_raise(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Batch):
        def split(self) -> tuple[Batch, Batch]:
            raise RuntimeError("cannot be split")

    with HttpReceiver([answer(413)]) as receiver:
        assert exporter(receiver).export_encoded(Broken(batch(4))) == (0, 0, 4)
    assert "cannot be split" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "error", "named"),
    [
        ({"endpoint": "localhost:4318"}, ValueError, "endpoint"),
        ({"timeout": -1}, ValueError, "timeout"),
        ({"timeout": "1"}, TypeError, "timeout"),
        ({"compression": "zstd"}, ValueError, "compression"),
        ({"headers": "a=b"}, TypeError, "headers"),
        ({"headers": {"a": 1}}, TypeError, "headers"),
        ({"headers": {"a b": "x"}}, ValueError, "headers"),
        ({"headers": {"a": "x\r\ny"}}, ValueError, "headers"),
        ({"headers": {"Content-Length": "1"}}, ValueError, "headers"),
        ({"max_request_size": -1}, ValueError, "max_request_size"),
        ({"max_request_size": 1.5}, TypeError, "max_request_size"),
        ({"endpoint": "https://c", "certificate_file": "/no/such"}, ValueError, "certificate_file"),
        ({"endpoint": "https://c", "client_key_file": __file__}, ValueError, "client_key_file"),
        ({"endpoint": "https://c", "certificate_file": __file__}, ValueError, "certificate_file"),
        (
            {"endpoint": "https://c", "client_certificate_file": __file__},
            ValueError,
            "client_certificate_file",
        ),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        OTLPSpanExporter(**arguments)


def test_arguments_are_those_of_the_official_exporter() -> None:
    official = pytest.importorskip(
        "opentelemetry.exporter.otlp.proto.http.trace_exporter",
        reason="opentelemetry-exporter-otlp-proto-http is not installed",
    )
    import inspect

    theirs = [
        name
        for name in inspect.signature(official.OTLPSpanExporter.__init__).parameters
        if name not in ("session", "_transport")
    ]
    assert list(inspect.signature(OTLPSpanExporter.__init__).parameters) == theirs
