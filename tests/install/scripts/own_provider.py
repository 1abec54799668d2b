"""A program with a provider, a processor and an exporter of its own, which it imported from the SDK."""

from __future__ import annotations

import sys

from opentelemetry import _logs, metrics, trace

# As an instrumentation, which gets its tracer before the program begins.
early = trace.get_tracer("instrumentation")
with early.start_as_current_span("before"):
    pass

from opentelemetry.sdk._logs import LoggerProvider  # noqa: E402
from opentelemetry.sdk.metrics import MeterProvider  # noqa: E402
from opentelemetry.sdk.resources import Resource  # noqa: E402
from opentelemetry.sdk.trace import TracerProvider  # noqa: E402
from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: E402
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: E402

exporter = InMemorySpanExporter()
provider = TracerProvider(resource=Resource({"service.name": "own"}))
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
assert trace.get_tracer_provider() is provider
with trace.get_tracer("program").start_as_current_span("outer"), early.start_as_current_span("inner"):
    pass
meters, loggers = MeterProvider(), LoggerProvider()
metrics.set_meter_provider(meters)
_logs.set_logger_provider(loggers)
assert metrics.get_meter_provider() is meters and _logs.get_logger_provider() is loggers
second = TracerProvider()
trace.set_tracer_provider(second)
assert trace.get_tracer_provider() is provider, "the second is refused, as ever"
print(
    type(provider).__module__,
    *(f"{span.name}:{span.resource.attributes['service.name']}" for span in exporter.get_finished_spans()),
)
sys.exit(7)
