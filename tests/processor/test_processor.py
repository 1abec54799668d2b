"""The queue of the batch span processor, its flush and its shutdown, with nanospan's OTLP exporter behind it."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import pytest
from support.accounting import WAIT, check_balance, ended_span, lost, spans_in, wait_until
from support.receivers import HttpReceiver, answer, hang

import nanospan
from nanospan.export.http import OTLPSpanExporter

pytestmark = pytest.mark.usefixtures("clean_environment")


def new_processor(receiver: HttpReceiver, **settings: Any) -> nanospan.BatchSpanProcessor:
    """Exports when a batch is full or somebody asks, and not by the clock."""
    settings.setdefault("schedule_delay_millis", 600_000)
    return nanospan.BatchSpanProcessor(OTLPSpanExporter(receiver.url, timeout=WAIT), **settings)


# --- the queue --------------------------------------------------------------------------------------------------------


class Gate(threading.Event):
    """A step that answers when the test has set it."""

    def __call__(self, connection: socket.socket, server: HttpReceiver) -> bool:
        assert self.wait(WAIT)
        return answer(200)(connection, server)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100, 513])
def test_full_queue_drops_the_newest_exactly(receiver: HttpReceiver, size: int) -> None:
    gate = Gate()
    receiver.script = [gate]
    processor = new_processor(receiver, max_queue_size=size, max_export_batch_size=1)
    processor.on_end(ended_span("first"))
    receiver.wait_for(lambda: len(receiver.requests) == 1)
    for number in range(size + 10):
        processor.on_end(ended_span(f"span {number}"))
        check_balance(processor.stats())
    stats = processor.stats()
    assert (stats["queued"], processor._batch_processor._queue.depth) == (size + 1, size)
    assert lost(stats) == {"queue_full": 10}
    gate.set()
    assert processor.force_flush(int(WAIT * 1000))
    processor.shutdown()
    assert receiver.span_names() == ["first", *(f"span {number}" for number in range(size))]


class CountedReads(dict):
    """Attributes that know how often they were read."""

    reads = 0

    def items(self):
        self.reads += 1
        return super().items()


def test_full_queue_encodes_nothing(receiver: HttpReceiver) -> None:
    gate = Gate()
    receiver.script = [gate]
    processor = new_processor(receiver, max_queue_size=1, max_export_batch_size=1)
    processor.on_end(ended_span("first"))
    receiver.wait_for(lambda: len(receiver.requests) == 1)
    attributes = CountedReads(key="value")
    for _ in range(10):
        processor.on_end(ended_span(attributes=attributes))
    assert lost(processor.stats()) == {"queue_full": 9}
    assert attributes.reads == 1
    gate.set()
    processor.shutdown()


def test_dropped_spans_are_logged_once_in_a_while(receiver: HttpReceiver, caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate()
    receiver.script = [gate]
    processor = new_processor(receiver, max_queue_size=10, max_export_batch_size=10)
    for _ in range(10):
        processor.on_end(ended_span())
    receiver.wait_for(lambda: len(receiver.requests) == 1)
    for _ in range(1010):
        processor.on_end(ended_span())
    # Logged by the worker when it has sent something, not by the application's thread.
    assert not caplog.records
    gate.set()
    processor.shutdown()
    (message,) = [record.getMessage() for record in caplog.records if "queue was full" in record.getMessage()]
    assert message == "1000 spans dropped because the queue was full"


def test_span_larger_than_a_quarter_of_the_queue_loses_what_does_not_fit(receiver: HttpReceiver) -> None:
    processor = new_processor(receiver, max_queue_bytes=64 << 10)
    processor.on_end(ended_span("small"))
    processor.on_end(ended_span("large", attributes={f"key {n}": "x" * 1000 for n in range(20)}))
    assert processor.force_flush()
    stats = processor.stats()
    processor.shutdown()
    assert stats["exported"] == 2
    assert lost(stats) == {}
    assert 0 < stats["detail"]["values_lost"] < 20
    assert receiver.span_names() == ["small", "large"]


def test_queue_full_of_bytes_drops_the_newest(receiver: HttpReceiver) -> None:
    gate = Gate()
    receiver.script = [gate]
    processor = new_processor(receiver, max_queue_bytes=64 << 10, max_export_batch_size=1, max_queue_size=1000)
    processor.on_end(ended_span())
    receiver.wait_for(lambda: len(receiver.requests) == 1)
    for _ in range(1000):
        processor.on_end(ended_span(attributes={"key": "x" * 1000}))
    stats = processor.stats()
    check_balance(stats)
    assert 40 < stats["queued"] < 65
    assert lost(stats) == {"queue_full": 1001 - stats["queued"]}
    gate.set()
    processor.shutdown()


def test_batch_size_that_is_set_is_a_hard_cap(receiver: HttpReceiver) -> None:
    processor = new_processor(receiver, max_export_batch_size=30)
    for _ in range(100):
        processor.on_end(ended_span())
    assert processor.force_flush()
    processor.shutdown()
    sizes = [sum(1 for _ in spans_in([request.body])) for request in receiver.requests]
    assert max(sizes) <= 30
    assert sum(sizes) == 100


def test_batch_size_that_is_unset_is_all_that_is_queued(receiver: HttpReceiver) -> None:
    gate = Gate()
    receiver.script = [gate]
    processor = new_processor(receiver, max_queue_size=8192)
    for _ in range(2048):
        processor.on_end(ended_span())
    receiver.wait_for(lambda: len(receiver.requests) == 1)
    for _ in range(5000):
        processor.on_end(ended_span())
    gate.set()
    assert processor.force_flush()
    processor.shutdown()
    sizes = [sum(1 for _ in spans_in([request.body])) for request in receiver.requests]
    assert sum(sizes) == 2048 + 5000
    assert len(sizes) == 2 and sizes[1] >= 5000


def test_request_stays_below_4_mib(receiver: HttpReceiver) -> None:
    processor = new_processor(receiver)
    for _ in range(1500):
        processor.on_end(ended_span(attributes={"key": "x" * 10_000}))
    assert processor.force_flush()
    processor.shutdown()
    assert sum(1 for _ in spans_in(request.body for request in receiver.requests)) == 1500
    assert max(len(request.body) for request in receiver.requests) <= 4 << 20


def test_clock_sends_what_no_batch_does(receiver: HttpReceiver) -> None:
    processor = new_processor(receiver, schedule_delay_millis=10)
    processor.on_end(ended_span())
    receiver.wait_for(lambda: len(receiver.requests) == 1)
    processor.shutdown()


def test_exception_of_a_signal_handler_inside_on_end_passes_and_is_counted(receiver: HttpReceiver) -> None:
    """What a handler raises belongs to the application, wherever it strikes."""

    class Interrupted:
        def __len__(self) -> int:
            raise KeyboardInterrupt

        __iter__ = items = __len__  # type: ignore[assignment]

    processor = new_processor(receiver)
    with pytest.raises(KeyboardInterrupt):
        processor.on_end(ended_span(events=Interrupted()))
    check_balance(processor.stats())
    assert processor.stats()["ended"] == 1
    processor.on_end(ended_span("next"))
    assert processor.force_flush()
    assert "next" in receiver.span_names()
    processor.shutdown()


# --- force_flush and shutdown -----------------------------------------------------------------------------------------


def test_force_flush_exports_everything_ended_before(receiver: HttpReceiver) -> None:
    processor = new_processor(receiver)
    for number in range(1, 20):
        for _ in range(number):
            processor.on_end(ended_span())
        assert processor.force_flush() is True
        stats = processor.stats()
        assert stats["exported"] == stats["ended"] == number * (number + 1) // 2
    processor.shutdown()


def test_force_flush_of_nothing(receiver: HttpReceiver) -> None:
    processor = new_processor(receiver)
    assert processor.force_flush() is True
    assert processor.force_flush(0) is True
    assert not receiver.requests
    processor.shutdown()


def test_force_flush_from_many_threads(receiver: HttpReceiver) -> None:
    processor = new_processor(receiver, max_queue_size=1 << 16)
    failed: list[str] = []

    def work(thread: int) -> None:
        for number in range(30):
            name = f"{thread}/{number}"
            processor.on_end(ended_span(name))
            if not processor.force_flush(int(WAIT * 1000)) or name not in receiver.span_names():
                failed.append(name)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert processor.stats()["exported"] == 90
    processor.shutdown()


def test_force_flush_honours_its_timeout(receiver: HttpReceiver) -> None:
    gate = Gate()
    receiver.script = [gate]
    processor = new_processor(receiver)
    processor.on_end(ended_span())
    began = time.monotonic()
    assert processor.force_flush(50) is False
    # Far below the exporter's timeout, far above what a slow machine adds.
    assert time.monotonic() - began < WAIT / 2
    assert processor.stats()["queued"] == 1
    gate.set()
    processor.shutdown()


def test_force_flush_without_a_timeout_takes_the_export_timeout(receiver: HttpReceiver) -> None:
    receiver.script = [hang]
    processor = new_processor(receiver, export_timeout_millis=200)
    processor.on_end(ended_span())
    assert processor.force_flush() is False
    wait_until(lambda: lost(processor.stats()) == {"export_failed": 1}, "the export has timed out")
    processor.shutdown()


def test_shutdown_flushes_and_is_idempotent(receiver: HttpReceiver, caplog: pytest.LogCaptureFixture) -> None:
    processor = new_processor(receiver)
    processor.on_end(ended_span())
    processor.shutdown()
    assert receiver.span_names() == ["span"]
    processor.shutdown()
    assert processor.force_flush() is False
    assert not caplog.records
    assert not processor._batch_processor._worker_thread.is_alive()


def test_spans_after_shutdown_are_counted(receiver: HttpReceiver) -> None:
    processor = new_processor(receiver)
    processor.shutdown()
    processor.on_end(ended_span())
    processor.on_end(ended_span(sampled=False))
    stats = processor.stats()
    check_balance(stats)
    assert (stats["ended"], stats["queued"], stats["sampled_out"], lost(stats)) == (2, 0, 1, {"shutdown": 1})
    assert not receiver.requests


def test_processor_that_is_dropped_without_shutdown_takes_nothing_down(receiver: HttpReceiver) -> None:
    processor = new_processor(receiver)
    processor.on_end(ended_span())
    worker = processor._batch_processor
    del processor
    worker.shutdown()
    assert receiver.span_names() == ["span"]


def test_shutdown_that_runs_out_of_time_accounts_for_what_it_leaves(receiver: HttpReceiver) -> None:
    gate = Gate()
    receiver.script = [gate]
    processor = new_processor(receiver, max_export_batch_size=5)
    for _ in range(20):
        processor.on_end(ended_span())
    receiver.wait_for(lambda: len(receiver.requests) == 1)
    processor._batch_processor.shutdown(timeout_millis=50)
    assert processor.stats()["queued"] == 20
    gate.set()
    wait_until(lambda: processor.stats()["queued"] == 0, "the export under way has ended")
    stats = processor.stats()
    check_balance(stats)
    assert (stats["exported"], lost(stats)) == (5, {"shutdown": 15})
    assert len(receiver.requests) == 1
