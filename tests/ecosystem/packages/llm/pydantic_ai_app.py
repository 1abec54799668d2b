"""Pydantic AI with OpenTelemetry alone: an agent of its test model that calls a tool."""

from __future__ import annotations

import os

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import set_tracer_provider
from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(os.environ["DESTINATION"] + "/v1/traces")))
set_tracer_provider(provider)
Agent.instrument_all()
agent = Agent(TestModel(), name="helper", system_prompt="Be short.")


@agent.tool_plain
def weather(city: str) -> str:
    """The weather."""
    return f"fine in {city}"


def work() -> None:
    agent.run_sync("How is the weather?")


def finish() -> None:
    provider.force_flush()
