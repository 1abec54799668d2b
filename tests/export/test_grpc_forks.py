"""The gate between calls of grpcio and forks: who waits for whom, and for how long. Real forks: test_grpc_fork.py."""

from __future__ import annotations

import gc
import logging
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from support.receivers import DONE, WAIT, GrpcReceiver, batch

from nanospan.export._transport import grpc_fork_gate
from nanospan.export._transport.grpc_fork_gate import ForkGate, InFlightCall

FOREVER = 1e6


@pytest.fixture
def elsewhere() -> Iterator[Callable[..., Any]]:
    """Calls a function in another thread, one and the same, and returns what it returns."""
    with ThreadPoolExecutor(1) as pool:
        yield lambda function, *arguments: pool.submit(function, *arguments).result(WAIT)


def enter(gate: ForkGate, interruptions: int = 0) -> InFlightCall:
    passage = gate.begin_call(0, interruptions)
    assert passage is not None
    return passage


def fork_that_waits(gate: ForkGate) -> threading.Thread:
    """A thread that is about to fork, and has found somebody inside."""
    fork = threading.Thread(target=gate.before_fork)
    fork.start()
    # Under the lock of the gate, which the fork lets go of where it waits.
    while True:
        with gate._changed:
            if gate._forking:
                return fork


def test_a_fork_interrupts_who_is_inside_and_waits(elsewhere: Callable[..., Any]) -> None:
    gate = ForkGate(grace=0, patience=FOREVER)
    passage = elsewhere(enter, gate)
    assert passage.begin(lambda: gate.end_call(passage))
    gate.before_fork()
    assert passage.interrupted


def test_a_call_that_ends_by_itself_is_not_interrupted(elsewhere: Callable[..., Any]) -> None:
    gate = ForkGate(grace=FOREVER)
    passage = elsewhere(enter, gate)
    fork = fork_that_waits(gate)
    gate.end_call(passage)
    fork.join(WAIT)
    assert not fork.is_alive()
    assert not passage.interrupted


def test_who_is_interrupted_before_the_call_begins_is_told_so(elsewhere: Callable[..., Any]) -> None:
    gate = ForkGate(grace=0, patience=0)
    passage = elsewhere(enter, gate)
    gate.before_fork()
    assert not passage.begin(lambda: None)


def test_nobody_enters_while_a_thread_forks(elsewhere: Callable[..., Any]) -> None:
    gate = ForkGate()
    gate.before_fork()
    elsewhere(gate.before_fork)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(gate.begin_call, 0.01).result(WAIT) is None
        waiting = pool.submit(gate.begin_call, FOREVER)
        gate.after_fork_in_parent()
        # The other thread still forks.
        assert not waiting.done()
        elsewhere(gate.after_fork_in_parent)
        assert waiting.result(WAIT) is not None


def test_a_thread_does_not_wait_for_its_own_fork() -> None:
    """A signal handler that forks, and what hooks of the fork export."""
    gate = ForkGate(grace=FOREVER, patience=FOREVER)
    outer = enter(gate)
    gate.before_fork()
    gate.end_call(enter(gate))
    gate.after_fork_in_parent()
    assert not outer.interrupted


def test_a_call_that_does_not_return_is_left_behind_and_told_once(
    elsewhere: Callable[..., Any], caplog: pytest.LogCaptureFixture
) -> None:
    gate = ForkGate(grace=0, patience=0.01)
    passage = elsewhere(enter, gate)

    def no_way_out() -> None:
        raise RuntimeError("the door is stuck")

    passage.begin(no_way_out)
    gate.before_fork()
    assert caplog.records == []
    for _ in range(2):
        gate.after_fork_in_parent()
        gate.before_fork()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "did not return within 0.01 s" in record.getMessage()


def test_a_child_finds_the_gate_open(monkeypatch: pytest.MonkeyPatch, elsewhere: Callable[..., Any]) -> None:
    gate = ForkGate(grace=FOREVER)
    elsewhere(enter, gate)
    # As if threads of the parent had held the lock and been on their way to a fork.
    elsewhere(gate._changed.acquire)
    elsewhere(gate._forking.append, 1)
    child = os.getpid() + 1
    monkeypatch.setattr(os, "getpid", lambda: child)
    gate.end_call(enter(gate))
    gate.before_fork()


