"""What is compared, and the span that it is compared on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Sampler

from nanospan.cli.demo.pipeline_cost_worker import ATTRIBUTES as TEN_ATTRIBUTES


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


def native_provider_class() -> type[TracerProvider]:
    """nanospan's TracerProvider; a call and no import, so that what needs none of it runs without."""
    import nanospan

    return nanospan.TracerProvider


def provider_with(
    *processors: SpanProcessor, kind: type[TracerProvider] = TracerProvider, sampler: Sampler = ALWAYS_ON
) -> TracerProvider:
    provider = kind(sampler=sampler, resource=Resource({"service.name": "benchmark"}), shutdown_on_exit=False)
    for processor in processors:
        provider.add_span_processor(processor)
    return provider


@dataclass(frozen=True, slots=True)
class Implementation:
    """A TracerProvider with the batch processor that belongs to it."""

    kind: Callable[[], type[TracerProvider]]
    processor: Callable[..., SpanProcessor]
    """Takes an OTLP/HTTP endpoint and settings, gives a live BatchSpanProcessor."""

    def provider(self, *processors: SpanProcessor, sampler: Sampler = ALWAYS_ON) -> TracerProvider:
        return provider_with(*processors, kind=self.kind(), sampler=sampler)


IMPLEMENTATIONS = {
    "stock": Implementation(lambda: TracerProvider, stock),
    "nanospan": Implementation(native_provider_class, nanospan),
    "fastotel": Implementation(lambda: TracerProvider, fastotel),
}


def _native(endpoint: str) -> TracerProvider:
    implementation = IMPLEMENTATIONS["nanospan"]
    return implementation.provider(implementation.processor(endpoint))


def _honeycomb(endpoint: str) -> Any:
    from common.honeycomb_provider import HoneycombProvider

    return HoneycombProvider(endpoint)


def _pacing(endpoint: str) -> Any:
    from common.null_tracing import NullProvider

    return NullProvider()


def _behind_stock(name: str) -> Callable[[str], TracerProvider]:
    return lambda endpoint: provider_with(CONTENDERS[name](endpoint))


PIPELINES: dict[str, Callable[[str], Any]] = {
    **{name: _behind_stock(name) for name in CONTENDERS},
    "nanospan_native": _native,
    "honeycomb": _honeycomb,
    "pacing": _pacing,
}
"""Whole pipelines by name, from provider to exporter. "floor" and "pacing" send nothing: they are what the stock span
object, and the loop with its pauses, cost by themselves."""

SENDING_NOTHING = ("floor", "pacing")
_PACKAGES = {"fastotel": "fastotel", "honeycomb": "honeycomb_pycpp"}


def missing_package(name: str) -> str | None:
    """The import name of the package that this contender needs and that is not installed."""
    package = _PACKAGES.get(name)
    return package if package is not None and find_spec(package) is None else None


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
