"""The two implementations that the parity suite is run over: the SDK's classes, and nanospan's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span, SpanProcessor, Tracer, TracerProvider
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

import nanospan

RESOURCE = Resource({"service.name": "parity", "numbers": [1, 2]})
CONTEXT = SpanContext(0x0123456789ABCDEF_0123456789ABCDEF, 0x0123456789ABCDEF, False, TraceFlags(1))
"""For spans that are made without a tracer."""


@dataclass(frozen=True)
class Implementation:
    """The classes of one implementation, and ways to make its objects with nothing taken from the environment."""

    name: str
    provider_class: type[TracerProvider]
    tracer_class: type[Tracer]
    span_class: type[Span]
    non_recording_class: type[NonRecordingSpan]

    @property
    def is_native(self) -> bool:
        return self.name != "stock"

    def provider(self, *processors: SpanProcessor, **arguments: Any) -> TracerProvider:
        """A provider with the processors added in turn; it is not shut down at exit unless asked to be."""
        provider = self.provider_class(**{"shutdown_on_exit": False, "resource": RESOURCE, **arguments})
        for processor in processors:
            provider.add_span_processor(processor)
        return provider

    def tracer(self, *processors: SpanProcessor, **arguments: Any) -> Tracer:
        """The tracer of a provider of its own."""
        return self.provider(*processors, **arguments).get_tracer("parity", "1.0")

    def span(self, name: str = "span", context: SpanContext = CONTEXT, **arguments: Any) -> Span:
        """A span made with the constructor and not started."""
        return self.span_class(name, context, **{"resource": RESOURCE, **arguments})

    def __str__(self) -> str:
        return self.name


STOCK = Implementation("stock", TracerProvider, Tracer, sdk._Span, NonRecordingSpan)


def native() -> Implementation | None:
    """nanospan's classes, or None where this build has none."""
    if not hasattr(nanospan, "TracerProvider"):
        return None
    return Implementation("native", nanospan.TracerProvider, nanospan.Tracer, nanospan.Span, nanospan.NonRecordingSpan)
