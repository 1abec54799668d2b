"""What a window of the log holds back is said at the shutdown, one line a kind."""

from __future__ import annotations

import logging
import os
import re
import threading

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from support.accounting import ended_span, wait_until
from support.receivers import HttpReceiver, answer

import nanospan
from nanospan._common.log import WindowedLog
from nanospan.export.http import OTLPSpanExporter
from nanospan.sampling import ALWAYS_ON


def messages(caplog: pytest.LogCaptureFixture, part: str = "") -> list[str]:
    return [record.getMessage() for record in caplog.records if part in record.getMessage()]


def test_one_line_a_kind(caplog: pytest.LogCaptureFixture) -> None:
    log = WindowedLog(logging.getLogger("test.held"), window=1000.0, owned=True)
    for number in range(1, 5):
        log.log(logging.ERROR, "a", "%d spans %s", number, "lost", spans=number)
    for _ in range(2):
        log.log(logging.WARNING, "b", "100 %% %s", "odd")
    log.log(logging.WARNING, "c", "once")
    caplog.clear()
    log.say_held_back()
    log.say_held_back()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", "At the shutdown: 3 lines (of 9 spans in all) held back since the last of this kind: 4 spans lost"),
        ("WARNING", "At the shutdown: 1 line held back since the last of this kind: 100 % odd"),
    ]


@pytest.mark.thread_unsafe(reason="forks, and hears what all threads log")
def test_a_child_does_not_say_what_its_parent_held_back() -> None:
    log = WindowedLog(logging.getLogger("test.held"), window=1000.0, owned=True)
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("test.held").addHandler(handler)
    try:
        for _ in range(2):
            log.log(logging.ERROR, "a", "lost")
        said.clear()
        if not (child := os.fork()):
            log.say_held_back()
            log.log(logging.ERROR, "a", "lost in the child")
            os._exit(0 if said == ["lost in the child"] else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        log.say_held_back()
        assert said == ["At the shutdown: 1 line held back since the last of this kind: lost"]
    finally:
        logging.getLogger("test.held").removeHandler(handler)


def test_refused_batches(receiver: HttpReceiver, caplog: pytest.LogCaptureFixture) -> None:
    receiver.script = [answer(400)]
    processor = nanospan.BatchSpanProcessor(OTLPSpanExporter(receiver.url))
    for spans in (1, 2, 3):
        for _ in range(spans):
            processor.on_end(ended_span())
        assert not processor.force_flush()
    processor.shutdown()
    first, last = messages(caplog, "not delivered")
    assert first.startswith("1 span was not delivered to ")
    assert last.startswith(
        "At the shutdown: 2 lines (of 5 spans in all) held back since the last of this kind: 3 spans were not delivered to "
    )


class Failing(SpanExporter):
    """Fails every batch, and holds the first one up."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.free = threading.Event()

    def export(self, spans: object) -> SpanExportResult:
        self.entered.set()
        self.free.wait()
        return SpanExportResult.FAILURE


def test_every_drop_is_said_in_the_end(caplog: pytest.LogCaptureFixture) -> None:
    exporter = Failing()
    processor = nanospan.BatchSpanProcessor(exporter, max_queue_size=1, max_export_batch_size=1)
    processor.on_end(ended_span())
    exporter.entered.wait()
    for _ in range(100):
        processor.on_end(ended_span())
    exporter.free.set()
    wait_until(lambda: bool(messages(caplog, "queue was full")), "the first drops are in the log")
    exporter.entered.clear()
    exporter.free.clear()
    first = processor.stats()["dropped"]["queue_full"]
    processor.on_end(ended_span())
    exporter.entered.wait()
    for _ in range(51):
        processor.on_end(ended_span())
    dropped = processor.stats()["dropped"]["queue_full"]
    exporter.free.set()
    processor.shutdown()
    said = messages(caplog, "queue was full")
    assert len(said) == 2
    assert sum(int(re.match(r"\d+", line)[0]) for line in said) == dropped > first  # type: ignore[index]
    assert len(messages(caplog, "Failing failed to export 1 span")) == 2  # one, and what was held back


class Broken(SpanProcessor):
    def on_end(self, span: ReadableSpan) -> None:
        raise ValueError("broken")


def test_errors_of_callbacks_at_the_shutdown_of_the_provider(caplog: pytest.LogCaptureFixture) -> None:
    provider = nanospan.TracerProvider(sampler=ALWAYS_ON)
    provider.add_span_processor(Broken())
    tracer = provider.get_tracer("held")
    for _ in range(3):
        tracer.start_span("span").end()
    assert messages(caplog, "Broken.on_end") == ["Exception in Broken.on_end"]
    caplog.clear()
    provider.shutdown()
    assert messages(caplog, "Broken") == [
        "At the shutdown: 2 lines held back since the last of this kind: Exception in Broken.on_end"
    ]
