"""Sentry's span processor: makes transactions from the spans it sees start and end, beside another processor."""

from __future__ import annotations

import sentry_sdk
from implementation import BatchSpanProcessor, TracerProvider, report
from opentelemetry.trace import SpanKind, Status, StatusCode
from sentry_sdk.integrations.opentelemetry import SentrySpanProcessor

transactions = []


def keep(event, hint):
    otel = event["contexts"]["otel"]
    transactions.append(
        {
            "name": event["transaction"],
            "attributes": dict(otel["attributes"]),
            "service": otel["resource"]["service.name"],
            "status": event["contexts"]["trace"]["status"],
            "spans": [[span["op"], span["description"], span["data"].get("db.system")] for span in event["spans"]],
            "ordered": event["start_timestamp"] <= event["timestamp"],
        }
    )


sentry_sdk.init(
    dsn="http://public@127.0.0.1:9/1",
    instrumenter="otel",
    traces_sample_rate=1.0,
    before_send_transaction=keep,
    default_integrations=False,
)
provider = TracerProvider()
provider.add_span_processor(SentrySpanProcessor())
provider.add_span_processor(BatchSpanProcessor())
tracer = provider.get_tracer("sentry")
with tracer.start_as_current_span("request", kind=SpanKind.SERVER, attributes={"route": "/pay"}) as request:
    with tracer.start_as_current_span("query", attributes={"db.system": "sqlite", "db.statement": "SELECT 1"}):
        pass
    request.set_attribute("late", True)
    request.set_status(Status(StatusCode.ERROR, "no funds"))
provider.shutdown()
report(provider, transactions=transactions)
