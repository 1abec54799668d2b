"""OpenAI's agents, whose traces OpenInference's processor makes spans of."""

from __future__ import annotations

import asyncio
import os

from agents import Agent, OpenAIChatCompletionsModel, Runner, custom_span, trace
from openai import AsyncOpenAI
from openinference.instrumentation.openai_agents import OpenAIAgentsInstrumentor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(os.environ["DESTINATION"] + "/v1/traces")))
OpenAIAgentsInstrumentor().instrument(tracer_provider=provider)


async def run() -> None:
    client = AsyncOpenAI(base_url=os.environ["DESTINATION"] + "/v1", api_key="key", max_retries=0)
    agent = Agent(name="helper", instructions="Be short.", model=OpenAIChatCompletionsModel("m", client))
    with trace("flow"):
        await Runner.run(agent, "a question")
        with custom_span("mine", {"number": 1}):
            pass
    await client.close()


def work() -> None:
    asyncio.run(run())


def finish() -> None:
    provider.force_flush()
