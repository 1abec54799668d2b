"""OpenInference's instrumentation of OpenAI's client, with a provider of the application."""

from __future__ import annotations

import os
from contextlib import suppress

from openai import APIStatusError, OpenAI
from openinference.instrumentation import using_attributes
from openinference.instrumentation.openai import OpenAIInstrumentor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

provider = TracerProvider(resource=Resource.create({"service.name": "inference"}))
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(os.environ["DESTINATION"] + "/v1/traces")))
OpenAIInstrumentor().instrument(tracer_provider=provider)
client = OpenAI(base_url=os.environ["DESTINATION"] + "/v1", api_key="key", max_retries=0)


def work() -> None:
    message = {"role": "user", "content": "a question"}
    with using_attributes(session_id="s-7", metadata={"tier": 1}):
        client.chat.completions.create(model="m", messages=[message], temperature=0.5)
    for _ in client.chat.completions.create(model="m", messages=[message], stream=True):
        pass
    with suppress(APIStatusError):
        client.chat.completions.create(model="refused", messages=[message])


def finish() -> None:
    provider.force_flush()
