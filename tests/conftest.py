"""Fixtures of several modules; those of one folder are in its own conftest.py."""

from __future__ import annotations

import contextlib
import signal
import warnings
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from support.sdk_releases import reason_for_sdk
from support.selection import examples
from support.selection.one_thread import reason_for_one_thread
from support.selection.slow_tests import is_named, reason_for_slow

from nanospan._common.log import say_what_the_process_held_back

if TYPE_CHECKING:
    from support.receivers import HttpReceiver
    from support.tail_pipeline import Pipeline


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all",
        action="store_true",
        help="run the slow tests too (see tests/support/selection/slow_tests.py), and each property over all its examples",
    )
    parser.addoption("--slow", action="store_true", help="run only what plain `pytest` leaves out")


def pytest_configure(config: pytest.Config) -> None:
    _let_programs_get_signals()
    examples.register_profiles()
    if not config.getoption("hypothesis_profile", None):
        settings.load_profile(examples.ALL if config.getoption("all") or config.getoption("slow") else examples.FAST)


@pytest.fixture(autouse=True)
def nothing_held_back() -> Iterator[None]:
    """What a test has kept from the log for being said before is not said in the next one."""
    yield
    say_what_the_process_held_back()


def _let_programs_get_signals() -> None:
    """Programs that tests start inherit ignored signals: a shell ignores SIGINT in its background jobs, nohup SIGHUP."""
    with contextlib.suppress(ValueError):  # not in the main thread
        for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
            if signal.getsignal(number) is signal.SIG_IGN:
                signal.signal(number, handler)


def pytest_itemcollected(item: pytest.Item) -> None:
    if reason := reason_for_one_thread(item):
        item.add_marker(pytest.mark.thread_unsafe(reason=reason))
    if reason := reason_for_sdk(item):
        item.add_marker(pytest.mark.skip(reason=reason))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("all"):
        return
    if config.getoption("slow"):
        left_out = {item for item in items if not reason_for_slow(item)}
    else:
        left_out = {item for item in items if reason_for_slow(item) and not is_named(item)}
    if left_out:
        config.hook.pytest_deselected(items=[item for item in items if item in left_out])
        items[:] = [item for item in items if item not in left_out]


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Escape lone surrogates, which tests print and log and which pytest-xdist cannot send between its processes."""
    return _without_surrogates((yield))


@pytest.hookimpl(tryfirst=True)
def pytest_warning_recorded(warning_message: warnings.WarningMessage) -> None:
    if isinstance(warning_message.message, Warning):
        warning_message.message.args = _without_surrogates(warning_message.message.args)


def _without_surrogates(value: Any) -> Any:
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case dict():
            return {_without_surrogates(key): _without_surrogates(one) for key, one in value.items()}
        case list():
            return [_without_surrogates(one) for one in value]
        case tuple():
            return tuple(_without_surrogates(one) for one in value)
        case _:
            return value


SECOND = 1_000_000_000
START = 1000 * SECOND


@pytest.fixture(autouse=True)
def each_test_hears_of_wrong_variables() -> None:
    """A process warns once about a variable."""
    from nanospan._common import environment

    environment._warned.clear()


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
