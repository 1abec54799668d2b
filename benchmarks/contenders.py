"""What is compared, and the span that it is compared on."""

from __future__ import annotations

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from nanospan.cli.cost_worker import ATTRIBUTES as TEN_ATTRIBUTES


class NothingProcessor(SpanProcessor):
    """What remains is the span object itself: the floor of any processor."""


def stock(endpoint: str, **settings) -> SpanProcessor:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    return BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint), **settings)


def fastotel(endpoint: str, **settings) -> SpanProcessor:
    from fastotel import OTLPSpanProcessor

    return OTLPSpanProcessor(endpoint=endpoint, **settings)


def nanospan(endpoint: str, **settings) -> SpanProcessor:
    from nanospan import BatchSpanProcessor
    from nanospan.export.http import OTLPSpanExporter

    return BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint), **settings)


def floor(endpoint: str, **settings) -> SpanProcessor:
    return NothingProcessor()


CONTENDERS = {"stock": stock, "fastotel": fastotel, "nanospan": nanospan, "floor": floor}


def provider_with(*processors: SpanProcessor) -> TracerProvider:
    provider = TracerProvider(
        sampler=ALWAYS_ON, resource=Resource({"service.name": "benchmark"}), shutdown_on_exit=False
    )
    for processor in processors:
        provider.add_span_processor(processor)
    return provider


class Collecting(SpanProcessor):
    """Keeps the ended spans."""

    def __init__(self) -> None:
        self.spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.spans.append(span)


def ended_spans(count: int) -> list[ReadableSpan]:
    """Ten-attribute spans as the stock tracer hands them to processors."""
    collecting = Collecting()
    tracer = provider_with(collecting).get_tracer("benchmark", "1.0")
    for _ in range(count):
        tracer.start_span("GET /users/{id}", attributes=TEN_ATTRIBUTES).end()
    return collecting.spans
