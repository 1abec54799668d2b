"""Logfire: wraps spans, borrows ``start_as_current_span``, rebuilds spans in its processors, samples by traces."""

from __future__ import annotations

import os

from implementation import CASE, BatchSpanProcessor, report, substitute

substitute()
# Otherwise it finds the endpoint in the environment and sends everything a second time.
os.environ["OTEL_TRACES_EXPORTER"] = "none"

import logfire  # noqa: E402
from logfire.sampling import SamplingOptions  # noqa: E402
from opentelemetry import trace  # noqa: E402
from opentelemetry.sdk.trace import Span  # noqa: E402

tail = SamplingOptions.level_or_duration(level_threshold="error", duration_threshold=None) if CASE == "tail" else None
logfire.configure(
    send_to_logfire=False,
    console=False,
    metrics=False,
    inspect_arguments=False,
    service_name="fire",
    sampling=tail,
    additional_span_processors=[BatchSpanProcessor()],
)

with logfire.span("outer {number}", number=3) as outer:
    logfire.info("hello", password="hunter2")
    with trace.get_tracer("third party").start_as_current_span("inner", attributes={"key": "value"}) as inner:
        inner.add_event("noted", {"where": "inside"})
        inner.update_name("renamed")
        borrowed = trace.get_current_span() is inner
        is_sdk_span = isinstance(inner.span, Span)

try:
    with logfire.span("fails"):
        raise ValueError("broken")
except ValueError:
    pass


@trace.get_tracer("decorators").start_as_current_span("decorated")
def decorated() -> None:
    trace.get_current_span().set_attribute("inside", True)


decorated()
provider = logfire.DEFAULT_LOGFIRE_INSTANCE.config.get_tracer_provider().provider
logfire.force_flush()
logfire.shutdown()
report(provider, borrowed=borrowed, is_sdk_span=is_sdk_span)
