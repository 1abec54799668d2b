"""How long an end and a write wait for another thread's write: once, and not for a thread that does not exist."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

import nanospan
from nanospan._common import waiting


class Stuck:
    """A value whose text comes when it is let go."""

    def __init__(self) -> None:
        self.entered, self.released = threading.Event(), threading.Event()

    def __str__(self) -> str:
        self.entered.set()
        self.released.wait(30)
        return "late"


class Slow:
    def __str__(self) -> str:
        return "text"


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each wait of this process was successful; one in vain takes no time."""
    results: list[bool] = []

    def wait_until(self: waiting.Waiters, done: Any, seconds: float) -> bool:
        results.append(done())
        return results[-1]

    monkeypatch.setattr(waiting.Waiters, "wait_until", wait_until)
    return results


@pytest.fixture
def stuck() -> Iterator[tuple[Any, Stuck]]:
    """A span into which another thread is writing."""
    span = nanospan.TracerProvider(shutdown_on_exit=False).get_tracer("t").start_span("s")
    value = Stuck()
    thread = threading.Thread(target=span.set_attribute, args=("stuck", value))
    thread.start()
    value.entered.wait(30)
    yield span, value
    value.released.set()
    thread.join()


def test_nobody_waits_twice_for_one_write(stuck: tuple[Any, Stuck], waits: list[bool]) -> None:
    span, _ = stuck
    for i in range(3):
        span.set_attribute(f"k{i}", Slow())
    span.end()
    assert waits == [False]
    assert dict(span.attributes) == {f"k{i}": "text" for i in range(3)}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="os.fork is not available")
def test_a_child_does_not_wait_for_a_thread_of_its_parent(stuck: tuple[Any, Stuck], waits: list[bool]) -> None:
    span, _ = stuck
    child = os.fork()
    if child == 0:
        status = 1
        try:
            span.set_attribute("k", Slow())
            span.end()
            status = 0 if waits == [] and dict(span.attributes) == {"k": "text"} else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_handler_writes_while_its_thread_waits_to_end(stuck: tuple[Any, Stuck], monkeypatch: pytest.MonkeyPatch) -> None:
    span, value = stuck
    turns: list[bool] = []

    def wait_until(self: waiting.Waiters, done: Any, seconds: float) -> bool:
        if done.__name__ == "has_no_other_writer" and not turns:
            value.released.set()  # the write ends; as a handler of a signal, this thread now writes
            while not done():
                time.sleep(0.001)  # lets the other thread enter the span's critical section
            turns.append(True)
            span.set_attribute("handler", Slow())
        else:
            turns.append(False)
        return bool(done())

    monkeypatch.setattr(waiting.Waiters, "wait_until", wait_until)
    span.end()
    assert turns == [True]
    assert dict(span.attributes) == {"stuck": "late", "handler": "text"}
