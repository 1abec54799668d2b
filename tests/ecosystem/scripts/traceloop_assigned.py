"""Traceloop: assigns ``on_start`` and ``on_end`` on instances of processors, and unfreezes attributes to change them."""

from __future__ import annotations

import os

from implementation import CASE, BatchSpanProcessor, report, substitute

substitute()

from opentelemetry import trace  # noqa: E402
from opentelemetry.sdk.trace import SpanProcessor  # noqa: E402
from traceloop.sdk import Traceloop  # noqa: E402
from traceloop.sdk.decorators import task, workflow  # noqa: E402


class Notes(SpanProcessor):
    """Remembers what it is told, through the methods that the library finds on it."""

    def __init__(self) -> None:
        self.started = []

    def on_start(self, span, parent_context=None):
        self.started.append(span.name)


def redact(span):
    span._attributes["secret"] = "***"


notes = Notes()
options = {
    "one processor": lambda: {"processor": BatchSpanProcessor()},
    "two processors": lambda: {"processor": [notes, BatchSpanProcessor()]},
    "callback": lambda: {
        "api_endpoint": os.environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"].removesuffix("/v1/traces"),
        "span_postprocess_callback": redact,
    },
}[CASE]()
Traceloop.init(app_name="loop", api_key="key", telemetry_enabled=False, instruments=set(), **options)


@task(name="step")
def step(text: str) -> str:
    trace.get_current_span().set_attribute("secret", "hunter2")
    return text.upper()


@workflow(name="flow")
def flow(text: str) -> str:
    Traceloop.set_association_properties({"user": "u-1"})
    return step(text)


flow("rest")
provider = trace.get_tracer_provider()
provider.shutdown()
report(provider, started=notes.started)
