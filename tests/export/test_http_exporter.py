"""What the HTTP exporter has of its own: headers, compression, timeouts, the bound of a request."""

from __future__ import annotations

from typing import Any

import pytest
from support.receivers import (
    DONE,
    FAILED,
    WAIT,
    Batch,
    HttpReceiver,
    answer,
    batch,
    hang,
)

from nanospan.export.http import Compression, OTLPSpanExporter


def exporter(receiver: HttpReceiver, **arguments: Any) -> OTLPSpanExporter:
    arguments.setdefault("timeout", WAIT)
    return OTLPSpanExporter(receiver.url, **arguments)


class Buffer(bytearray):
    count = 3


@pytest.mark.parametrize("kind", [Batch, Buffer])
def test_request_line_and_headers(kind: type[Any]) -> None:
    sent = kind(batch(3))
    with HttpReceiver() as receiver:
        assert exporter(receiver).export_encoded(sent) == (3, 0, 0)
        request = receiver.requests[0]
    assert request.line == "POST /v1/traces HTTP/1.1"
    assert request.headers["content-type"] == "application/x-protobuf"
    assert request.headers["content-length"] == str(len(sent))
    assert "transfer-encoding" not in request.headers
    assert "content-encoding" not in request.headers
    assert request.raw == sent


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


def test_max_request_size_splits_before_sending(caplog: pytest.LogCaptureFixture) -> None:
    with HttpReceiver() as receiver:
        sender = exporter(receiver, max_request_size=len(batch(2)) + 10)
        assert sender.export_encoded(batch(8)) == (8, 0, 0)
        assert len(receiver.requests) == 4
        assert sender.export_encoded(batch(1, size=1000)) == FAILED
        assert exporter(receiver, max_request_size=0).export_encoded(batch(1, size=1000)) == DONE
    assert "max_request_size" in caplog.text
