"""nanospan's samplers behind the SDK's own tracer: the same spans and contexts as with the SDK's samplers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace import sampling as sdk
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, set_span_in_context

from nanospan import sampling

LOW_64 = 2**64 - 1


class CountingIds(IdGenerator):
    """Trace ids that fall on both sides of one half, the same for every provider."""

    def __init__(self) -> None:
        self.trace, self.span = 0, 0

    def generate_span_id(self) -> int:
        self.span += 1
        return self.span

    def generate_trace_id(self) -> int:
        self.trace += 1
        return (self.trace << 64) | (self.trace * 0x9E3779B97F4A7C15 & LOW_64)


@pytest.mark.parametrize(
    "build",
    [
        lambda module: module.TraceIdRatioBased(0.5),
        lambda module: module.ParentBasedTraceIdRatio(0.5),
        lambda module: module.ParentBased(module.ALWAYS_OFF, module.ALWAYS_OFF, module.ALWAYS_ON),
        lambda module: module.StaticSampler(sdk.Decision.RECORD_ONLY),
        lambda module: module.DEFAULT_ON,
        lambda module: module.DEFAULT_OFF,
        lambda module: module.ALWAYS_OFF,
    ],
)
def test_through_the_sdk_tracer(build: Callable[[Any], Any]) -> None:
    def run(module: Any) -> list[tuple[Any, ...]]:
        exporter = InMemorySpanExporter()
        provider = TracerProvider(sampler=build(module), id_generator=CountingIds(), shutdown_on_exit=False)
        assert provider.sampler.__class__.__module__ == module.__name__
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        tracer = provider.get_tracer("test")
        seen: list[Any] = []

        def start_pair(context: Context | None) -> None:
            with tracer.start_as_current_span("outer", context, attributes={"a": 1}) as outer:  # noqa: SIM117
                with tracer.start_as_current_span("inner", attributes={"b": 2}) as inner:
                    for span in (outer, inner):
                        seen.append((span.get_span_context(), span.is_recording()))

        for number in range(20):
            start_pair(None)
            flags, state = TraceFlags(number % 4), TraceState([("vendor", str(number))])
            remote = SpanContext((1 << 64) | number << 60 | 1, 9, number % 3 > 0, flags, state)
            start_pair(set_span_in_context(NonRecordingSpan(remote), Context()))
        finished = exporter.get_finished_spans()
        return seen + [(s.name, s.context, s.parent, dict(s.attributes or {})) for s in finished]

    assert run(sampling) == run(sdk)
