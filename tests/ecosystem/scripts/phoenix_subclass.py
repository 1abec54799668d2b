"""Phoenix: derives from the provider's class, passes arguments on, and exchanges processors under its lock."""

from __future__ import annotations

import os

from implementation import CASE, BatchSpanProcessor, report, substitute

substitute()

from opentelemetry import trace  # noqa: E402
from opentelemetry.sdk.resources import Resource  # noqa: E402
from opentelemetry.sdk.trace.sampling import ALWAYS_ON  # noqa: E402
from phoenix.otel import PROJECT_NAME, TracerProvider, register  # noqa: E402

endpoint = os.environ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"]
if CASE == "constructed":
    resource = Resource.create({PROJECT_NAME: "bird"})
    provider = TracerProvider(ALWAYS_ON, resource, False, endpoint=endpoint, protocol="http/protobuf")
    trace.set_tracer_provider(provider)
else:
    provider = register(
        endpoint=endpoint,
        protocol="http/protobuf",
        project_name="bird",
        batch=CASE != "simple",
        sampler=ALWAYS_ON,
        shutdown_on_exit=False,
    )
first = provider._active_span_processor._span_processors
if CASE == "replaced":
    provider.add_span_processor(BatchSpanProcessor())
second = provider._active_span_processor._span_processors

tracer = provider.get_tracer("phoenix")
with tracer.start_as_current_span("outer", openinference_span_kind="chain") as span:
    span.set_output("done")
    span.set_attributes({f"key {number}": number for number in range(300)})
    with trace.get_tracer("api").start_as_current_span("inner"):
        pass
provider.shutdown()
report(
    provider,
    processors=[len(first), len(second)],
    replaced=first != second,
    sampler=provider.sampler is ALWAYS_ON,
    is_global=trace.get_tracer_provider() is provider,
)
