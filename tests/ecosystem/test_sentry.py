"""sentry-sdk: its patch of the SDK's span class, and its span processor."""

from __future__ import annotations

import pytest

EXPORTER = "opentelemetry-exporter-otlp-proto-http"


@pytest.mark.parametrize("case", ["provider of the application", "no provider"])
def test_exceptions_are_captured_and_spans_sent(program, case):
    found = program.run("sentry_otlp.py", "sentry-sdk", EXPORTER, case=case).report
    assert found["captured"] == ["'by hand'", "by the with statement", "by use_span"]
    assert found["carrier"] == found["expected"]

    spans = program.collector.spans(3)
    (event,) = spans["handled"].events
    assert event.name == "exception"
    assert event.attributes["exception.type"] == "KeyError"
    assert event.attributes["extra"] == 1
    for name, message in [("escaped", "by the with statement"), ("used", "by use_span")]:
        assert spans[name].status == "ERROR"
        (event,) = spans[name].events
        assert event.attributes["exception.message"] == message
        assert "Traceback" in event.attributes["exception.stacktrace"]


def test_the_span_processor_makes_transactions(program):
    (transaction,) = program.run("sentry_processor.py", "sentry-sdk", EXPORTER).report["transactions"]
    assert transaction["name"] == "request"
    assert transaction["attributes"] == {"route": "/pay", "late": True}
    assert transaction["service"].startswith("unknown_service")
    assert transaction["status"] != "ok"
    assert transaction["spans"] == [["db", "SELECT 1", "sqlite"]]
    assert transaction["ordered"] is True
    assert set(program.collector.spans(2)) == {"request", "query"}
