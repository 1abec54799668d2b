"""Exporters that are not OTLP ones: they get the very objects that ended, under the limits and counters of the rest."""

from __future__ import annotations

import io
import logging
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY, get_value
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as OfficialExporter
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from support.accounting import WAIT, check_balance, ended_span, lost
from support.receivers import HttpReceiver

import nanospan
from nanospan.export.http import OTLPSpanExporter

pytestmark = pytest.mark.usefixtures("clean_environment")


class Recorder(SpanExporter):
    """Keeps its batches; lets the test hold an export, or have it fail."""

    def __init__(self, result: Any = SpanExportResult.SUCCESS) -> None:
        self.result = result
        self.batches: list[list[ReadableSpan]] = []
        self.entered = threading.Event()
        self.free = threading.Event()
        self.free.set()
        self.suppressed: list[object] = []
        self.shutdowns = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.suppressed.append(get_value(_SUPPRESS_INSTRUMENTATION_KEY))
        self.batches.append(list(spans))
        self.entered.set()
        assert self.free.wait(WAIT)
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result

    def shutdown(self) -> None:
        self.shutdowns += 1


def quiet_processor(exporter: Any, **settings: Any) -> nanospan.BatchSpanProcessor:
    """Exports when a batch is full or somebody asks, and not by the clock."""
    settings.setdefault("schedule_delay_millis", 600_000)
    return nanospan.BatchSpanProcessor(exporter, **settings)


def same(found: Sequence[ReadableSpan], wanted: Sequence[ReadableSpan]) -> bool:
    return len(found) == len(wanted) and all(one is other for one, other in zip(found, wanted, strict=True))


class OfficialSubclass(OfficialExporter):
    """A user's own, built on an official exporter."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[ReadableSpan]] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.batches.append(list(spans))
        return SpanExportResult.SUCCESS


class NanospanSubclass(OTLPSpanExporter):
    """A user's own, built on nanospan's exporter: it looks at the spans, so it must get them."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[ReadableSpan]] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.batches.append(list(spans))
        return SpanExportResult.SUCCESS


class DuckTyped:
    """What the SDK's processor takes as well: no subclass of anything."""

    def __init__(self) -> None:
        self.batches: list[list[ReadableSpan]] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.batches.append(list(spans))
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        pass


@pytest.mark.parametrize("exporter_class", [Recorder, OfficialSubclass, NanospanSubclass, DuckTyped])
def test_exporter_gets_the_very_objects_in_order(exporter_class: Any) -> None:
    exporter = exporter_class()
    processor = quiet_processor(exporter)
    spans = [ended_span(f"span {number}") for number in range(300)]
    for span in spans:
        processor.on_end(span)
    assert processor.force_flush()
    assert same([span for batch in exporter.batches for span in batch], spans)
    assert processor.stats()["exported"] == 300
    processor.shutdown()
    assert processor.span_exporter is exporter


def test_in_memory_exporter_gets_the_very_objects() -> None:
    exporter = InMemorySpanExporter()
    processor = quiet_processor(exporter)
    spans = [ended_span() for _ in range(5)]
    for span in spans:
        processor.on_end(span)
    assert processor.force_flush()
    assert same(exporter.get_finished_spans(), spans)
    processor.shutdown()


def test_console_exporter_prints_the_span() -> None:
    out = io.StringIO()
    processor = quiet_processor(ConsoleSpanExporter(out=out))
    span = ended_span("printed", attributes={"big": 1 << 70})
    processor.on_end(span)
    processor.shutdown()
    assert out.getvalue().strip() == span.to_json()


def test_official_exporter_itself_gets_bytes_and_no_objects() -> None:
    with HttpReceiver() as receiver:
        exporter = OfficialExporter(receiver.url)
        processor = quiet_processor(exporter)
        processor.on_end(ended_span("sent"))
        assert processor.force_flush()
        assert processor.span_exporter is exporter
        assert receiver.span_names() == ["sent"]
        processor.shutdown()
    assert "used_bytes" in dir(processor._batch_processor._queue)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_full_queue_drops_the_newest_exactly(size: int) -> None:
    exporter = Recorder()
    exporter.free.clear()
    processor = quiet_processor(exporter, max_queue_size=size, max_export_batch_size=1)
    first = ended_span()
    processor.on_end(first)
    assert exporter.entered.wait(WAIT)
    spans = [ended_span(f"span {number}") for number in range(size + 10)]
    for span in spans:
        processor.on_end(span)
        check_balance(processor.stats())
    stats = processor.stats()
    assert (stats["queued"], processor._batch_processor._queue.depth) == (size + 1, size)
    assert lost(stats) == {"queue_full": 10}
    exporter.free.set()
    assert processor.force_flush()
    processor.shutdown()
    assert same([span for batch in exporter.batches for span in batch], [first, *spans[:size]])
    assert processor.stats()["exported"] == size + 1


