"""The processor before receivers that misbehave: every span is accounted for, and none is sent once too often."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytest
from support.accounting import WAIT, check_balance, clear_environment, ended_span, given_time, lost, spans_in, wait_until
from support.receivers import (
    HttpReceiver,
    Step,
    answer,
    hang,
    partial_success,
    raw,
    reset,
    reset_in_answer,
    reset_in_request,
    unused_port,
)
from support.selection.examples import runs_all

import nanospan
from nanospan.export._delivery import delivery
from nanospan.export.http import OTLPSpanExporter

SPANS = 100
REJECTED = 10


@pytest.fixture(autouse=True)
def clean_environment() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        clear_environment(monkeypatch)
        monkeypatch.setattr(delivery, "backoff_seconds", lambda retry: 0.0)
        yield


class Verdict(Enum):
    """What a fault means for the spans of the request that it strikes."""

    ACCEPTED = "acknowledged"
    REFUSED = "refused for good"
    AGAIN = "not acknowledged: to be sent again"
    SPLIT = "too large: to be sent again in parts"
    TIMEOUT = "not acknowledged, with no time left to send again"


@dataclass(frozen=True)
class Fault:
    step: Step
    verdict: Verdict
    rejected: int = 0


FAULTS = {
    "none": Fault(answer(200), Verdict.ACCEPTED),
    "hang": Fault(hang, Verdict.TIMEOUT),
    "reset after the request": Fault(reset, Verdict.AGAIN),
    "reset in the request": Fault(reset_in_request, Verdict.AGAIN),
    "reset in the answer": Fault(reset_in_answer(200), Verdict.AGAIN),
    "reset in a refusal": Fault(reset_in_answer(400), Verdict.REFUSED),
    "429": Fault(answer(429, Retry_After="0"), Verdict.AGAIN),
    "503": Fault(answer(503), Verdict.AGAIN),
    "503 with a date": Fault(answer(503, Retry_After="Thu, 01 Jan 1970 00:00:00 GMT"), Verdict.AGAIN),
    "400": Fault(answer(400, b"no"), Verdict.REFUSED),
    "413": Fault(answer(413), Verdict.SPLIT),
    "partial success": Fault(answer(200, partial_success(REJECTED, "no")), Verdict.ACCEPTED, REJECTED),
    "all rejected": Fault(answer(200, partial_success(1 << 40, "no")), Verdict.ACCEPTED, 1 << 40),
    "nonsense": Fault(raw(b"nonsense\r\n\r\n"), Verdict.AGAIN),
    "nonsense in the answer": Fault(answer(200, b"\xff\xff\xff"), Verdict.ACCEPTED),
    "stale connection": Fault(answer(200, close=True), Verdict.ACCEPTED),
}


class FaultyReceiver(HttpReceiver):
    """Strikes its requests with ``faults`` in turn, then with the last of them for ever."""

    def __init__(self, *faults: str) -> None:
        self.faults = [FAULTS[name] for name in faults]
        super().__init__([fault.step for fault in self.faults])

    def struck(self) -> list[tuple[Fault, list[bytes]]]:
        """Every request: its fault, and the ids of its spans as far as they were received."""
        return [
            (
                self.faults[min(index, len(self.faults) - 1)],
                [span.span_id for span in spans_in([request.body])],
            )
            for index, request in enumerate(self.requests)
        ]

    def check_acknowledged(self, stats: dict[str, Any]) -> None:
        """The processor knows exactly what was acknowledged and what was rejected."""
        accepted = [(fault, ids) for fault, ids in self.struck() if fault.verdict is Verdict.ACCEPTED]
        rejected = sum(min(fault.rejected, len(ids)) for fault, ids in accepted)
        assert stats["rejected"] == rejected
        assert stats["exported"] == sum(len(ids) for _, ids in accepted) - rejected

    def check_repeats(self) -> None:
        """A span is sent again only where nobody said what became of it, or where the receiver asked for it."""
        settled: set[bytes] = set()
        for fault, ids in self.struck():
            assert not settled & set(ids), "sent again after it was settled"
            assert len(set(ids)) == len(ids)
            if fault.verdict in (Verdict.ACCEPTED, Verdict.REFUSED, Verdict.TIMEOUT):
                settled.update(ids)


@contextmanager
def watched(processor: nanospan.BatchSpanProcessor) -> Iterator[None]:
    """Checks the balance without pause, from another thread."""
    stop = threading.Event()
    faults: list[AssertionError] = []
    looks = 0

    def watch() -> None:
        nonlocal looks
        while not stop.is_set():
            try:
                check_balance(processor.stats())
            except AssertionError as error:
                faults.append(error)
                return
            looks += 1

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert not faults, faults[0]
    assert looks


def check_at_rest(processor: nanospan.BatchSpanProcessor) -> dict[str, Any]:
    stats = processor.stats()
    check_balance(stats)
    assert stats["queued"] == processor._batch_processor._queue.depth == 0
    return stats


def new_processor(receiver: HttpReceiver, timeout: float = WAIT, **settings: Any) -> nanospan.BatchSpanProcessor:
    settings.setdefault("schedule_delay_millis", 600_000)
    return nanospan.BatchSpanProcessor(OTLPSpanExporter(receiver.url, timeout=timeout), **settings)


def flush(processor: nanospan.BatchSpanProcessor) -> bool:
    return processor.force_flush(int(WAIT * 1000))


def expected_account(fault: Fault) -> tuple[int, int, dict[str, int]]:
    if fault.verdict in (Verdict.REFUSED, Verdict.TIMEOUT):
        return 0, 0, {"export_failed": SPANS}
    rejected = min(fault.rejected, SPANS)
    return SPANS - rejected, rejected, {}


@pytest.mark.parametrize("name", FAULTS)
def test_one_fault(name: str) -> None:
    given_time(1.0 if FAULTS[name].verdict is Verdict.TIMEOUT else WAIT, lambda timeout: check_one_fault(name, timeout))


def check_one_fault(name: str, timeout: float) -> None:
    fault = FAULTS[name]
    with FaultyReceiver(name, "none") as receiver:
        processor = new_processor(receiver, timeout=timeout)
        with watched(processor):
            for _ in range(SPANS):
                processor.on_end(ended_span())
            flushed = flush(processor)
        stats = check_at_rest(processor)
        processor.shutdown()
        assert (stats["exported"], stats["rejected"], lost(stats)) == expected_account(fault)
        # A rejection is a decision of the receiver, not a failure to deliver.
        assert flushed is not (fault.verdict in (Verdict.REFUSED, Verdict.TIMEOUT))
        receiver.check_acknowledged(stats)
        receiver.check_repeats()
        assert len(receiver.requests) == {Verdict.AGAIN: 2, Verdict.SPLIT: 3}.get(fault.verdict, 1)


@pytest.mark.parametrize("name", ["429", "503", "reset after the request", "nonsense", "413"])
def test_fault_without_end(name: str) -> None:
    with FaultyReceiver(name) as receiver:
        processor = new_processor(receiver)
        with watched(processor):
            for _ in range(SPANS):
                processor.on_end(ended_span())
            assert not flush(processor)
        stats = check_at_rest(processor)
        processor.shutdown()
        assert lost(stats) == {"export_failed": SPANS}
        receiver.check_acknowledged(stats)
        assert len(receiver.requests) < 20


def test_nobody_listens() -> None:
    processor = nanospan.BatchSpanProcessor(OTLPSpanExporter(f"http://127.0.0.1:{unused_port()}/v1/traces"))
    with watched(processor):
        for _ in range(SPANS):
            processor.on_end(ended_span())
        assert not flush(processor)
    assert lost(check_at_rest(processor)) == {"export_failed": SPANS}
    processor.shutdown()


@pytest.mark.thread_unsafe(reason="what is not answered in the timeout counts as lost")
@pytest.mark.parametrize("seed", range(4 if runs_all() else 1))
def test_random_faults(seed: int) -> None:
    given_time(3.0, lambda timeout: check_random_faults(seed, timeout))


def check_random_faults(seed: int, timeout: float) -> None:
    chance = random.Random(seed)
    quick = [name for name, fault in FAULTS.items() if fault.verdict is not Verdict.TIMEOUT]
    schedule = chance.choices(quick, k=80)
    # In time with the worst: a hang takes the whole timeout.
    schedule[chance.randrange(80)] = "hang"
    threads, each = 2, 2000
    with FaultyReceiver(*schedule, "none") as receiver:
        processor = new_processor(receiver, timeout=timeout, max_queue_size=threads * each, max_export_batch_size=50)

        def work() -> None:
            for number in range(each):
                processor.on_end(ended_span(f"span {number}"))

        workers = [threading.Thread(target=work) for _ in range(threads)]
        with watched(processor):
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            flush(processor)
        stats = check_at_rest(processor)
        processor.shutdown()
        assert len(receiver.requests) > len(schedule)
        assert stats["ended"] == threads * each
        assert set(lost(stats)) <= {"export_failed"}
        receiver.check_acknowledged(stats)
        receiver.check_repeats()


def test_on_end_does_not_wait_for_a_receiver_that_hangs() -> None:
    """The receiver answers nothing before the test is over: every call here returns during one and the same export."""
    with FaultyReceiver("hang") as receiver:
        processor = new_processor(receiver, max_queue_size=64, max_export_batch_size=32)
        for _ in range(32):
            processor.on_end(ended_span())
        receiver.wait_for(lambda: len(receiver.requests) == 1)
        with watched(processor):
            for _ in range(10_000):
                processor.on_end(ended_span())
        stats = processor.stats()
        assert lost(stats) == {"queue_full": 10_000 - 64}
        assert (stats["queued"], processor._batch_processor._queue.depth) == (32 + 64, 64)
        assert len(receiver.requests) == 1
    # The end of the receiver is a reset to the export.
    wait_until(lambda: processor.stats()["dropped"]["export_failed"] > 0, "the export has failed")
    processor.shutdown()
    check_at_rest(processor)


GrpcStep = Callable[[bytes, Any], bytes]


def abort(code: str) -> GrpcStep:
    import grpc

    def step(body: bytes, context: Any) -> bytes:
        context.abort(getattr(grpc.StatusCode, code), "scripted")
        return b""

    return step


def accept(body: bytes, context: Any) -> bytes:
    return b""


@pytest.mark.parametrize(
    ("code", "exported", "calls"),
    [
        ("UNAVAILABLE", SPANS, 2),
        ("DEADLINE_EXCEEDED", SPANS, 2),
        ("RESOURCE_EXHAUSTED", SPANS, 3),
        ("INVALID_ARGUMENT", 0, 1),
        ("INTERNAL", 0, 1),
    ],
)
def test_fault_of_a_grpc_receiver(code: str, exported: int, calls: int) -> None:
    pytest.importorskip("grpc", reason="grpcio is not installed")
    stats, bodies = through_grpc(abort(code), accept)
    assert stats["exported"] == exported
    assert lost(stats) == ({} if exported else {"export_failed": SPANS})
    assert len(bodies) == calls


def test_partial_success_of_a_grpc_receiver() -> None:
    pytest.importorskip("grpc", reason="grpcio is not installed")
    stats, bodies = through_grpc(lambda body, context: partial_success(REJECTED, "no"))
    assert (stats["exported"], stats["rejected"], lost(stats)) == (SPANS - REJECTED, REJECTED, {})
    assert len(bodies) == 1


def test_nonsense_from_a_grpc_receiver() -> None:
    pytest.importorskip("grpc", reason="grpcio is not installed")
    stats, bodies = through_grpc(lambda body, context: b"\xff\xff\xff")
    assert (stats["exported"], lost(stats), len(bodies)) == (SPANS, {}, 1)


def test_grpc_receiver_that_hangs() -> None:
    pytest.importorskip("grpc", reason="grpcio is not installed")
    released = threading.Event()

    def wait(body: bytes, context: Any) -> bytes:
        released.wait(WAIT)
        return b""

    stats, _ = through_grpc(wait, timeout=1.0, finally_=released.set)
    assert (stats["exported"], lost(stats)) == (0, {"export_failed": SPANS})


def through_grpc(
    *script: GrpcStep, timeout: float = WAIT, finally_: Callable[[], object] = lambda: None
) -> tuple[dict[str, Any], list[bytes]]:
    from support.receivers import GrpcReceiver

    from nanospan.export.grpc import OTLPSpanExporter as GrpcExporter

    with GrpcReceiver(*script) as receiver:
        exporter = GrpcExporter(f"http://{receiver.target}", timeout=timeout)
        processor = nanospan.BatchSpanProcessor(exporter, schedule_delay_millis=600_000)
        with watched(processor):
            for _ in range(SPANS):
                processor.on_end(ended_span())
            flush(processor)
        stats = check_at_rest(processor)
        finally_()
        processor.shutdown()
        return stats, receiver.bodies
