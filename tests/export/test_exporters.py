"""What the exporters of both transports do: the request, the outcomes, arguments, shutdown."""

from __future__ import annotations

import inspect
import logging
import sys
import threading
from types import ModuleType
from typing import Any

import pytest
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from support.receivers import FAILED, WAIT, Batch, batch, levels
from support.transports import TRANSPORTS, Grpc, Http

from nanospan.export import EncodedSpanExporter, ExportOutcome


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> Http | Grpc:
    return TRANSPORTS[request.param]()


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A stand-in for the native encoder, so that this test needs no compiled module."""
    module = ModuleType("nanospan._native.encoding")
    module.encode_batch = lambda spans: batch(len(spans))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "nanospan._native.encoding", module)
    return module


def test_request_follows_the_specification(transport: Any, caplog: pytest.LogCaptureFixture) -> None:
    sent = batch(3)
    with transport.receiver() as receiver:
        assert transport.exporter(receiver).export_encoded(sent) == (3, 0, 0)
        assert transport.bodies(receiver) == [sent]
        agent = transport.headers(receiver)["user-agent"]
    assert agent.startswith("OTel-OTLP-Exporter-Python/")
    assert " nanospan/" in agent
    assert not levels(caplog)


def test_is_both_kinds_of_exporter(transport: Any) -> None:
    sender = transport.exporter_class()
    assert isinstance(sender, SpanExporter)
    assert isinstance(sender, EncodedSpanExporter)
    assert sender.force_flush() is True
    sender.shutdown()


def test_batch_may_be_a_buffer(transport: Any) -> None:
    class Buffer(bytearray):
        count = 2

        def split(self) -> Any:
            raise AssertionError("not asked to split")

    with transport.receiver() as receiver:
        assert transport.exporter(receiver).export_encoded(Buffer(batch(2))) == (2, 0, 0)
        assert receiver.span_names() == ["s0", "s1"]


def test_no_time_at_all_sends_nothing(transport: Any) -> None:
    with transport.receiver() as receiver:
        assert transport.exporter(receiver).export_encoded(batch(), timeout=0) == FAILED
        assert transport.exporter(receiver).export_encoded(batch(), timeout=-1) == FAILED
        assert not transport.bodies(receiver)


def test_shutdown_interrupts_a_waiting_retry(
    transport: Any, retry_waits: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    with transport.receiver(transport.wait_long) as receiver:
        sender = transport.exporter(receiver, timeout=36_000)
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
        assert sender.export([object()]) is SpanExportResult.FAILURE
        assert len(transport.bodies(receiver)) == 1
        assert levels(caplog) == [logging.WARNING]


def test_second_shutdown_only_warns(transport: Any, caplog: pytest.LogCaptureFixture) -> None:
    sender = transport.exporter_class()
    sender.shutdown()
    assert not levels(caplog)
    sender.shutdown()
    assert levels(caplog) == [logging.WARNING]


def test_export_of_spans(
    transport: Any, encoder: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    spans: list[Any] = [object(), object()]
    with transport.receiver(transport.accept, transport.reject_one, transport.refuse) as receiver:
        sender = transport.exporter(receiver)
        assert sender.export([]) is SpanExportResult.SUCCESS
        assert not transport.bodies(receiver), "nothing to send, nothing sent"
        assert sender.export(spans) is SpanExportResult.SUCCESS
        assert receiver.span_names() == ["s0", "s1"]
        assert sender.export(spans) is SpanExportResult.SUCCESS
        assert sender.export(spans) is SpanExportResult.FAILURE

        # The encoder leaves out what it cannot encode, and returns None when nothing is left.
        monkeypatch.setattr(encoder, "encode_batch", lambda spans: batch(1))
        caplog.clear()
        before = len(transport.bodies(receiver))
        assert sender.export(spans) is SpanExportResult.FAILURE
        assert "1 span was not delivered" in caplog.text
        assert "could not be encoded" in caplog.text
        monkeypatch.setattr(encoder, "encode_batch", lambda spans: None)
        assert sender.export(spans) is SpanExportResult.FAILURE

        def broken(spans: Any) -> Any:
            raise RuntimeError("no encoding today")

        monkeypatch.setattr(encoder, "encode_batch", broken)
        assert sender.export(spans) is SpanExportResult.FAILURE
        assert len(transport.bodies(receiver)) == before + 1
    assert "no encoding today" in caplog.text


# --- arguments --------------------------------------------------------------------------------------------------------

BOTH: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"timeout": -1}, ValueError, "timeout"),
    ({"timeout": "1"}, TypeError, "timeout"),
    ({"compression": "zstd"}, ValueError, "compression"),
    ({"headers": {"a": 1}}, TypeError, "headers"),
    ({"headers": {"a b": "x"}}, ValueError, "headers"),
    ({"headers": {"a": "x\r\ny"}}, ValueError, "headers"),
]
OWN: dict[str, list[tuple[dict[str, Any], type[Exception], str]]] = {
    "http": [
        ({"endpoint": "localhost:4318"}, ValueError, "endpoint"),
        ({"headers": "a=b"}, TypeError, "headers"),
        ({"headers": {"Content-Length": "1"}}, ValueError, "headers"),
        ({"max_request_size": 1.5}, TypeError, "max_request_size"),
        ({"endpoint": "https://c", "certificate_file": "/no/such"}, ValueError, "certificate_file"),
        ({"endpoint": "https://c", "client_key_file": __file__}, ValueError, "client_key_file"),
        ({"endpoint": "https://c", "certificate_file": __file__}, ValueError, "certificate_file"),
        ({"endpoint": "https://c", "client_certificate_file": __file__}, ValueError, "client_certificate_file"),
    ],
    "grpc": [
        ({"endpoint": "ftp://c"}, ValueError, "endpoint"),
        ({"endpoint": 4317}, TypeError, "endpoint"),
        ({"credentials": "pem"}, TypeError, "credentials"),
        ({"headers": {"a!": "x"}}, ValueError, "headers"),
        ({"headers": {"a-bin": "x"}}, ValueError, "headers"),
        ({"headers": {"a": "ä"}}, ValueError, "headers"),
        ({"channel_options": [1]}, TypeError, "channel_options"),
        ({"retryable_error_codes": ["UNAVAILABLE"]}, TypeError, "retryable_error_codes"),
    ],
}
REFUSED = [(name, *case) for name, own in OWN.items() for case in BOTH + own]


@pytest.mark.parametrize(("name", "arguments", "error", "named"), REFUSED)
def test_wrong_arguments_are_named(name: str, arguments: dict[str, Any], error: type[Exception], named: str) -> None:
    with pytest.raises(error, match=named):
        TRANSPORTS[name]().exporter_class(**arguments)


def test_arguments_are_those_of_the_official_exporter(transport: Any) -> None:
    official, left_out = transport.official()
    theirs = [name for name in inspect.signature(official.__init__).parameters if name not in left_out]
    assert list(inspect.signature(transport.exporter_class.__init__).parameters) == theirs


def test_a_broken_batch_does_not_raise(transport: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Batch):
        def split(self) -> tuple[Batch, Batch]:
            raise RuntimeError("cannot be split")

    with transport.receiver(transport.too_large) as receiver:
        assert transport.exporter(receiver).export_encoded(Broken(batch(4))) == (0, 0, 4)
    assert "cannot be split" in caplog.text
