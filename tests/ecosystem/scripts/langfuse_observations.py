"""Langfuse: derives from the batch processor, with an exporter of its own, and adds it to the provider that it finds."""

from __future__ import annotations

import os

from implementation import report, substitute

substitute()

from langfuse import Langfuse, observe  # noqa: E402
from opentelemetry import trace  # noqa: E402
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: E402

exporter = OTLPSpanExporter(os.environ.pop("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))
client = Langfuse(public_key="public", secret_key="secret", base_url="http://127.0.0.1:9", span_exporter=exporter)


@observe()
def inner(number: int) -> int:
    return number + 1


@observe(as_type="agent")
def outer(number: int) -> int:
    return inner(number) * 2


result = outer(2)
with client.start_as_current_observation(name="generation", as_type="generation", model="m") as generation:
    generation.update(output="answer")
client.flush()
provider = trace.get_tracer_provider()
kinds = [
    f"{cls.__module__}.{cls.__qualname__}" for cls in type(provider._active_span_processor._span_processors[-1]).__mro__
]
report(provider, result=result, kinds=kinds)
