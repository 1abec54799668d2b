"""Google's Agent Development Kit: an agent with a tool, on a model of the program."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator

from google.adk.agents import Agent
from google.adk.models import BaseLlm, LlmRequest, LlmResponse
from google.adk.runners import InMemoryRunner
from google.genai import types
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import set_tracer_provider

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(os.environ["DESTINATION"] + "/v1/traces")))
set_tracer_provider(provider)


class Model(BaseLlm):
    """Calls the tool, and then answers."""

    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        last = llm_request.contents[-1].parts[-1]
        answer = types.Part.from_function_call(name="weather", args={"city": "Bern"})
        if last.function_response is not None:
            answer = types.Part.from_text(text="Fine.")
        yield LlmResponse(content=types.Content(role="model", parts=[answer]))


def weather(city: str) -> str:
    """The weather."""
    return f"fine in {city}"


async def run() -> None:
    runner = InMemoryRunner(Agent(name="helper", model=Model(model="m"), tools=[weather]), app_name="app")
    session = await runner.session_service.create_session(app_name="app", user_id="u-1")
    question = types.Content(role="user", parts=[types.Part.from_text(text="How is the weather?")])
    async for _ in runner.run_async(user_id="u-1", session_id=session.id, new_message=question):
        pass
    await runner.close()


def work() -> None:
    asyncio.run(run())


def finish() -> None:
    provider.force_flush()
