"""`opentelemetry.context.detach` of a token of another context: counted, not logged, where nanospan is in place."""

from __future__ import annotations

import contextvars
import itertools
import logging
import subprocess
import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Protocol

import pytest
from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext
from support.accounting import WAIT

import nanospan
from nanospan import concurrency

pytestmark = pytest.mark.thread_unsafe(reason="changes a class of the API")

METHOD = ContextVarsRuntimeContext.detach
API = "opentelemetry.context"


class Installed(Protocol):
    def undo(self) -> None: ...


class OfAnother:
    """What another package might replace the method by, calling what was there."""

    def __init__(self) -> None:
        self.before, self.calls = ContextVarsRuntimeContext.detach, 0
        ContextVarsRuntimeContext.detach = self.made = lambda runtime, token: self.detach(runtime, token)  # type: ignore[method-assign]

    def detach(self, runtime: Any, token: Any) -> None:
        self.calls += 1
        self.before(runtime, token)

    def undo(self) -> None:
        if ContextVarsRuntimeContext.detach is self.made:
            ContextVarsRuntimeContext.detach = self.before  # type: ignore[method-assign]


MAKERS: dict[str, Callable[[], Installed]] = {
    "install": nanospan.install,
    "threads": concurrency.instrument_threads,
    "another": OfAnother,
}


def detach_a_foreign_token() -> int:
    """How many were counted."""
    before = concurrency.stats()["foreign_detach"]
    context.detach(contextvars.copy_context().run(context.attach, Context({"key": "value"})))
    assert context.get_current() == {}
    return concurrency.stats()["foreign_detach"] - before


@pytest.mark.parametrize("undone", list(itertools.permutations(MAKERS)), ids=" ".join)
@pytest.mark.parametrize("made", list(itertools.permutations(MAKERS)), ids=" ".join)
def test_quiet_while_it_is_in_place_and_as_before_afterwards(
    made: tuple[str, ...], undone: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    assert ContextVarsRuntimeContext.detach is METHOD
    caplog.set_level(logging.ERROR, API)
    active: dict[str, Installed] = {}

    def check() -> None:
        caplog.clear()
        quiet = bool({"install", "threads"} & set(active))
        assert detach_a_foreign_token() == quiet
        assert [record.message for record in caplog.records] == ([] if quiet else ["Failed to detach context"])

    try:
        for name in made:
            active[name] = MAKERS[name]()
            check()
        for name in undone:
            active.pop(name).undo()
            check()
        # In another order a replacement may lie beneath one that is still wanted, and stays: it calls through.
        assert ContextVarsRuntimeContext.detach is METHOD or undone != made[::-1]
    finally:
        ContextVarsRuntimeContext.detach = METHOD  # type: ignore[method-assign]


def used_before() -> Any:
    token = context.attach(Context())
    context.detach(token)
    return token


@pytest.mark.parametrize("make", [lambda: "no token", used_before, lambda: ContextVar("another").set(1)])
def test_other_faults_are_reported_as_ever(make: Callable[[], Any], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, API)
    with concurrency.instrument_threads():
        before = concurrency.stats()["foreign_detach"]
        context.detach(make())
        assert concurrency.stats()["foreign_detach"] == before
    assert [record.message for record in caplog.records] == ["Failed to detach context"]


def test_the_detection_sees_them() -> None:
    with concurrency.instrument_threads(), concurrency.detect() as detection:
        assert detach_a_foreign_token() == 1
        assert detection.stats()["signals"]["detach.foreign"] == 1


FOREIGN = """
import contextvars, logging
logging.basicConfig(format="%(message)s")
{configure}
from opentelemetry import context
context.detach(contextvars.copy_context().run(context.attach, context.Context()))
from nanospan.concurrency import stats
print(stats()["foreign_detach"])
"""
CONFIGURE = "from nanospan.configurator import Configurator; Configurator().configure()"


@pytest.mark.parametrize(("under", "configure"), [(("-m", "nanospan.cli", "run", sys.executable), ""), ((), CONFIGURE)])
def test_in_a_process_that_is_configured(under: tuple[str, ...], configure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    if under:
        pytest.importorskip("click", reason="click is not installed")
    command = [sys.executable, *under, "-c", FOREIGN.format(configure=configure)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=WAIT)
    assert (run.stdout, run.stderr) == ("1\n", "")
