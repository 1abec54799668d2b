"""asyncio, uvloop and gevent: spans of interleaved tasks, the ends of a loop, and a worker that must not stop the others."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable

import pytest
from support.accounting import check_balance, spans_in
from support.extra_packages import Environment
from support.launcher import NO_FORK_WARNINGS, PYTHON, SERVERS, Launcher, Running, check_orderly, each_tracing, names
from support.receivers import HttpReceiver, answer

SPANS = 10


def check_steps_in_tasks(launcher: Launcher) -> None:
    spans = {span.name: span for span in spans_in(request.body for request in launcher.receiver.requests)}
    for number in range(SPANS):
        assert spans[f"step-{number}"].parent_span_id == spans[f"task-{number}"].span_id
        assert not spans[f"task-{number}"].parent_span_id


# --- asyncio and uvloop ------------------------------------------------------------------------------------------------

Start = Callable[..., Running]


@pytest.fixture(params=["asyncio", "uvloop"])
def start(request: pytest.FixtureRequest, launcher: Launcher, with_packages: Callable[..., Environment]) -> Start:
    """Starts a scenario of ``asyncio_app.py`` in one of the loops."""
    program: tuple[str, ...] = PYTHON
    arguments: list[str] = []
    if request.param == "uvloop":
        program = (with_packages("uvloop").python, *NO_FORK_WARNINGS)
        arguments = ["uvloop"]

    def start(scenario: str) -> Running:
        return launcher.start_command([str(SERVERS / "asyncio_app.py"), scenario, *arguments], program=program)

    return start


@each_tracing
def test_tasks_to_the_end_of_the_loop(launcher: Launcher, start: Start) -> None:
    check_orderly(start("to_the_end").finish(), processes=1)
    assert launcher.received() == names("task", SPANS) + names("step", SPANS)
    check_steps_in_tasks(launcher)


@each_tracing
def test_sigterm_that_stops_the_loop(launcher: Launcher, start: Start) -> None:
    running = start("sigterm")
    assert running.line()["ready"]
    running.signal(signal.SIGTERM)
    check_orderly(running.finish(), processes=1)
    assert launcher.received() == names("task", SPANS) + names("step", SPANS)


@each_tracing
def test_sigint_that_cancels_the_tasks(launcher: Launcher, start: Start) -> None:
    running = start("sigint")
    assert running.line()["ready"]
    running.signal(signal.SIGINT)
    finished = running.finish()
    assert finished.code == -signal.SIGINT
    assert finished.stderr.splitlines()[-1] == "KeyboardInterrupt"
    assert "nanospan/" not in finished.stderr
    assert launcher.received() == names("task", SPANS)


@each_tracing
def test_child_process_of_the_loop(launcher: Launcher, start: Start) -> None:
    finished = start("child_process").finish()
    check_orderly(finished, processes=1)
    assert (finished.reported("child_code"), finished.reported("queued")) == ([0], [2 * SPANS])
    assert launcher.received() == names("task", SPANS) + names("step", SPANS)


# --- gevent ------------------------------------------------------------------------------------------------------------


each_order = pytest.mark.parametrize("order", ["first", "late"])
"""gevent patches first, or after nanospan was imported."""


@pytest.fixture
def start_gevent(launcher: Launcher, with_packages: Callable[..., Environment]) -> Start:
    program = (with_packages("gevent").python, *NO_FORK_WARNINGS)

    def start(scenario: str, order: str = "first") -> Running:
        return launcher.start_command([str(SERVERS / "gevent_app.py"), scenario, order], program=program)

    return start


@each_tracing
@each_order
def test_gevent_to_the_end(launcher: Launcher, start_gevent: Start, order: str) -> None:
    finished = start_gevent("to_the_end", order).finish()
    check_orderly(finished, processes=1)
    assert finished.reported("turns") == [SPANS]
    assert launcher.received() == names("task", SPANS) + names("step", SPANS)
    check_steps_in_tasks(launcher)


@each_tracing
@each_order
def test_gevent_worker_sends_a_full_batch(launcher: Launcher, start_gevent: Start, order: str) -> None:
    running = start_gevent("full_batch", order)
    launcher.receiver.wait_for(lambda: bool(launcher.receiver.requests))
    check_orderly(running.finish(), processes=1)
    assert launcher.received() == names("span", SPANS)


@each_tracing
@each_order
def test_gevent_flush(launcher: Launcher, start_gevent: Start, order: str) -> None:
    finished = start_gevent("flush", order).finish()
    check_orderly(finished, processes=1)
    assert (finished.reported("flushed"), finished.reported("turns")) == ([True], [SPANS])
    assert launcher.received() == names("span", SPANS - 1)


@each_tracing
def test_gevent_sigterm(launcher: Launcher, start_gevent: Start) -> None:
    running = start_gevent("sigterm")
    assert running.line()["ready"]
    running.signal(signal.SIGTERM)
    check_orderly(running.finish(), processes=1)
    assert launcher.received() == names("span", SPANS - 1)


@each_tracing
def test_gevent_fork_with_spans_queued(launcher: Launcher, start_gevent: Start) -> None:
    finished = start_gevent("fork").finish()
    check_orderly(finished, processes=2)
    assert finished.reported("child_code") == [0]
    assert launcher.received() == names("parent", SPANS) + names("child", SPANS - 1)


@each_tracing
def test_gevent_fork_during_an_export(launcher: Launcher, start_gevent: Start) -> None:
    """The answer that the parent waits for is not read by its child."""

    def patient(connection: socket.socket, server: HttpReceiver) -> bool:
        server.wait_for(lambda: len(server.requests) > 1)
        return answer(200)(connection, server)

    launcher.receiver.script = [patient, answer(200)]
    running = start_gevent("fork_during_export")
    launcher.receiver.wait_for(lambda: len(launcher.receiver.requests) == 1)
    running.proceed()
    finished = running.finish()
    check_orderly(finished, processes=1)
    assert (finished.reported("child_code"), finished.reported("flushed")) == ([0], [True])
    (child,) = finished.reported("stats")
    check_balance(child)
    assert (child["ended"], child["exported"]) == (SPANS - 1, SPANS - 1)
    assert launcher.received() == names("parent", SPANS) + names("child", SPANS - 1)