def test_the_gate_keeps_no_exporter() -> None:
    pytest.importorskip("grpc", reason="grpcio is not installed")
    from support.grpc_steps import exporter

    from nanospan.export._transport.grpc_fork_gate import fork_gate

    with GrpcReceiver() as receiver:
        sender = exporter(receiver)
        assert sender.export_encoded(batch()) == DONE
        transport = weakref.ref(sender._delivery.transport)
        sender.shutdown()
        del sender
        gc.collect()
        assert transport() is None
        assert not fork_gate._inside


def test_a_call_that_ends_just_before_it_is_interrupted_costs_its_channel_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fork has it on its list of who is inside, and closes the channel after it has left."""
    pytest.importorskip("grpc", reason="grpcio is not installed")
    from support.grpc_steps import exporter

    from nanospan.export._transport.grpc_fork_gate import fork_gate

    left: list[InFlightCall] = []
    leave = fork_gate.end_call

    def note(passage: InFlightCall) -> None:
        left.append(passage)
        leave(passage)

    monkeypatch.setattr(fork_gate, "end_call", note)
    with GrpcReceiver() as receiver:
        sender = exporter(receiver)
        assert sender.export_encoded(batch()) == DONE
        left[0].interrupt()
        assert sender.export_encoded(batch()) == DONE
        sender.shutdown()


def test_an_interrupted_call_is_made_again_at_once_over_a_new_channel(no_backoff: list[int]) -> None:
    pytest.importorskip("grpc", reason="grpcio is not installed")
    from support.grpc_steps import accept, exporter

    from nanospan.export._delivery.backoff import FREE_INTERRUPTIONS
    from nanospan.export._transport.grpc_fork_gate import fork_gate

    arrived = threading.Event()

    def hang(body: bytes, context: Any) -> bytes:
        ended = threading.Event()
        context.add_callback(ended.set)
        arrived.set()
        ended.wait(WAIT)
        return b""

    with GrpcReceiver(*[hang] * (FREE_INTERRUPTIONS + 1), accept) as receiver, ThreadPoolExecutor(1) as pool:
        sender = exporter(receiver)
        export = pool.submit(sender.export_encoded, batch())
        for _ in range(FREE_INTERRUPTIONS + 1):
            assert no_backoff == []
            assert arrived.wait(WAIT)
            arrived.clear()
            fork_gate.before_fork()
            fork_gate.after_fork_in_parent()
        assert export.result(WAIT) == DONE
        assert len(receiver.bodies) == FREE_INTERRUPTIONS + 2
        sender.shutdown()
    # A process that goes on like that does not send the same without a pause.
    assert no_backoff == [0]


def test_who_was_interrupted_before_is_given_more_time(
    elsewhere: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the clock of the gate, which the test holds still: each wait takes all the time that is left."""
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(round(seconds, 6))
        clock[0] += seconds

    clock = [0.0]
    monkeypatch.setattr(grpc_fork_gate, "monotonic", lambda: clock[0])
    for interruptions in (0, 1, 2, 3, 1000):
        gate = ForkGate()
        gate._changed.wait = wait  # type: ignore[method-assign, assignment]
        elsewhere(enter, gate, interruptions)
        gate.before_fork()
    assert waits[::2] == [0.01, 0.04, 0.16, 0.4, 0.4]
    assert set(waits[1::2]) == {grpc_fork_gate.PATIENCE_SECONDS}


def test_who_interrupts_is_inside_meanwhile(elsewhere: Callable[..., Any]) -> None:
    gate = ForkGate(grace=0, patience=0)
    found: list[int] = []
    passage = elsewhere(enter, gate)
    passage.begin(lambda: found.append(len(gate._others(threading.get_ident() + 1))))
    gate.before_fork()
    assert found == [2]
    assert gate._inside == {passage}


def test_a_signal_that_strikes_after_the_fork_does_not_shut_the_gate() -> None:
    class Struck(list[int]):
        def remove(self, thread: int) -> None:
            gate._forking = list(self)
            raise KeyboardInterrupt

    gate = ForkGate()
    gate.before_fork()
    gate._forking = Struck(gate._forking)
    with pytest.raises(KeyboardInterrupt):
        gate.after_fork_in_parent()
    assert not gate._forking
