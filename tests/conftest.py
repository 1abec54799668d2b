"""Fixtures of several modules; those of one folder are in its own conftest.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from support.one_thread import reason_for_one_thread

if TYPE_CHECKING:
    from support.receivers import HttpReceiver
    from support.tail_pipeline import Pipeline

# How long an example takes depends on the machine.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


def pytest_itemcollected(item: pytest.Item) -> None:
    if reason := reason_for_one_thread(item):
        item.add_marker(pytest.mark.thread_unsafe(reason=reason))


SECOND = 1_000_000_000
START = 1000 * SECOND


@pytest.fixture
def clean_environment() -> Iterator[None]:
    """No variable of the machine decides a test."""
    from support.accounting import clear_environment

    # Not the fixture monkeypatch, with which no test would be run in several threads.
    with pytest.MonkeyPatch.context() as monkeypatch:
        clear_environment(monkeypatch)
        yield


@pytest.fixture
def receiver() -> Iterator[HttpReceiver]:
    from support.receivers import HttpReceiver

    with HttpReceiver() as receiver:
        yield receiver


@pytest.fixture
def make_pipeline(receiver: HttpReceiver) -> Iterator[Callable[..., Pipeline]]:
    """Makes tracers with tail sampling before the receiver, and shuts them down."""
    from support.tail_pipeline import Pipeline

    made: list[Pipeline] = []

    def make(**arguments: Any) -> Pipeline:
        made.append(Pipeline(receiver, **arguments))
        return made[-1]

    yield make
    for pipeline in made:
        pipeline.provider.shutdown()


@pytest.fixture
def set_clock() -> Iterator[Callable[[float], None]]:
    """Sets the samplers' clock to so many seconds after it was first read."""
    from nanospan_testing import hold_clock

    def set_to(seconds: float) -> None:
        hold_clock(START + round(seconds * SECOND))

    set_to(0)
    yield set_to
    hold_clock(None)
