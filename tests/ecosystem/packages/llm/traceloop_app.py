"""OpenLLMetry: `Traceloop.init`, and its decorators."""

from __future__ import annotations

import os

from opentelemetry import trace
from traceloop.sdk import Traceloop
from traceloop.sdk.decorators import task, workflow

Traceloop.init(
    app_name="loop",
    api_endpoint=os.environ["DESTINATION"],
    api_key="key",
    telemetry_enabled=False,
    instruments=set(),
    disable_batch=False,
)


@task(name="step")
def step(text: str) -> str:
    trace.get_current_span().set_attribute("text", text)
    return text.upper()


@workflow(name="flow")
def flow(text: str) -> str:
    Traceloop.set_association_properties({"user": "u-1"})
    return step(text)


def work() -> None:
    flow("rest")


def finish() -> None:
    trace.get_tracer_provider().force_flush()
