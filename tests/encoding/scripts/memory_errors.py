"""Makes each allocation of a span's life fail in turn: `memory_errors.py PIPELINE FIRST LAST`.

For each number in the range a span is started, filled and ended while that allocation fails, and then a batch is sent while
it fails. Prints one JSON object: the account of the processor and the exceptions that reached the application.
"""

import _testcapi
import json
import logging
import sys
from collections import Counter

from opentelemetry.context import Context, attach
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

import nanospan
from nanospan import tail
from nanospan.export import ExportOutcome
from nanospan.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    AlwaysRecord,
    ConsistentProbability,
    ParentBased,
    RateLimited,
    Rule,
    RuleBased,
)

NO_MEMORY = MemoryError, RuntimeError  # threading.Lock raises the second
SEND_ALLOCATIONS = 200  # sending a batch has fewer
LIMITS = SpanLimits(max_span_attributes=4, max_events=2, max_links=2, max_event_attributes=2, max_attribute_length=6)


class BytesExporter:
    """Counts what arrives, and reads it: a torn request would not parse."""

    def __init__(self) -> None:
        self.arrived = 0

    def export_encoded(self, batch, timeout=None):
        self.arrived += batch.count
        return ExportOutcome(batch.count, 0, 0)

    def after_fork(self) -> None:
        pass

    def shutdown(self) -> None:
        pass


class ObjectExporter(SpanExporter):
    def __init__(self) -> None:
        self.arrived = 0

    def export(self, spans):
        self.arrived += len(spans)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        pass


RULES = RuleBased(
    [
        Rule(name="m?", attributes={"a": ["x", "y"]}, sampler=ALWAYS_ON),
        Rule(attributes={"b": "*z*"}, sampler=RateLimited(1e9)),
    ],
    default=ConsistentProbability(1.0),
)
KEEP_ALL = tail.TailSampling([tail.AlwaysSample(), tail.StringAttribute("a", ["x*"])], decision_wait=3600)
PIPELINES = {
    "bytes": (nanospan.TracerProvider, ALWAYS_ON, BytesExporter, {}),
    "objects": (nanospan.TracerProvider, ALWAYS_ON, ObjectExporter, {}),
    "tail": (nanospan.TracerProvider, AlwaysRecord(ParentBased(ALWAYS_OFF)), BytesExporter, {"tail_sampling": KEEP_ALL}),
    "consistent": (nanospan.TracerProvider, ParentBased(ConsistentProbability(1.0, randomness="hash")), BytesExporter, {}),
    "consistent children": (nanospan.TracerProvider, ConsistentProbability(1.0), BytesExporter, {}),
    "rules": (nanospan.TracerProvider, RULES, BytesExporter, {}),
    "sdk provider": (SdkTracerProvider, ALWAYS_ON, BytesExporter, {}),
}
STATE = TraceState([("ot", "rv:ffffffffffffff;th:0"), ("vendor", "1")])
PARENT = set_span_in_context(NonRecordingSpan(SpanContext(5 << 64 | 6, 7, True, TraceFlags(3), STATE)))
LINK = Link(SpanContext(8, 9, False, TraceFlags(1), STATE), {"k": "value too long"})


STEPS = (
    ("set_attribute", ("list", ["one", "two"])),
    ("set_attributes", ({"c": 2.5, "d": True, "e": "evicts an older one"},)),
    ("add_event", ("event", {"k": "value", "l": 1, "m": 2})),
    ("add_link", (LINK.context, {"k": [1, 2]})),
    ("record_exception", (ValueError("wrong"),)),
    ("set_status", (Status(StatusCode.ERROR, "why"),)),
    ("update_name", ("m2",)),
    ("end", ()),
)
ATTRIBUTES = {"a": "x", "b": 1 << 70}
LINKS = [LINK]


def one_life(tracer, parent, number, raised):
    """Starts, fills and ends a span while one allocation fails; the span, or None if it was not started. The program's own
    lines may be what fails."""
    span = None
    step = "start_span"
    failing = number, number + 1
    _testcapi.set_nomemory(*failing)
    try:
        span = tracer.start_span("m1", context=parent, attributes=ATTRIBUTES, links=LINKS)
        for step, arguments in STEPS:
            try:
                getattr(span, step)(*arguments)
            except NO_MEMORY:
                if step != "end" or not span.is_recording():  # else the look-up of the method failed
                    raised[step] += 1
    except NO_MEMORY:
        raised[step] += 1
    finally:
        _testcapi.remove_mem_hooks()
    return span


def main(pipeline: str, first: int, last: int) -> None:
    logging.disable(logging.CRITICAL)
    attach(Context())  # the first context of a thread: without memory for it CPython 3.11 crashes
    provider_type, sampler, exporter_type, arguments = PIPELINES[pipeline]
    exporter = exporter_type()
    processor = nanospan.BatchSpanProcessor(exporter, schedule_delay_millis=600_000, max_queue_size=100_000, **arguments)
    provider = provider_type(sampler=sampler, span_limits=LIMITS, shutdown_on_exit=False)
    provider.add_span_processor(processor)
    worker = processor._batch_processor
    raised: Counter[str] = Counter()
    ended = 0
    for number in range(first, last):
        # A new scope each time: its encoding allocates too.
        tracer = provider.get_tracer(f"scope {number}", "1", "schema", {"a": "text"})
        span = one_life(tracer, None if number % 2 else PARENT, number, raised)
        if isinstance(span, SdkSpan):  # a sampler that raises drops the span: it is no recording one
            if span.is_recording():
                span.end()
            ended += 1
        for _ in range(3):
            tracer.start_span("queued").end()
            ended += 1
        if number - first < SEND_ALLOCATIONS:
            _testcapi.set_nomemory(number - first, number - first + 1)
            try:
                worker._send_next(0.0)
            except NO_MEMORY:
                raised["send"] += 1
            finally:
                _testcapi.remove_mem_hooks()
    processor.force_flush()
    processor.shutdown()
    stats = processor.stats()
    print(json.dumps({"stats": stats, "raised": raised, "ended": ended, "arrived": exporter.arrived}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
