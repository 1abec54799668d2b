"""Sentry's OTLP integration, with no provider of the application."""

from __future__ import annotations

import os

import sentry_sdk
from opentelemetry import trace
from sentry_sdk.integrations.otlp import OTLPIntegration

destination = os.environ["DESTINATION"]
sentry_sdk.init(
    dsn=destination.replace("//", "//public@") + "/1",
    default_integrations=False,
    integrations=[OTLPIntegration(collector_url=destination + "/v1/traces", capture_exceptions=True)],
)
tracer = trace.get_tracer("sentry")


def work() -> None:
    try:
        with tracer.start_as_current_span("escaped", attributes={"route": "/pay"}):
            with tracer.start_as_current_span("handled") as span:
                span.record_exception(KeyError("by hand"), {"extra": 1})
            raise ValueError("by the with statement")
    except ValueError:
        pass


def finish() -> None:
    trace.get_tracer_provider().force_flush()
    sentry_sdk.flush()
