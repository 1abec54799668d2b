"""Phoenix: `register`, and its decorators."""

from __future__ import annotations

import os

from opentelemetry import trace
from phoenix.otel import register

provider = register(
    endpoint=os.environ["DESTINATION"] + "/v1/traces",
    protocol="http/protobuf",
    project_name="bird",
    batch=True,
    verbose=False,
)
tracer = provider.get_tracer("phoenix")


@tracer.tool
def search(text: str) -> str:
    """Searches."""
    return text.upper()


def work() -> None:
    with tracer.start_as_current_span("chain", openinference_span_kind="chain") as span:
        span.set_input("a question")
        span.set_attributes({f"key {number}": number for number in range(150)})
        search("rest")
        with trace.get_tracer("another").start_as_current_span("inner"):
            pass
        span.set_output("an answer")


def finish() -> None:
    provider.force_flush()
