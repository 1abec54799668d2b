"""A stateful Hypothesis machine that makes the same calls to two implementations and compares all that shows."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Link, NonRecordingSpan, Status, set_span_in_context, use_span
from support.parity import drawn
from support.parity.drawn import spoil
from support.parity.implementation import STOCK, Implementation
from support.parity.pipeline import FOREIGN_PROCESSORS, INDEPENDENT_OF_IDS, SAMPLERS
from support.parity.private_values import OTHER_CONTEXT, PRIVATE_VALUES, PRIVATE_VALUES_OF_ENDED
from support.parity.side import Setup, Side

MAX_SPANS = 12
"""Every one of them is compared after every step."""

RETURNED_NONE = ("returned", ("NoneType", "None"))

picks = st.integers(0, 2 * MAX_SPANS)
"""Which span to use, counted round the spans there are."""


@dataclass(frozen=True)
class ParentRecipe:
    """Where a span's parent comes from."""

    source: str
    pick: int
    context: Any

    def make(self, side: Side) -> Context | None:
        if self.source == "implicit":
            return None
        if self.source == "span" and side.spans:
            return set_span_in_context(side.spans[self.pick % len(side.spans)], Context({"baggage": "kept"}))
        if self.source == "given":
            return set_span_in_context(NonRecordingSpan(self.context), Context())
        return Context({"other": "key"})


@dataclass(frozen=True)
class StartRecipe:
    """The arguments of ``start_span``; what is None may also be left out."""

    tracer: int
    name: Any
    parent: ParentRecipe
    kind: Any
    attributes: Any
    links: Any
    start_time: Any
    record_exception: bool
    set_status_on_exception: bool
    spare: bool

    def arguments(self, side: Side) -> dict[str, Any]:
        links = self.links and [link and link.make(side.give(link.attributes)) for link in self.links]
        full = {
            "name": self.name,
            "context": self.parent.make(side),
            "kind": self.kind,
            "attributes": side.give(self.attributes),
            "links": links,
            "start_time": self.start_time,
            "record_exception": self.record_exception,
            "set_status_on_exception": self.set_status_on_exception,
        }
        spared = ("record_exception", "set_status_on_exception") if self.spare else ()
        kept = {key: value for key, value in full.items() if key not in spared}
        return {key: value for key, value in kept.items() if value is not None or key in ("name", "kind")}


parents = st.builds(ParentRecipe, st.sampled_from(["implicit", "implicit", "span", "given", "none"]), picks, drawn.contexts)
starts = st.builds(
    StartRecipe,
    tracer=st.integers(0, 1),
    name=drawn.names,
    parent=parents,
    kind=drawn.kinds,
    attributes=drawn.attributes,
    links=drawn.links,
    start_time=drawn.times,
    record_exception=st.booleans(),
    set_status_on_exception=st.booleans(),
    spare=st.booleans(),
)


@st.composite
def setups(draw: st.DrawFn) -> Setup:
    counted = draw(st.sampled_from([True, False, False]))
    return Setup(
        sampler=draw(st.sampled_from(["default", "foreign", *(sorted(SAMPLERS) if counted else INDEPENDENT_OF_IDS)])),
        processors=draw(st.lists(st.sampled_from(sorted(FOREIGN_PROCESSORS)), max_size=3)),
        limits=draw(st.just({}) | drawn.limits),
        counted_ids=counted,
        declares_random=draw(st.booleans()),
        batch=draw(st.booleans()),
    )


