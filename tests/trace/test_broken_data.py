"""An application's broken data raises nothing into it, and costs no more than its field."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator, Mapping
from itertools import count
from typing import Any

import pytest
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.sdk.trace import sampling as sdk_sampling
from opentelemetry.trace import Link, SpanContext, StatusCode, TraceFlags
from support.parity.pipeline import Recorder, collecting_batches, spans_in_order

import nanospan
from nanospan import sampling

CONTEXT = SpanContext(1, 2, True, TraceFlags(1))
_numbers = count()


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("cannot be printed")


class EndlessMapping(Mapping[str, Any]):
    """Its values are mappings like itself."""

    def __getitem__(self, key: str) -> Any:
        return EndlessMapping()

    def __iter__(self) -> Iterator[str]:
        return iter("a")

    def __len__(self) -> int:
        return 1


def cyclic() -> list[Any]:
    ring: list[Any] = [1]
    ring.append(ring)
    return ring


class HostileMapping(Mapping[str, Any]):
    """Raises where it is told to."""

    def __init__(self, where: str) -> None:
        self.where = where

    def _raise(self, where: str) -> None:
        if where == self.where:
            raise RuntimeError(f"broken in {where}")

    def __getitem__(self, key: str) -> Any:
        self._raise("item")
        return 1

    def __iter__(self) -> Iterator[str]:
        yield "first"
        self._raise("iter")
        yield "second"

    def __len__(self) -> int:
        self._raise("len")
        return 2

    def __bool__(self) -> bool:
        self._raise("bool")
        return True

    def items(self) -> Any:
        self._raise("items")
        return super().items()


class HalfMade(Exception):
    def __str__(self) -> str:
        return self.detail  # type: ignore[attr-defined, no-any-return]


class NoBase(Exception):
    @property
    def __cause__(self) -> Any:  # type: ignore[override]
        raise RuntimeError("no cause")


VALUES: dict[str, Callable[[], Any]] = {
    "unprintable": Unprintable,
    "unprintable in a list": lambda: [1, Unprintable()],
    "unprintable key": lambda: {Unprintable(): 1},
    "list that holds itself": cyclic,
    "mapping without end": EndlessMapping,
}
MAPPINGS: dict[str, Callable[[], Any]] = {
    **{where: lambda where=where: HostileMapping(where) for where in ("item", "iter", "len", "bool", "items")},
    "number": lambda: 5,
    "pairs": lambda: [("a", 1)],
    "text": lambda: "text",
}
LIMITS = {"no limits": SpanLimits(), "limits": SpanLimits(max_span_attributes=4, max_span_attribute_length=9)}


@pytest.fixture(params=LIMITS)
def pipeline(request: pytest.FixtureRequest) -> Iterator[tuple[Any, Recorder, Any, Any]]:
    recorder = Recorder()
    batches, collector = collecting_batches()
    provider = nanospan.TracerProvider(shutdown_on_exit=False, span_limits=LIMITS[request.param])
    provider.add_span_processor(recorder)
    provider.add_span_processor(batches)
    yield provider.get_tracer("t"), recorder, batches, collector
    provider.shutdown()


def sent_span(pipeline: Any) -> Any:
    _, _, batches, collector = pipeline
    assert batches.force_flush()
    (span,) = spans_in_order(collector)
    return span


CARRIERS: dict[str, Callable[[Any, Any], Any]] = {
    "set_attribute": lambda tracer, value: set_on(tracer.start_span("s"), lambda span: span.set_attribute("bad", value)),
    "set_attributes": lambda tracer, value: set_on(
        tracer.start_span("s"), lambda span: span.set_attributes({"before": 1, "bad": value, "after": 2})
    ),
    "start_span": lambda tracer, value: tracer.start_span("s", attributes={"before": 1, "bad": value, "after": 2}),
    "container": lambda tracer, value: set_on(
        tracer.start_span("s"), lambda span: (span.attributes, span.set_attributes({"before": 1, "bad": value}))
    ),
}


def set_on(span: Any, call: Callable[[Any], Any]) -> Any:
    call(span)
    return span


@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("value", VALUES)
def test_a_value_costs_itself(pipeline: Any, carrier: str, value: str) -> None:
    span = CARRIERS[carrier](pipeline[0], VALUES[value]())
    span.set_attribute("still", "works")
    span.end()
    sent = sent_span(pipeline)
    kept = {attribute.key for attribute in sent.attributes}
    assert "still" in kept
    assert "bad" not in kept
    assert ("before" in kept) == (carrier != "set_attribute")
    assert sent.dropped_attributes_count == 1


@pytest.mark.parametrize("value", VALUES)
def test_of_events_links_and_exceptions_too(pipeline: Any, value: str) -> None:
    attributes = {"before": 1, "bad": VALUES[value](), "after": 2}
    span = pipeline[0].start_span("s", links=[Link(CONTEXT, attributes), Link(CONTEXT, {"good": 1})])
    span.add_event("event", attributes)
    span.add_link(CONTEXT, attributes)
    span.record_exception(ValueError("e"), attributes)
    span.end()
    sent = sent_span(pipeline)
    event, exception = sent.events
    assert {attribute.key for attribute in event.attributes} == {"before", "after"}
    assert event.dropped_attributes_count == 1
    assert {"before", "after", "exception.message"} <= {attribute.key for attribute in exception.attributes}
    assert sorted(sorted(attribute.key for attribute in link.attributes) for link in sent.links) == [
        ["after", "before"],
        ["after", "before"],
        ["good"],
    ]


@pytest.mark.parametrize("mapping", MAPPINGS)
def test_a_mapping_costs_what_it_does_not_show(pipeline: Any, mapping: str) -> None:
    tracer = pipeline[0]
    span = tracer.start_span("s", attributes=MAPPINGS[mapping](), links=[Link(CONTEXT, {"good": 1})])
    span.set_attributes(MAPPINGS[mapping]())
    span.add_event("event", MAPPINGS[mapping]())
    span.add_link(CONTEXT, MAPPINGS[mapping]())
    span.record_exception(ValueError("e"), MAPPINGS[mapping]())
    span.set_attribute("still", 1)
    span.end()
    sent = sent_span(pipeline)
    kept = {attribute.key for attribute in sent.attributes}
    assert "still" in kept
    assert ("first" in kept) == (mapping in ("iter", "len", "bool"))
    assert ("second" in kept) == (mapping in ("len", "bool"))
    assert [event.name for event in sent.events] == ["event", "exception"]
    assert len(sent.links) == 2


@pytest.mark.parametrize(
    ("links", "kept"),
    [(5, 0), (["link"], 0), ([Link(CONTEXT), None, "link", Link(CONTEXT)], 2)],
    ids=["number", "text", "some"],
)
def test_links_that_are_none(pipeline: Any, links: Any, kept: int) -> None:
    pipeline[0].start_span("s", links=links).end()
    assert len(sent_span(pipeline).links) == kept


@pytest.mark.parametrize("exception", [HalfMade, NoBase])
@pytest.mark.parametrize("how", ["start_as_current_span", "start_span"])
def test_the_application_gets_its_own_exception(pipeline: Any, how: str, exception: type[Exception]) -> None:
    raised = exception()
    with pytest.raises(exception) as caught, getattr(pipeline[0], how)("s"):
        raise raised
    assert caught.value is raised
    sent = sent_span(pipeline)
    assert sent.status.code == StatusCode.ERROR.value
    assert sent.status.message.startswith(f"{exception.__name__}: ")
    (event,) = sent.events
    assert event.name == "exception"
    assert exception.__name__ in {a.key: a.value.string_value for a in event.attributes}["exception.type"]


def test_what_is_no_exception_is_recorded_as_one(pipeline: Any) -> None:
    span = pipeline[0].start_span("s")
    span.record_exception("text")
    span.add_link("no context")
    span.end()
    assert len(sent_span(pipeline).links) == 0


def test_it_is_said_once(pipeline: Any, caplog: pytest.LogCaptureFixture) -> None:
    OnlyHere = type(f"OnlyHere{next(_numbers)}", (Exception,), {})  # once in a window for each name

    class Raising:
        def __str__(self) -> str:
            raise OnlyHere

    span = pipeline[0].start_span("s")
    for _ in range(100):
        span.set_attribute("key", Raising())
    said = [record.getMessage() for record in caplog.records if record.name == "nanospan"]
    assert said == [f"The attribute key was left out: reading it raised {OnlyHere.__name__}"]


def test_a_value_that_ends_its_span(pipeline: Any) -> None:
    """Cleaned, it comes too late. In the SDK it waits for itself without end."""
    span = pipeline[0].start_span("s")

    class Ending:
        def __str__(self) -> str:
            span.end()
            return "too late"

    span.set_attribute("early", 1)
    span.set_attribute("late", Ending())
    assert {attribute.key for attribute in sent_span(pipeline).attributes} == {"early"}
    assert dict(span.attributes) == {"early": 1}


def test_a_span_opened_again_while_it_is_encoded(pipeline: Any) -> None:
    """The encoder reads the attributes without copying them."""
    batches = pipeline[2]
    provider = nanospan.TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(batches)
    span = provider.get_tracer("t").start_span("s", attributes={f"k{i}": f"v{i}" * 9 for i in range(8)})

    class Reopening:
        def __str__(self) -> str:
            span._end_time = None
            for i in range(100):
                span.set_attribute(f"more{i}", "x" * 50)
            return "name"

    span._name = Reopening()
    span.end()
    assert [attribute.key for attribute in sent_span(pipeline).attributes] == [f"k{i}" for i in range(8)]
    assert len(span.attributes) == 108


def test_a_value_that_refers_to_its_span_is_freed() -> None:
    """The garbage collector does not see the pairs: they keep only what cannot refer to anything."""
    tracer = nanospan.TracerProvider(shutdown_on_exit=False).get_tracer("t")

    class Text(str):
        span: Any

    for wrap in (lambda text: text, lambda text: [text], lambda text: {"k": text}, lambda text: {text: 1}):
        span = tracer.start_span("s")
        text = Text("text")
        text.span = span
        span.set_attribute("a", wrap(text))
        freed = weakref.ref(text)
        del span, text
        gc.collect()
        assert freed() is None


class NoTruth:
    """In place of links: neither their truth nor their number can be read."""

    def __bool__(self) -> bool:
        raise RuntimeError("no truth")


@pytest.mark.parametrize(
    "sampler",
    [sampling.ALWAYS_ON, sampling.RateLimited(1000), sdk_sampling.ALWAYS_ON],
    ids=["own", "limited", "stock"],
)
def test_links_without_truth(sampler: Any) -> None:
    recorder = Recorder()
    provider = nanospan.TracerProvider(sampler, shutdown_on_exit=False)
    provider.add_span_processor(recorder)
    provider.get_tracer("t").start_span("s", links=NoTruth()).end()
    assert [(span.name, span.links) for span in recorder.ended] == [("s", ())]


def test_no_room_for_attributes_of_events() -> None:
    recorder = Recorder()
    provider = nanospan.TracerProvider(span_limits=SpanLimits(max_event_attributes=0), shutdown_on_exit=False)
    provider.add_span_processor(recorder)
    span = provider.get_tracer("t").start_span("s")
    for attributes in (5, {"a": 1, "b": 2}, HostileMapping("len")):
        span.add_event("e", attributes)
    span.end()
    assert [event.dropped_attributes for event in recorder.ended[0].events] == [1, 2, 2]


def test_unreadable_attributes_are_counted(pipeline: Any) -> None:
    span = pipeline[0].start_span("s", attributes=5)
    span.set_attributes(HostileMapping("items"))
    span.add_event("e", [1])
    span.end()
    sent = sent_span(pipeline)
    assert sent.dropped_attributes_count == 2
    assert sent.events[0].dropped_attributes_count == 1
