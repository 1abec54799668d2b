"""Sentry's span processor, which makes transactions of its own protocol."""

from __future__ import annotations

import os

import sentry_sdk
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, Status, StatusCode
from sentry_sdk.integrations.opentelemetry import SentrySpanProcessor

sentry_sdk.init(
    dsn=os.environ["DESTINATION"].replace("//", "//public@") + "/1",
    instrumenter="otel",
    traces_sample_rate=1.0,
    default_integrations=False,
)
provider = TracerProvider()
provider.add_span_processor(SentrySpanProcessor())
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("sentry")


def work() -> None:
    with tracer.start_as_current_span("request", kind=SpanKind.SERVER, attributes={"route": "/pay"}) as request:
        with tracer.start_as_current_span("query", attributes={"db.system": "sqlite", "db.statement": "SELECT 1"}):
            pass
        request.set_attribute("late", True)
        request.set_status(Status(StatusCode.ERROR, "no funds"))


def finish() -> None:
    sentry_sdk.flush()