def test_batch_size_that_is_set_is_a_hard_cap() -> None:
    exporter = Recorder()
    processor = quiet_processor(exporter, max_queue_size=1000, max_export_batch_size=30)
    for _ in range(100):
        processor.on_end(ended_span())
    assert processor.force_flush()
    processor.shutdown()
    assert max(len(batch) for batch in exporter.batches) <= 30
    assert sum(len(batch) for batch in exporter.batches) == 100


def test_batch_size_that_is_unset_is_all_that_is_queued() -> None:
    exporter = Recorder()
    exporter.free.clear()
    processor = quiet_processor(exporter)
    for _ in range(512):
        processor.on_end(ended_span())
    assert exporter.entered.wait(WAIT)
    held = len(exporter.batches[0])
    for _ in range(1500):
        processor.on_end(ended_span())
    exporter.free.set()
    assert processor.force_flush()
    processor.shutdown()
    assert [len(batch) for batch in exporter.batches] == [held, 512 + 1500 - held]


def test_full_batch_wakes_the_worker() -> None:
    exporter = Recorder()
    processor = quiet_processor(exporter, max_export_batch_size=10)
    for _ in range(9):
        processor.on_end(ended_span())
    assert not exporter.batches
    processor.on_end(ended_span())
    assert exporter.entered.wait(WAIT)
    processor.shutdown()


def messages(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    return [(record.levelno, record.getMessage()) for record in caplog.records]


def test_exception_of_the_exporter_is_logged_and_swallowed(caplog: pytest.LogCaptureFixture) -> None:
    exporter = Recorder(RuntimeError("the exporter broke"))
    processor = quiet_processor(exporter)
    processor.on_end(ended_span())
    assert not processor.force_flush()
    assert lost(processor.stats()) == {"export_failed": 1}
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert "the exporter broke" in str(record.exc_info[1])
    # It does not end there.
    exporter.result = SpanExportResult.SUCCESS
    processor.on_end(ended_span())
    assert processor.force_flush()
    assert processor.stats()["exported"] == 1
    processor.shutdown()


def test_failure_of_the_exporter_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    processor = quiet_processor(Recorder(SpanExportResult.FAILURE))
    processor.on_end(ended_span())
    assert not processor.force_flush()
    assert lost(processor.stats()) == {"export_failed": 1}
    assert messages(caplog) == [(logging.WARNING, "Recorder failed to export 1 span")]
    processor.shutdown()


def test_exporter_that_says_nothing_is_believed() -> None:
    processor = quiet_processor(Recorder(None))
    processor.on_end(ended_span())
    assert processor.force_flush()
    assert processor.stats()["exported"] == 1
    processor.shutdown()


def test_tracing_is_suppressed_in_the_exporter_and_nowhere_else() -> None:
    exporter = Recorder()
    processor = quiet_processor(exporter)
    processor.on_end(ended_span())
    assert processor.force_flush()
    assert exporter.suppressed == [True]
    assert get_value(_SUPPRESS_INSTRUMENTATION_KEY) is None
    # Shutdown drains in whichever thread can: there, too.
    processor.on_end(ended_span())
    processor.shutdown()
    assert exporter.suppressed == [True, True]
    assert get_value(_SUPPRESS_INSTRUMENTATION_KEY) is None


def test_tracing_is_suppressed_while_bytes_are_exported() -> None:
    found: list[object] = []

    class Taker:
        def export_encoded(self, batch: Any, timeout: float | None = None) -> Any:
            found.append(get_value(_SUPPRESS_INSTRUMENTATION_KEY))
            return nanospan.export.ExportOutcome(batch.count, 0, 0)

        def after_fork(self) -> None:
            pass

        def shutdown(self) -> None:
            pass

    processor = quiet_processor(Taker())
    processor.on_end(ended_span())
    assert processor.force_flush()
    processor.shutdown()
    assert found == [True]


def test_exporter_s_shutdown_gets_the_time_that_is_left() -> None:
    class Patient(Recorder):
        def shutdown(self, timeout_millis: float = -1) -> None:  # type: ignore[override]
            self.left = timeout_millis

    exporter = Patient()
    processor = quiet_processor(exporter)
    processor.shutdown()
    assert 0 < exporter.left <= 30_000


def test_exception_in_the_exporter_s_shutdown_does_not_reach_the_application(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Recorder):
        def shutdown(self) -> None:
            raise RuntimeError("cannot even stop")

    processor = quiet_processor(Broken())
    processor.on_end(ended_span())
    processor.shutdown()
    assert processor.stats()["exported"] == 1
    assert any("cannot even stop" in str(record.exc_info and record.exc_info[1]) for record in caplog.records)
