"""Another call to the same span at the worst moment, made to happen there: nothing is lost, doubled or past a limit.

Where a container is made, or a value turned into text, Python code runs and other threads may come in between. Here that
code makes the call itself. On a stock span, whose containers exist from the start, most of these moments do not occur.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Event, SpanLimits
from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import SpanContext, TraceFlags
from support.parity.implementation import Implementation
from support.parity.pipeline import collecting_batches, spans_in_order

CONTEXTS = [SpanContext(number, number, False, TraceFlags(1)) for number in range(1, 4)]


def interfere(monkeypatch: pytest.MonkeyPatch, cls: type, action: Callable[[], Any], before: bool, skipped: int = 0) -> None:
    """Have ``action`` run once, inside of the construction of a ``cls``, after ``skipped`` others."""
    original = cls.__init__  # type: ignore[misc]
    left = [skipped]

    def constructor(self: Any, *args: Any, **kwargs: Any) -> None:
        left[0] -= 1
        due = left[0] == -1
        if due and before:
            action()
        original(self, *args, **kwargs)
        if due and not before:
            action()

    monkeypatch.setattr(cls, "__init__", constructor)


both_moments = pytest.mark.parametrize("before", [True, False], ids=["before", "after"])


@both_moments
def test_a_link_while_links_get_their_container(
    implementation: Implementation, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    span = implementation.tracer().start_span("span")
    interfere(monkeypatch, BoundedList, lambda: span.add_link(CONTEXTS[1]), before)
    span.add_link(CONTEXTS[0])
    expected = 2 if implementation.is_native else 1
    assert len(span.links) == expected


@both_moments
@pytest.mark.parametrize("cls", [BoundedList, BoundedAttributes, Event])
def test_an_event_while_events_get_their_container(
    implementation: Implementation, monkeypatch: pytest.MonkeyPatch, cls: type, before: bool
) -> None:
    span = implementation.tracer().start_span("span")
    for name in ("first", "second"):
        span.add_event(name)
    happened: list[str] = []

    def action() -> None:
        happened.append("inside")
        span.add_event("inside")

    interfere(monkeypatch, cls, action, before)
    assert span.events is not None
    assert [event.name for event in span.events] == ["first", "second", *happened]
    span.add_event("last")
    assert len(span.events) == 3 + len(happened)


@both_moments
@pytest.mark.parametrize("many", [0, 1, 20])
def test_an_attribute_while_attributes_get_their_container(
    implementation: Implementation, monkeypatch: pytest.MonkeyPatch, before: bool, many: int
) -> None:
    span = implementation.tracer().start_span("span", attributes={str(number): 1 for number in range(many)})
    happened: list[str] = []

    def action() -> None:
        happened.append("inside")
        span.set_attribute("inside", 1)

    interfere(monkeypatch, BoundedAttributes, action, before)
    assert span.attributes is not None
    assert list(span.attributes) == [*(str(number) for number in range(many)), *happened]


@both_moments
@pytest.mark.parametrize("read", [lambda span: span.attributes, lambda span: span.events, lambda span: span.links])
@pytest.mark.parametrize("cls", [BoundedList, BoundedAttributes, Event])
def test_the_end_while_somebody_looks(
    implementation: Implementation, monkeypatch: pytest.MonkeyPatch, cls: type, read: Any, before: bool
) -> None:
    batches, collector = collecting_batches()
    provider = implementation.provider(batches)
    span = provider.get_tracer("name").start_span("span", attributes={"a": 1})
    span.add_event("event", {"b": 2})
    interfere(monkeypatch, cls, span.end, before)
    assert read(span) is not None
    if span.is_recording():
        span.end()
    assert provider.force_flush()
    (message,) = spans_in_order(collector)
    assert [pair.key for pair in message.attributes] == ["a"]
    assert [event.name for event in message.events] == ["event"]
    assert len(message.links) == 0
    with pytest.raises(TypeError, match="immutable"):
        span._attributes["late"] = 1
    provider.shutdown()


@both_moments
@pytest.mark.parametrize("cls", [BoundedList, BoundedAttributes, Event])
def test_two_who_look_at_once(
    implementation: Implementation, monkeypatch: pytest.MonkeyPatch, cls: type, before: bool
) -> None:
    """Both get the same containers."""
    span = implementation.tracer().start_span("span", attributes={"a": 1})
    for name in ("first", "second"):
        span.add_event(name, {"b": 1})
    seen: list[Any] = []

    def look() -> None:
        seen.extend([span._events, span._attributes, span._links])

    interfere(monkeypatch, cls, look, before)
    look()
    containers = [span._events, span._attributes, span._links]
    for number, container in enumerate(containers):
        assert all(one is container for one in seen[number::3])
    assert [event.name for event in span.events] == ["first", "second"]
    assert dict(span.attributes) == {"a": 1}


class Acting:
    """A value that does something when it is turned into text."""

    def __init__(self, action: Callable[[], Any]) -> None:
        self._action = action

    def __str__(self) -> str:
        self._action()
        return "text"


@pytest.mark.parametrize("limit", [None, 0, 1, 2, 5])
def test_an_event_inside_an_event(implementation: Implementation, limit: int | None) -> None:
    span = implementation.tracer(span_limits=SpanLimits(max_events=limit)).start_span("span")
    span.add_event("outer", {"a": Acting(lambda: span.add_event("inner"))})
    names = [event.name for event in span.events]
    assert names == (["inner", "outer"] if limit is None else ["inner", "outer"][max(0, 2 - limit) :])
    assert len(names) + span.dropped_events == 2


def test_a_look_at_the_events_inside_an_event(implementation: Implementation) -> None:
    span = implementation.tracer().start_span("span")
    span.add_event("first")
    span.add_event("outer", {"a": Acting(lambda: span.events)})
    assert [event.name for event in span.events] == ["first", "outer"]


def test_the_end_inside_an_event(implementation: Implementation, caplog: pytest.LogCaptureFixture) -> None:
    batches, collector = collecting_batches()
    provider = implementation.provider(batches)
    span = provider.get_tracer("name").start_span("span")
    span.add_event("late", {"a": Acting(span.end)})
    assert span.events == ()
    assert caplog.records[-1].getMessage() == "Tried calling _add_event on an ended span."
    assert provider.force_flush()
    assert [len(message.events) for message in spans_in_order(collector)] == [0]
    provider.shutdown()


def test_the_end_inside_a_link(implementation: Implementation, caplog: pytest.LogCaptureFixture) -> None:
    span = implementation.tracer().start_span("span")
    span.add_link(CONTEXTS[0], {"a": Acting(span.end)})
    assert span.links == ()
    assert caplog.records[-1].getMessage() == "Tried calling _add_link on an ended span."


@pytest.mark.parametrize("limit", [None, 1, 3])
def test_attributes_inside_attributes(native_implementation: Implementation, limit: int | None) -> None:
    """The SDK would wait for its own lock for ever."""
    limits = SpanLimits(max_span_attributes=limit)
    span = native_implementation.tracer(span_limits=limits).start_span("span")
    inner = Acting(lambda: span.set_attributes({"second": "inner", "inner": 1}))
    span.set_attributes({"first": inner, "second": 2, "third": 3})
    assert sorted(span.attributes) == sorted({"first", "second", "third", "inner"})[-len(span.attributes) :] or limit
    assert len(span.attributes) == (4 if limit is None else limit)
    span.set_attribute("fourth", Acting(lambda: span.set_attribute("fourth", 1)))
    span.set_attribute("fifth", Acting(lambda: span.attributes))
    assert len(span.attributes) == (6 if limit is None else limit)
    assert list(span.attributes)[-1] == "fifth"
