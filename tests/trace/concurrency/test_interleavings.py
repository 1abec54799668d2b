"""Every pair of span operations, the second in another thread at each line of Python code that the first runs.

The result must be that of one of the two orders: no exception, nothing lost, nothing changed after the end.
"""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor
from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

import nanospan

CONTEXT = SpanContext(1, 2, True, TraceFlags(1))


class Slow:
    """A value that Python code turns into text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        text = self.text
        return text


class Key(str):
    """No exact str: only the SDK's container takes it."""


OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "attribute": lambda span: span.set_attribute("plain", 1),
    "slow attribute": lambda span: span.set_attribute("slow", Slow("s")),
    "odd key": lambda span: span.set_attribute(Key("odd"), "o"),
    "attributes": lambda span: span.set_attributes({"a": 1, "slow": "replaced"}),
    "slow attributes": lambda span: span.set_attributes({"b": Slow("b"), "plain": Slow("p"), "": 1}),
    "event": lambda span: span.add_event("event", {"a": 1}, 1),
    "slow event": lambda span: span.add_event("slow event", {"a": Slow("a")}, 2),
    "link": lambda span: span.add_link(CONTEXT, {"a": Slow("a")}),
    "exception": lambda span: span.record_exception(ValueError("e"), None, 3),
    "name": lambda span: span.update_name("renamed"),
    "status code": lambda span: span.set_status(StatusCode.ERROR, "failed"),
    "status": lambda span: span.set_status(Status(StatusCode.OK)),
    # A copy: iterating over the SDK's view looks each key up, and meanwhile another thread may drop the oldest attribute.
    "read": lambda span: (span.attributes.copy(), list(span.events), list(span.links), span.status, span.name),
    "snapshot": lambda span: span._readable_span(),
    "end": lambda span: span.end(9),
}
STATES: dict[str, Callable[[Any], Any]] = {
    "new": lambda span: None,
    "read before": lambda span: (span.attributes, span.events, span.links),
    "full": lambda span: span.set_attributes({f"q{i}": Slow("q") for i in range(5)}),
}


class Exporter(SpanProcessor):
    """What the span shows when it has ended, and the object that shows it."""

    def __init__(self) -> None:
        self.ended: list[tuple[Any, ReadableSpan]] = []

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append((shown(span), span))


def shown(span: ReadableSpan) -> Any:
    return (
        span.name,
        dict(span.attributes or {}),
        [(event.name, dict(event.attributes or {}).get("a"), event.timestamp) for event in span.events],
        [dict(link.attributes or {}) for link in span.links],
        (span.status.status_code, span.status.description),
        (span.dropped_attributes, span.dropped_events, span.dropped_links),
    )


def without_order(result: Any) -> Any:
    """Two attributes set at the same time may stand in either order."""
    name, attributes, events, links, *rest = result
    return name, sorted(attributes.items()), sorted(events, key=str), sorted(links, key=str), *rest


def new_span(state: str) -> tuple[Any, Exporter]:
    exporter = Exporter()
    provider = nanospan.TracerProvider(
        shutdown_on_exit=False, span_limits=SpanLimits(max_span_attributes=5, max_events=3, max_links=2)
    )
    provider.add_span_processor(exporter)
    span = provider.get_tracer("t").start_span("span", start_time=1)
    STATES[state](span)
    return span, exporter


def in_order(state: str, *operations: str) -> Any:
    span, exporter = new_span(state)
    for name in operations:
        OPERATIONS[name](span)
    span.end(9)
    return without_order(exporter.ended[0][0])


class Interruption:
    """Runs an operation in another thread when the traced one comes to its `line`-th line; counts the lines."""

    def __init__(self, line: int, operation: Callable[[], Any]) -> None:
        self.line, self.operation = line, operation
        self.lines = 0
        self.thread: threading.Thread | None = None
        self.raised: list[BaseException] = []

    def trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self.lines += 1
            if self.lines == self.line:
                sys.settrace(None)
                self.thread = threading.Thread(target=self._run)
                self.thread.start()
                self._until_done_or_waiting()
                return None
        return self.trace

    def _run(self) -> None:
        try:
            self.operation()
        except BaseException as error:
            self.raised.append(error)

    def _until_done_or_waiting(self) -> None:
        assert self.thread is not None
        while self.thread.is_alive():
            self.thread.join(0.0002)
            frame = sys._current_frames().get(self.thread.ident or 0)
            names = set()
            while frame is not None:
                names.add(frame.f_code.co_qualname)
                frame = frame.f_back
            if "Waiters.wait_until" in names or any(name.startswith(("BoundedAttributes", "BoundedList")) for name in names):
                return  # the first has the span, or the lock of the SDK's container


def interleavings(state: str, first: str, second: str) -> Iterator[tuple[Any, Exporter, Interruption]]:
    for line in itertools.count(1):
        span, exporter = new_span(state)
        interruption = Interruption(line, lambda span=span: OPERATIONS[second](span))
        sys.settrace(interruption.trace)
        try:
            OPERATIONS[first](span)
        finally:
            sys.settrace(None)
        if interruption.thread is None:
            return
        interruption.thread.join()
        span.end(9)
        yield span, exporter, interruption


@pytest.mark.thread_unsafe(reason="traces the calling thread")
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("first", OPERATIONS)
def test_the_result_is_that_of_one_order(state: str, first: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL")
    for second in OPERATIONS:
        if second == "read":
            continue
        allowed = [in_order(state, first, second), in_order(state, second, first)]
        for span, exporter, interruption in interleavings(state, first, second):
            where = f"{second} at line {interruption.line} of {first}"
            assert interruption.raised == [], where
            ((at_end, ended),) = exporter.ended
            assert without_order(at_end) in allowed, where
            assert shown(ended) == at_end, f"{where}: changed after the end"
            assert shown(span._readable_span()) == at_end, f"{where}: the span itself changed after the end"