class ParityMachine(RuleBasedStateMachine):
    """Left is stock unless a subclass says otherwise; a subclass names what is on the right."""

    left: ClassVar[Implementation] = STOCK
    right: ClassVar[Implementation] = STOCK

    @initialize(setup=setups(), first=st.lists(starts, max_size=2))
    def set_up(self, setup: Setup, first: list[StartRecipe]) -> None:
        self.sides = [Side(self.left, setup), Side(self.right, setup)]
        for start in first:
            self._start_span(start)
        self._both(lambda side: side.spans.append(side.tracers[0].start_span("plain")))

    def teardown(self) -> None:
        if not hasattr(self, "sides"):
            return
        try:
            if sys.exc_info()[1] is None:
                self._finish()
        finally:
            for side in self.sides:
                side.close()  # also where Hypothesis gave up in the middle

    def _finish(self) -> None:
        """End what is still open, so that every span reaches the processors."""
        while self.sides[0].activations:
            self._deactivate(None)
        for number, span in enumerate(self.sides[0].spans):
            if span.is_recording() and span._start_time is not None:
                self.end(number, 10 + number)
        self.both_show_the_same()
        self._compare(*(side.exported() for side in self.sides))

    @invariant()
    def both_show_the_same(self) -> None:
        if hasattr(self, "sides"):
            self._compare(*(side.portraits() for side in self.sides))

    def _compare(self, left: dict[str, Any], right: dict[str, Any]) -> None:
        different = [key for key in left | right if left.get(key) != right.get(key)]
        for key in different:
            one, other = left.get(key), right.get(key)
            if isinstance(one, dict) and isinstance(other, dict):
                fields = [field for field in one | other if one.get(field) != other.get(field)]
                one, other = ({field: shown.get(field) for field in fields} for shown in (one, other))
            raise AssertionError(f"{key}\n  {self.left}: {one}\n  {self.right}: {other}")

    def _both(self, action: Callable[[Side], Any]) -> None:
        (left, left_log), (right, right_log) = (side.call(action, side) for side in self.sides)
        # Where the SDK raises at the application, nanospan leaves out what it cannot read.
        same = left == right or (left[0] == "raised" and right == RETURNED_NONE)
        assert same, f"outcome\n  {self.left}: {left}\n  {self.right}: {right}"
        assert left_log == right_log, f"log\n  {self.left}: {left_log}\n  {self.right}: {right_log}"

    def _on_span(self, pick: int, action: Callable[[Side, Any], Any]) -> None:
        self._both(lambda side: action(side, side.spans[pick % len(side.spans)]))

    def _has_spans(self) -> bool:
        return bool(self.sides[0].spans)

    def _has_room(self) -> bool:
        return len(self.sides[0].spans) < MAX_SPANS

    # --- starting ---------------------------------------------------------------------------------------------------

    @precondition(_has_room)
    @rule(start=starts)
    def start_span(self, start: StartRecipe) -> None:
        self._start_span(start)

    def _start_span(self, start: StartRecipe) -> None:
        def action(side: Side) -> None:
            side.spans.append(side.tracers[start.tracer].start_span(**start.arguments(side)))

        self._both(action)

    @precondition(_has_room)
    @rule(start=starts, end_on_exit=st.sampled_from([True, True, False]))
    def start_as_current_span(self, start: StartRecipe, end_on_exit: bool) -> None:
        def action(side: Side) -> None:
            manager = side.tracers[start.tracer].start_as_current_span(**start.arguments(side), end_on_exit=end_on_exit)
            side.spans.append(manager.__enter__())
            side.activations.append(manager)

        self._both(action)

    @precondition(_has_spans)
    @rule(pick=picks, flags=st.tuples(st.booleans(), st.booleans(), st.booleans()))
    def use_span(self, pick: int, flags: tuple[bool, bool, bool]) -> None:
        def action(side: Side, span: Any) -> bool:
            manager = use_span(span, *flags)
            side.activations.append(manager)
            return manager.__enter__() is span

        self._on_span(pick, action)

    @precondition(_has_spans)
    @rule(pick=picks)
    def enter_the_span_itself(self, pick: int) -> None:
        def action(side: Side, span: Any) -> bool:
            side.activations.append(span)
            return span.__enter__() is span

        self._on_span(pick, action)

    @precondition(lambda self: self.sides[0].activations)
    @rule(exception=st.none() | drawn.exceptions)
    def leave(self, exception: drawn.ExceptionRecipe | None) -> None:
        self._deactivate(exception)

    def _deactivate(self, exception: drawn.ExceptionRecipe | None) -> None:
        def action(side: Side) -> bool:
            manager = side.activations.pop()
            if exception is None:
                return bool(manager.__exit__(None, None, None))
            error = exception.make()
            return bool(manager.__exit__(type(error), error, error.__traceback__))

        self._both(action)

    @precondition(_has_room)
    @rule(
        start=starts,
        context=drawn.contexts,
        parent=st.none() | drawn.contexts,
        events=st.none() | drawn.events,
        flags=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    )
    def construct(self, start: StartRecipe, context: Any, parent: Any, events: Any, flags: tuple[bool, ...]) -> None:
        """The constructor on its own: the span is not started."""

        def action(side: Side) -> None:
            arguments = start.arguments(side)
            for name in ("context", "start_time", "name"):
                arguments.pop(name, None)
            if flags[0]:
                arguments["limits"] = side.limits
            if flags[1]:
                arguments["span_processor"] = side.provider._active_span_processor
            if flags[2]:
                arguments["instrumentation_scope"] = side.tracers[0]._instrumentation_scope
            made = events and [event.make(side.give(event.attributes)) for event in events]
            side.spans.append(side.implementation.span(start.name, context, parent=parent, events=made, **arguments))

        self._both(action)

    @precondition(_has_spans)
    @rule(pick=picks, time=drawn.times)
    def start_again(self, pick: int, time: Any) -> None:
        self._on_span(pick, lambda side, span: isinstance(span, ReadableSpan) and span.start(time))

    # --- recording --------------------------------------------------------------------------------------------------

    @precondition(_has_spans)
    @rule(pick=picks, key=drawn.any_keys, value=drawn.values)
    def set_attribute(self, pick: int, key: Any, value: Any) -> None:
        self._on_span(pick, lambda side, span: span.set_attribute(key, side.give(value)))

    @precondition(_has_spans)
    @rule(pick=picks, attributes=drawn.mappings)
    def set_attributes(self, pick: int, attributes: Any) -> None:
        self._on_span(pick, lambda side, span: span.set_attributes(side.give(attributes)))

    @precondition(_has_spans)
    @rule(pick=picks, name=drawn.names, attributes=drawn.attributes, timestamp=drawn.times)
    def add_event(self, pick: int, name: Any, attributes: Any, timestamp: Any) -> None:
        self._on_span(pick, lambda side, span: span.add_event(name, side.give(attributes), timestamp))

    @precondition(_has_spans)
    @rule(pick=picks, context=drawn.contexts | st.none(), attributes=drawn.attributes)
    def add_link(self, pick: int, context: Any, attributes: Any) -> None:
        self._on_span(pick, lambda side, span: span.add_link(context, side.give(attributes)))

    @precondition(_has_spans)
    @rule(
        pick=picks,
        exception=drawn.exceptions | drawn.unraised_exceptions,
        attributes=drawn.attributes,
        timestamp=drawn.times,
        escaped=st.booleans(),
    )
    def record_exception(self, pick: int, exception: Any, attributes: Any, timestamp: Any, escaped: bool) -> None:
        def action(side: Side, span: Any) -> None:
            error = exception[0](exception[1]) if isinstance(exception, tuple) else exception.make()
            span.record_exception(error, side.give(attributes), timestamp, escaped)

        self._on_span(pick, action)

    @precondition(_has_spans)
    @rule(pick=picks, status=drawn.statuses)
    def set_status(self, pick: int, status: tuple[Any, Any]) -> None:
        def action(side: Side, span: Any) -> None:
            made, description = status
            made = Status(*made) if isinstance(made, tuple) else made
            span.set_status(made) if description is None else span.set_status(made, description)

        self._on_span(pick, action)

    @precondition(_has_spans)
    @rule(pick=picks, name=drawn.names)
    def update_name(self, pick: int, name: Any) -> None:
        self._on_span(pick, lambda side, span: span.update_name(name))

    @precondition(_has_spans)
    @rule(pick=picks, time=drawn.times)
    def end(self, pick: int, time: Any) -> None:
        self._on_span(pick, lambda side, span: span.end() if time is None else span.end(time))

    # --- behind its back --------------------------------------------------------------------------------------------

    @rule()
    def change_what_was_given(self) -> None:
        for side in self.sides:
            for value in side.given:
                spoil(value)
            side.given.clear()

    @precondition(lambda self: self._has_spans() and len(self.sides[0].snapshots) < 4)
    @rule(pick=picks)
    def take_a_snapshot(self, pick: int) -> None:
        def action(side: Side, span: Any) -> None:
            if isinstance(span, ReadableSpan):
                side.snapshots.append(span._readable_span())

        self._on_span(pick, action)

    @precondition(_has_spans)
    @rule(pick=picks, field=st.sampled_from(sorted(PRIVATE_VALUES)), choice=st.integers(0, 5))
    def assign_a_private_field(self, pick: int, field: str, choice: int) -> None:
        def action(side: Side, span: Any) -> None:
            if not isinstance(span, ReadableSpan):
                return
            ended = span._end_time is not None
            if field == "_end_time" and not isinstance(span._attributes, BoundedAttributes):
                return  # the SDK cannot end such a span again
            values = (PRIVATE_VALUES_OF_ENDED if ended else PRIVATE_VALUES)[field]
            setattr(span, field, values[choice % len(values)]())

        self._on_span(pick, action)

    @precondition(_has_spans)
    @rule(pick=picks, key=drawn.keys, value=drawn.values, where=st.sampled_from(["set", "delete", "event", "link"]))
    def write_to_a_store(self, pick: int, key: str, value: Any, where: str) -> None:
        """Through the containers behind the private names, past the span."""

        def action(side: Side, span: Any) -> None:
            if not isinstance(span, ReadableSpan) or span._attributes is None:
                return
            if where == "set":
                span._attributes[key] = side.give(value)
            elif where == "delete":
                del span._attributes[key]
            elif where == "event":
                span._events.append(Event(key, {"a": 1}, 5))
            else:
                span._links.append(Link(OTHER_CONTEXT, {"a": 1}))

        self._on_span(pick, action)

    @precondition(lambda self: self.sides[0].snapshots)
    @rule(pick=picks, field=st.sampled_from(sorted(PRIVATE_VALUES)), choice=st.integers(0, 5))
    def assign_to_a_snapshot(self, pick: int, field: str, choice: int) -> None:
        values = PRIVATE_VALUES_OF_ENDED[field]
        self._both(lambda side: setattr(side.snapshots[pick % len(side.snapshots)], field, values[choice % len(values)]()))

    @precondition(lambda self: len(self.sides[0].recorders) < 3)
    @rule(kind=st.sampled_from(sorted(FOREIGN_PROCESSORS)))
    def add_a_processor(self, kind: str) -> None:
        self._both(lambda side: side.add_processor(kind))
