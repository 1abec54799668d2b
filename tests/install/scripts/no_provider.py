"""What a package finds that asks whether a tracer provider is set, adds a processor to it, and then sets its own."""

from __future__ import annotations

import json

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import nanospan

found = trace.get_tracer_provider()
tracer = trace.get_tracer("early")
proxies = [isinstance(found, trace.ProxyTracerProvider), isinstance(tracer, trace.ProxyTracer)]
of_the_default, of_its_own = InMemorySpanExporter(), InMemorySpanExporter()
found.add_span_processor(SimpleSpanProcessor(of_the_default))
with tracer.start_as_current_span("before"):
    pass
report = nanospan.doctor(timeout=0.1)
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(of_its_own))
trace.set_tracer_provider(provider)
with tracer.start_as_current_span("after"), found.get_tracer("late").start_as_current_span("late"):
    tracer.start_span("started").end()


def names(exporter):
    return sorted(span.name for span in exporter.get_finished_spans())


print(
    json.dumps(
        {
            "proxies": proxies,
            "of the SDK": isinstance(found, TracerProvider),
            "default": names(of_the_default),
            "doctor": report.provider["class"],
            "unread": [finding.says for finding in report.findings if "nobody reads" in finding.says],
            "own": names(of_its_own),
            "is own": trace.get_tracer_provider() is provider,
        }
    )
)
