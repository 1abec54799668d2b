"""What the tests of head samplers share: contexts to ask about, and every way of asking."""

from __future__ import annotations

from typing import Any

from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, set_span_in_context

import nanospan

LIMIT = 2**56
HIGH, LOW = 0xABCD << 64 | (LIMIT - 1), 0xABCD << 64 | 1
"""Trace ids that every threshold keeps, and that none but 0 keeps."""
KEPT, DROPPED = Decision.RECORD_AND_SAMPLE, Decision.DROP


def context_of(
    trace_id: int, state: TraceState | None = None, *, remote: bool = True, sampled: bool = True, random: bool = True
) -> Context:
    flags = TraceFlags((1 if sampled else 0) | (2 if random else 0))
    return set_span_in_context(NonRecordingSpan(SpanContext(trace_id, 7, remote, flags, state)), Context())


def decided(sampler: Any, trace_id: int, context: Context | None = None, **more: Any) -> tuple[Decision, dict[str, str]]:
    """The decision, and the members of the trace state in their order."""
    result = sampler.should_sample(Context() if context is None else context, trace_id, "span", **more)
    return result.decision, dict(result.trace_state or {})


class Proxy:
    """Of a tracer, as libraries use it: nanospan starts its spans the general way."""

    def __init__(self, tracer: Any) -> None:
        self._tracer = tracer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tracer, name)


def by_tracers(sampler: Any, context: Context, **settings: Any) -> list[tuple[bool, list[tuple[str, str]]]]:
    """Flag and trace state of a span started by the SDK's tracer, by nanospan's, and by the latter's general way."""
    seen = []
    for kind in (TracerProvider, nanospan.TracerProvider):
        tracer = kind(sampler=sampler, shutdown_on_exit=False, **settings).get_tracer("test")
        spans = [tracer.start_span("span", context)]
        if kind is nanospan.TracerProvider:
            spans.append(nanospan.Tracer.start_span(Proxy(tracer), "span", context))
        for span in spans:
            own = span.get_span_context()
            seen.append((own.trace_flags.sampled, list(own.trace_state.items())))
    return seen


class CountingIds(IdGenerator):
    """Ids that are not random, and say so as the SDK's base class does."""

    def __init__(self) -> None:
        self.last = 0

    def generate_trace_id(self) -> int:
        self.last += 1
        return self.last

    def generate_span_id(self) -> int:
        self.last += 1
        return self.last
