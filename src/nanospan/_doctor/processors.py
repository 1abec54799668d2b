"""Processors: what they are, their queues and drops, and how they stand to each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from nanospan._compat.inspection import BatchState, batch_state, exporter_of
from nanospan._compat.stock import is_own
from nanospan._doctor.endpoints import Answer, ask, endpoint_of, transport_of
from nanospan._doctor.report import Finding, Level
from nanospan.processor import BatchSpanProcessor
from nanospan.processor._stats import ProcessorStats

__all__ = ["Examined", "check_pairs", "check_processor", "class_name", "examine"]

NEARLY_FULL = 0.8

_DROPS = {
    "queue_full": "Set a larger OTEL_BSP_MAX_QUEUE_SIZE, sample, or use a nearer receiver.",
    "oversize": "Put less into one span, or raise OTEL_PYTHON_NANOSPAN_MAX_QUEUE_BYTES.",
    "encode_failed": "Look for spans without usable ids, and for short memory.",
    "evicted": "Give TailSampling more max_bytes, or a shorter wait.",
    "export_failed": "Look at the endpoint above, and at the log lines `N spans were not delivered`.",
    "contract": "Spans with a value that a rule of Redaction drops whole spans for: nothing to do, if that is wanted.",
    "shutdown": "End spans before the provider shuts down; give the shutdown a receiver that answers.",
}


@dataclass(frozen=True, slots=True)
class Examined:
    """One processor as it was found."""

    processor: Any
    wrappers: tuple[Any, ...]
    exporter: Any | None
    state: BatchState | None
    stats: ProcessorStats | None
    """`nanospan.BatchSpanProcessor.stats`."""
    endpoint: str | None
    answer: Answer | None

    @property
    def samples_tails(self) -> bool:
        return self.stats is not None and "tail" in self.stats["detail"]

    def as_dict(self) -> dict[str, Any]:
        state = self.state
        return {
            "class": class_name(self.processor),
            "wrapped_in": [class_name(wrapper) for wrapper in self.wrappers],
            "exporter": None if self.exporter is None else class_name(self.exporter),
            "endpoint": self.endpoint,
            "answer": None if self.answer is None else self.answer.as_dict(),
            "queued": self.stats["queued"] if self.stats else None if state is None else state.queued,
            "max_queue_size": None if state is None else state.capacity,
            "stats": self.stats,
        }


def class_name(thing: object) -> str:
    """The class, with its package and without the modules between."""
    cls = type(thing)
    package = cls.__module__.partition(".")[0]
    return cls.__qualname__ if package == "builtins" else f"{package}.{cls.__qualname__}"


def examine(processor: Any, wrappers: tuple[Any, ...], timeout: float) -> Examined:
    """Read one processor, and ask its endpoint."""
    exporter = exporter_of(processor)
    # First: in a forked child it starts the export thread.
    stats = processor.stats() if is_own(processor, BatchSpanProcessor) else None
    transport = None if exporter is None else transport_of(exporter)
    return Examined(
        processor=processor,
        wrappers=wrappers,
        exporter=exporter,
        state=batch_state(processor),
        stats=stats,
        endpoint=endpoint_of(exporter, transport),
        answer=None if transport is None else ask(transport, timeout),
    )


def check_processor(one: Examined) -> Iterator[Finding]:
    name = class_name(one.processor)
    if isinstance(one.processor, SimpleSpanProcessor) and not isinstance(one.exporter, InMemorySpanExporter):
        yield Finding(
            Level.WARNING,
            "processor",
            f"{name} exports each span in the request that ends it, which waits for the receiver",
            "Use nanospan.BatchSpanProcessor in production.",
        )
    elif isinstance(one.exporter, ConsoleSpanExporter):
        yield Finding(Level.NOTE, "processor", f"{name} prints its spans", "Use an OTLP exporter in production.")
    if one.state is not None:
        yield from _check_state(name, one.state, one.stats)
    if one.stats is not None:
        yield from _check_stats(name, one.stats)


def _check_state(name: str, state: BatchState, stats: ProcessorStats | None) -> Iterator[Finding]:
    if state.is_shut_down:
        do = "Shut the provider down last, at the end of the process."
        yield Finding(Level.ERROR, "processor", f"{name} was shut down: spans that end now are lost", do)
    elif not state.is_alive:
        do = "Make the provider after the fork, in each worker, or use nanospan.BatchSpanProcessor, which survives it."
        yield Finding(Level.ERROR, "processor", f"the export thread of {name} does not run", do)
    queued = stats["queued"] if stats else state.queued
    if queued and state.capacity and queued >= NEARLY_FULL * state.capacity:
        says = f"the queue of {name} is nearly full: {queued} of {state.capacity} spans"
        yield Finding(Level.WARNING, "queue", says, _DROPS["queue_full"])


def _check_stats(name: str, stats: ProcessorStats) -> Iterator[Finding]:
    for reason, count in stats["dropped"].items():
        if count:
            says = f"{name} has dropped {count} of {stats['ended']} spans ({reason})"
            yield Finding(Level.ERROR, "queue", says, _DROPS.get(reason, "See docs/operations.md, Accounting."))
    if stats["rejected"]:
        says = f"the receiver has rejected {stats['rejected']} of {stats['ended']} spans in partial successes"
        yield Finding(Level.ERROR, "queue", says, "Its message is in the log: `... rejected N spans`.")
    if lost := stats["detail"].get("values_lost"):
        says = f"{lost} attributes or fields did not fit or could not be read"
        yield Finding(Level.NOTE, "queue", says, "See docs/limitations.md, Bytes.")


def check_pairs(examined: Sequence[Examined]) -> Iterator[Finding]:
    """Processors that send each span twice."""
    by_endpoint: dict[str, list[Examined]] = {}
    for one in examined:
        if one.endpoint is not None:
            by_endpoint.setdefault(one.endpoint, []).append(one)
    for endpoint, group in by_endpoint.items():
        if len(group) > 1:
            says = f"{len(group)} processors send to {endpoint}: each span is sent {len(group)} times"
            yield Finding(Level.WARNING, "processor", says, "Remove all but one; zero code may have added the other.")
