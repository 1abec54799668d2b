"""Sentry's OTLP integration: patches ``Span.record_exception`` on the SDK's class and adds its own processor."""

from __future__ import annotations

import os

from implementation import CASE, TracerProvider, report, substitute

if CASE == "no provider":
    substitute()

import sentry_sdk
from opentelemetry import propagate, trace
from sentry_sdk.integrations.otlp import OTLPIntegration

if CASE != "no provider":
    trace.set_tracer_provider(TracerProvider())

captured = []


def keep(event, hint):
    captured.append(event["exception"]["values"][-1]["value"])


sentry_sdk.init(
    dsn="http://public@127.0.0.1:9/1",
    before_send=keep,
    default_integrations=False,
    integrations=[OTLPIntegration(collector_url=os.environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"], capture_exceptions=True)],
)
tracer = trace.get_tracer("sentry")
carrier = {}
with tracer.start_as_current_span("handled") as span:
    propagate.inject(carrier)
    context = span.get_span_context()
    span.record_exception(KeyError("by hand"), {"extra": 1})
try:
    with tracer.start_as_current_span("escaped"):
        raise ValueError("by the with statement")
except ValueError:
    pass
try:
    with trace.use_span(tracer.start_span("used"), end_on_exit=True):
        raise ValueError("by use_span")
except ValueError:
    pass

provider = trace.get_tracer_provider()
provider.shutdown()
report(
    provider,
    captured=captured,
    carrier=carrier["sentry-trace"],
    expected=f"{context.trace_id:032x}-{context.span_id:016x}-1",
)
