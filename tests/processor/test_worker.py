"""The export thread: it outlives what exporters do to it, and says truly what was sent."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest
from opentelemetry.sdk.trace import Event
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from support.accounting import WAIT, check_balance, ended_span, lost, wait_until

import nanospan
from nanospan.export import ExportOutcome
from nanospan.processor._worker import _reached


class Interruption(BaseException):
    """What asyncio's CancelledError and gevent's Timeout are: no Exception."""


class Recorder(SpanExporter):
    """Waits for `free`, then takes what it is given, or raises what it was told to."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.free.set()
        self.entered = threading.Event()
        self.errors: list[BaseException] = []
        self.names: list[str] = []

    def export(self, spans: Any) -> SpanExportResult:
        self.entered.set()
        assert self.free.wait(WAIT)
        if self.errors:
            raise self.errors.pop()
        self.names += [span.name for span in spans]
        return SpanExportResult.SUCCESS


def test_tickets_are_compared_over_their_wrap():
    assert _reached(5, 5)
    assert _reached(6, 5)
    assert not _reached(5, 6)
    assert _reached(3, 2**32 - 3)
    assert not _reached(2**32 - 3, 3)


def test_a_worker_that_is_never_flushed_does_not_begin_to_flush():
    """After 2**31 spans a flush ticket left behind would look as if it lay ahead, and the worker would spin."""
    processor = nanospan.BatchSpanProcessor(Recorder())
    worker = processor._batch_processor
    for ticket in (2**30, 2**31 - 1, 2**31 + 5, 2**32 - 1, 7):
        worker._note_sent(ticket)
        assert _reached(worker._sent_ticket, worker._flush_ticket), ticket
    processor.shutdown()


def test_the_worker_survives_what_is_no_exception(caplog: pytest.LogCaptureFixture):
    exporter = Recorder()
    exporter.errors.append(Interruption())
    processor = nanospan.BatchSpanProcessor(exporter)
    processor.on_end(ended_span("interrupted"))
    assert not processor.force_flush()
    processor.on_end(ended_span("after"))
    assert processor.force_flush()
    assert exporter.names == ["after"]
    assert lost(processor.stats()) == {"export_failed": 1}
    assert "Exception while exporting spans" in caplog.text
    processor.shutdown()


def test_a_flush_that_a_shutdown_overtakes_does_not_say_it_was_sent():
    exporter = Recorder()
    exporter.free.clear()
    processor = nanospan.BatchSpanProcessor(exporter, max_export_batch_size=1)
    for number in range(5):
        processor.on_end(ended_span(f"span {number}"))
    assert exporter.entered.wait(WAIT)
    said: list[bool] = []
    flush = threading.Thread(target=lambda: said.append(processor.force_flush(int(WAIT * 1000))))
    flush.start()
    worker = processor._batch_processor
    wait_until(lambda: worker._flush_ticket == 5, "the flush waits")
    worker.shutdown(timeout_millis=10)
    exporter.free.set()
    flush.join()
    assert said == [False]
    assert lost(processor.stats()) == {"shutdown": 4}


class SlowEvent(Event):
    """Its name is read in Python, where other threads may come in."""

    entered = threading.Event()
    go_on = threading.Event()

    @property
    def name(self) -> str:
        self.entered.set()
        assert self.go_on.wait(WAIT)
        return "event"


class Swallow:
    """Takes bytes and acknowledges them."""

    def export_encoded(self, batch: Any, timeout: float | None = None) -> ExportOutcome:
        return ExportOutcome(batch.count, 0, 0)

    def after_fork(self) -> None: ...

    def shutdown(self) -> None: ...


@pytest.mark.thread_unsafe(reason="the events of SlowEvent are those of the class")
def test_a_span_that_is_being_encoded_when_shutdown_comes_is_counted():
    processor = nanospan.BatchSpanProcessor(Swallow())
    span = ended_span(events=[SlowEvent("event", timestamp=1)])
    thread = threading.Thread(target=processor.on_end, args=(span,))
    thread.start()
    assert SlowEvent.entered.wait(WAIT)
    processor.shutdown()
    SlowEvent.go_on.set()
    thread.join()
    stats = processor.stats()
    check_balance(stats)
    assert (stats["ended"], stats["queued"], lost(stats)) == (1, 0, {"shutdown": 1})


def test_an_interrupt_before_the_span_is_wanted_does_not_queue_it():
    class Context:
        trace_flags = property(lambda self: (_ for _ in ()).throw(Interruption()))

        def __bool__(self) -> bool:
            return True

    exporter = Recorder()
    processor = nanospan.BatchSpanProcessor(exporter)
    with pytest.raises(Interruption):
        processor.on_end(ended_span(context=Context()))
    assert lost(processor.stats()) == {"encode_failed": 1}
    assert processor.force_flush()
    assert exporter.names == []
    processor.shutdown()


def test_the_sdks_way_of_waking_the_worker():
    exporter = Recorder()
    processor = nanospan.BatchSpanProcessor(exporter)
    processor.on_end(ended_span("span"))
    assert len(processor._batch_processor._queue) in (0, 1)
    processor._batch_processor._worker_awaken.set()
    wait_until(lambda: exporter.names == ["span"], "the span is exported before its time")
    processor.shutdown()


def test_the_sdks_emit_takes_spans_whatever_their_flags():
    exporter = Recorder()
    processor = nanospan.BatchSpanProcessor(exporter)
    processor._batch_processor.emit(ended_span("unsampled", sampled=False))
    assert processor.force_flush()
    assert exporter.names == ["unsampled"]
    processor.shutdown()
    processor._batch_processor.emit(ended_span("late"))
    check_balance(stats := processor.stats())
    assert (stats["ended"], stats["exported"], lost(stats)) == (2, 1, {"shutdown": 1})


def test_a_batch_larger_than_the_environments_queue_is_clamped(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "100")
    with caplog.at_level(logging.WARNING):
        processor = nanospan.BatchSpanProcessor(Recorder(), max_export_batch_size=512)
    assert processor._batch_processor._max_export_batch_size == 100
    assert len(caplog.records) == 1
    with pytest.raises(ValueError, match="max_export_batch_size"):
        nanospan.BatchSpanProcessor(Recorder(), max_queue_size=100, max_export_batch_size=512)
    processor.shutdown()
