"""Threads that do one thing all at once, and exporters that note what came to them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from support.accounting import WAIT, check_balance, spans_in

import nanospan
from nanospan.export import EncodedBatch, ExportOutcome

__all__ = ["EncodedCollector", "ObjectCollector", "beside", "pipeline", "together"]

THREADS = 4


def together(*work: Callable[[int], Any], threads: int = THREADS) -> None:
    """Run each of ``work`` in as many threads, all at once, with the thread's number; what any raises is raised here."""
    barrier = threading.Barrier(threads * len(work))
    failures: list[BaseException] = []

    def run(job: Callable[[int], Any], number: int) -> None:
        try:
            barrier.wait(WAIT)
            job(number)
        except BaseException as error:
            failures.append(error)

    crowd = [threading.Thread(target=run, args=(job, number), daemon=True) for job in work for number in range(threads)]
    for thread in crowd:
        thread.start()
    for thread in crowd:
        while thread.is_alive() and not failures:
            thread.join(0.1)
    if failures:
        raise failures[0]


@contextmanager
def beside(work: Callable[[], Any]) -> Iterator[None]:
    """Repeat ``work`` in a thread for the length of the block; once at least, and what it raises is raised here."""
    over = threading.Event()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
            while not over.is_set():
                work()
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(WAIT)
    assert not thread.is_alive(), "stuck"
    if failures:
        raise failures[0]


class EncodedCollector:
    """Takes bytes, as nanospan's exporters do."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def export_encoded(self, batch: EncodedBatch, timeout: float | None = None) -> ExportOutcome:
        self.bodies.append(bytes(batch))  # type: ignore[arg-type]
        return ExportOutcome(batch.count, 0, 0)

    def after_fork(self) -> None:
        self.bodies = []

    def shutdown(self) -> None:
        pass

    def spans(self) -> list[Any]:
        return list(spans_in(self.bodies))

    def names(self) -> list[str]:
        return [span.name for span in self.spans()]


class ObjectCollector(SpanExporter):
    """Takes the spans themselves, as any other exporter."""

    def __init__(self) -> None:
        self.taken: list[ReadableSpan] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.taken += spans
        return SpanExportResult.SUCCESS

    def names(self) -> list[str]:
        return [span.name for span in self.taken]


class Pipeline:
    """A provider with one batch processor, and what its exporter got."""

    def __init__(self, collector: Any, provider: dict[str, Any], processor: dict[str, Any]) -> None:
        settings = {"max_queue_size": 1 << 16, "schedule_delay_millis": 20} | processor
        if "tail_sampling" in processor:
            del settings["max_queue_size"]
        self.collector = collector
        self.processor = nanospan.BatchSpanProcessor(collector, **settings)
        self.provider = nanospan.TracerProvider(shutdown_on_exit=False, **provider)
        self.provider.add_span_processor(self.processor)
        self.tracer = self.provider.get_tracer("crowd")

    def stats(self) -> dict[str, Any]:
        stats = self.processor.stats()
        check_balance(stats)
        return stats

    def names(self) -> list[str]:
        """Of what has arrived, after a flush, in no order."""
        assert self.processor.force_flush(int(WAIT * 1000))
        return sorted(self.collector.names())


def pipeline(collector: Any = None, *, sampler: Any = None, **processor: Any) -> Pipeline:
    return Pipeline(EncodedCollector() if collector is None else collector, {"sampler": sampler}, processor)
