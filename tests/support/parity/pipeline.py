"""Foreign samplers, processors, id generators and exporters: what applications bring along, made to be watched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, sampling
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, get_current_span
from opentelemetry.trace.span import TraceState
from support.accounting import spans_in

import nanospan
from nanospan import sampling as nanospan_sampling
from nanospan._compat.stock import AlwaysRecordSampler
from nanospan.export import EncodedBatch, ExportOutcome

# --- samplers ---------------------------------------------------------------------------------------------------------


class Foreign(Sampler):
    """Decides as told; adds an attribute, and a member to the parent's tracestate."""

    def __init__(self, decision: Decision, echo: bool = True) -> None:
        self._decision = decision
        self._echo = echo

    # Names of its own and no seventh argument: third-party samplers look like this.
    def should_sample(self, context, identifier, span_name, span_kind=None, given=None, span_links=None):
        state = get_current_span(context).get_span_context().trace_state or TraceState()
        attributes = dict(given or {}) if self._echo else {}
        attributes["sampler.saw"] = len(span_links or ())
        return SamplingResult(self._decision, attributes, state.update("foreign", str(len(attributes))))

    def get_description(self) -> str:
        return "Foreign"


class Alternating(Sampler):
    """RECORD_AND_SAMPLE, RECORD_ONLY and DROP in turn, with no tracestate."""

    def __init__(self) -> None:
        self._calls = 0

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Any = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        self._calls += 1
        decision = (Decision.RECORD_AND_SAMPLE, Decision.RECORD_ONLY, Decision.DROP)[self._calls % 3]
        return SamplingResult(decision, attributes)

    def get_description(self) -> str:
        return "Alternating"


SAMPLERS = {
    "default": lambda: None,
    "on": lambda: sampling.ALWAYS_ON,
    "off": lambda: sampling.ALWAYS_OFF,
    "parent on": lambda: sampling.ParentBased(sampling.ALWAYS_ON),
    "parent off": lambda: sampling.ParentBased(sampling.ALWAYS_OFF),
    "ratio": lambda: sampling.TraceIdRatioBased(0.5),
    "parent ratio": lambda: sampling.ParentBasedTraceIdRatio(0.5),
    "nanospan on": lambda: nanospan_sampling.ALWAYS_ON,
    "nanospan off": lambda: nanospan_sampling.ALWAYS_OFF,
    "nanospan parent": lambda: nanospan_sampling.DEFAULT_ON,
    "nanospan ratio": lambda: nanospan_sampling.ParentBasedTraceIdRatio(0.5),
    "foreign": lambda: Foreign(Decision.RECORD_AND_SAMPLE),
    "foreign, forgetful": lambda: Foreign(Decision.RECORD_AND_SAMPLE, echo=False),
    "foreign parent": lambda: sampling.ParentBased(Alternating()),
    "record only": lambda: Foreign(Decision.RECORD_ONLY),
    "always record": lambda: AlwaysRecordSampler(sampling.ALWAYS_OFF),
    "alternating": Alternating,
}
INDEPENDENT_OF_IDS = sorted(set(SAMPLERS) - {"ratio", "parent ratio", "nanospan ratio"})

# --- ids --------------------------------------------------------------------------------------------------------------


class CountingIds(IdGenerator):
    """Ids spread over the whole range in an order that never changes; notes which were asked for."""

    def __init__(self, declares_random: bool = True) -> None:
        self.asked: list[str] = []
        self._declares_random = declares_random

    def _next(self, what: str, bits: int) -> int:
        self.asked.append(what)
        return (len(self.asked) * 0x9E3779B97F4A7C15F39CC0605CEDC835) % (1 << bits) or 1

    def generate_span_id(self) -> int:
        return self._next("span", 64)

    def generate_trace_id(self) -> int:
        return self._next("trace", 128)

    def is_trace_id_random(self) -> bool:
        return self._declares_random


# --- processors -------------------------------------------------------------------------------------------------------


class Recorder(SpanProcessor):
    """Keeps what it is given and in which order it is called, in a list that several may share."""

    def __init__(self, name: str = "recorder", calls: list[tuple[Any, ...]] | None = None) -> None:
        self.name = name
        self.calls = [] if calls is None else calls
        self.started: list[Span] = []
        self.ended: list[ReadableSpan] = []
        self.contexts: list[Any] = []

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        self.calls.append((self.name, "on_start", span.name, span.is_recording()))
        self.started.append(span)
        self.contexts.append(parent_context)

    def _on_ending(self, span: Span) -> None:
        # Not is_recording: there nanospan differs, see test_ending.py.
        self.calls.append((self.name, "_on_ending", span.name, span.end_time is not None))

    def on_end(self, span: ReadableSpan) -> None:
        self.calls.append((self.name, "on_end", span.name, isinstance(span, Span)))
        self.ended.append(span)

    def shutdown(self) -> None:
        self.calls.append((self.name, "shutdown"))

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        self.calls.append((self.name, "force_flush"))
        return True


class Enricher(SpanProcessor):
    """Writes to spans when they start."""

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        span.set_attribute("enriched", True)
        span.add_event("enriched", {"at": "start"}, timestamp=7)


class Rewriter(SpanProcessor):
    """Replaces private fields of ended spans, as scrubbers and translators do."""

    def on_end(self, span: ReadableSpan) -> None:
        span._attributes = {**(span._attributes or {}), "rewritten": [1, 2], "n": 2}
        span._name = f"rewritten {span._name}"
        span._status = Status(StatusCode.ERROR, "rewritten")
        span._events = [event for event in span._events if event.name != "enriched"]
        span._links = BoundedList.from_seq(1, span._links)


class Scrubber(SpanProcessor):
    """Replaces the attributes by a bounded copy in place of a plain dict."""

    def on_end(self, span: ReadableSpan) -> None:
        span._attributes = BoundedAttributes(3, dict(span._attributes or {}), max_value_len=4)


FOREIGN_PROCESSORS = {"recorder": Recorder, "enricher": Enricher, "rewriter": Rewriter, "scrubber": Scrubber}

# --- bytes ------------------------------------------------------------------------------------------------------------


class ByteCollector:
    """An exporter that takes encoded batches and keeps them."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def export_encoded(self, batch: EncodedBatch, timeout: float | None = None) -> ExportOutcome:
        self.bodies.append(bytes(memoryview(batch)))
        return ExportOutcome(batch.count, 0, 0)

    def after_fork(self) -> None:
        pass

    def shutdown(self) -> None:
        pass


def collecting_batches() -> tuple[nanospan.BatchSpanProcessor, ByteCollector]:
    """nanospan's processor, exporting only when it is flushed, and the bytes that leave it."""
    collector = ByteCollector()
    processor = nanospan.BatchSpanProcessor(collector, schedule_delay_millis=600_000, max_queue_bytes=1 << 20)
    return processor, collector


def spans_in_order(collector: ByteCollector) -> list[Any]:
    """The protobuf spans that arrived."""
    return list(spans_in(collector.bodies))
