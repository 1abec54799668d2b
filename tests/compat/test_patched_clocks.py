"""Clocks that tests of applications freeze or replace: spans follow them if told so, deadlines never do."""

from __future__ import annotations

import ast
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from unittest import mock

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Tracer

import nanospan
from nanospan._common import environment
from nanospan._common.clock import monotonic
from nanospan._common.log import WindowedLog
from nanospan._native.trace import use_python_clock

pytestmark = pytest.mark.thread_unsafe(reason="replaces the clock of the process")

FROZEN = 1_577_836_800_000_000_000  # 2020-01-01, UTC
VARIABLE = "OTEL_PYTHON_NANOSPAN_CLOCK"
PACKAGE = Path(nanospan.__file__).parent


def frozen_by_freezegun(nanoseconds: int) -> AbstractContextManager[object]:
    freezegun = pytest.importorskip("freezegun", reason="freezegun is not installed")
    return freezegun.freeze_time(time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(nanoseconds / 1e9)))


def frozen_by_time_machine(nanoseconds: int) -> AbstractContextManager[object]:
    time_machine = pytest.importorskip("time_machine", reason="time-machine is not installed")
    return time_machine.travel(nanoseconds / 1e9, tick=False)


def frozen_by_mock(nanoseconds: int) -> AbstractContextManager[object]:
    return mock.patch("time.time_ns", lambda: nanoseconds)


Freeze = Callable[[int], AbstractContextManager[object]]
each_tool = pytest.mark.parametrize("freeze", [frozen_by_freezegun, frozen_by_time_machine, frozen_by_mock])


@pytest.fixture(autouse=True)
def clock_as_before() -> Iterator[None]:
    yield
    use_python_clock(False)


def tracer_with(monkeypatch: pytest.MonkeyPatch, clock: str | None) -> Tracer:
    if clock is None:
        monkeypatch.delenv(VARIABLE, raising=False)
    else:
        monkeypatch.setenv(VARIABLE, clock)
    return nanospan.TracerProvider(shutdown_on_exit=False).get_tracer("name")


def times_of(span: ReadableSpan) -> list[int | None]:
    return [span.start_time, *(event.timestamp for event in span.events), span.end_time]


def traced(tracer: Tracer, freeze: Freeze, later: Freeze) -> ReadableSpan:
    """A span with an event and an exception, that starts at one time and has the rest at another."""
    with freeze(FROZEN):
        span = tracer.start_span("span")
    with later(FROZEN + 5_000_000_000):
        span.add_event("event")
        span.record_exception(ValueError("text"))
        span.end()
    assert isinstance(span, ReadableSpan)
    return span


@each_tool
def test_spans_follow_pythons_clock_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch, freeze: Freeze) -> None:
    later = FROZEN + 5_000_000_000
    native = traced(tracer_with(monkeypatch, "python"), freeze, freeze)
    assert times_of(native) == [FROZEN, later, later, later]
    if freeze is not frozen_by_mock:  # the SDK has a name of its own for the function
        stock = traced(sdk.TracerProvider(shutdown_on_exit=False).get_tracer("name"), freeze, freeze)
        assert times_of(stock) == times_of(native)
    request = ExportTraceServiceRequest.FromString(nanospan.encode_spans([native]))
    (sent,) = request.resource_spans[0].scope_spans[0].spans
    assert (sent.start_time_unix_nano, sent.end_time_unix_nano) == (FROZEN, later)


@each_tool
def test_spans_read_the_systems_clock_otherwise(monkeypatch: pytest.MonkeyPatch, freeze: Freeze) -> None:
    before = time.clock_gettime_ns(time.CLOCK_REALTIME)
    span = traced(tracer_with(monkeypatch, None), freeze, freeze)
    after = time.clock_gettime_ns(time.CLOCK_REALTIME)
    times = [before, *times_of(span), after]
    assert times == sorted(times) and len(times) == 6


@each_tool
def test_times_that_the_caller_gives_are_kept(monkeypatch: pytest.MonkeyPatch, freeze: Freeze) -> None:
    tracer = tracer_with(monkeypatch, "python")
    with freeze(FROZEN):
        span = tracer.start_span("span", start_time=1)
        span.add_event("event", timestamp=2)
        span.end(3)
        with tracer.start_as_current_span("current") as current:
            pass
    assert times_of(span) == [1, 2, 3]
    assert times_of(current) == [FROZEN, FROZEN]


@pytest.mark.parametrize(
    ("text", "follows"),
    [
        *(("python", True), (" Python ", True), ("PYTHON", True)),
        *((None, False), ("", False), (" ", False), ("system", False), ("System", False), ("frozen", None), ("1", None)),
    ],
)
def test_the_variable(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, text: str | None, follows: bool | None
) -> None:
    environment._warned.clear()
    for _ in range(2):  # the second provider says nothing
        use_python_clock(follows is not True)
        tracer = tracer_with(monkeypatch, text)
        with frozen_by_mock(7):
            assert (tracer.start_span("span").start_time == 7) == bool(follows)
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    said = f"{VARIABLE}={text!r} is ignored: write system or python (default system)"
    assert warnings == ([said] if follows is None else [])


@contextmanager
def far_in_the_future() -> Iterator[None]:
    with mock.patch("time.monotonic", lambda: 1e12), frozen_by_freezegun(FROZEN):
        yield


def test_deadlines_and_windows_go_on_under_a_frozen_clock(caplog: pytest.LogCaptureFixture) -> None:
    log = WindowedLog(logging.getLogger("nanospan.test"), window=0.0)
    with far_in_the_future():
        before = monotonic()
        log.log(logging.WARNING, "kind", "frozen")
    assert 0 <= monotonic() - before < 1e6
    # A window that began at a frozen time, later than now, would never end.
    assert log.log(logging.WARNING, "kind", "not frozen")


def test_no_deadline_reads_a_clock_that_can_be_frozen() -> None:
    """Commands and the embedded receiver, which run beside the application, may."""
    readers = []
    for room in ("_common", "export", "processor", "sampling", "tail", "trace"):
        for path in (PACKAGE / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Attribute) and node.attr in ("monotonic", "monotonic_ns"):
                    readers.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert readers == []
