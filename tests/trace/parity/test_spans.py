"""Span objects themselves: types, private names, the constructor, and calls that are wrong."""

from __future__ import annotations

import copy
import gc
import inspect
import json
import threading
import time
import warnings
import weakref
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, Span, SpanLimits, SpanProcessor, sampling
from opentelemetry.sdk.util import BoundedList
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode
from support.parity.implementation import CONTEXT, STOCK, Implementation
from support.parity.pipeline import Recorder
from support.parity.portrait import Names, of_span


def test_types(implementation: Implementation) -> None:
    span = implementation.tracer().start_span("span")
    for kind in (trace.Span, Span, ReadableSpan, implementation.span_class):
        assert isinstance(span, kind)
    assert not isinstance(span, trace.NonRecordingSpan)
    assert issubclass(implementation.span_class, Span)
    assert issubclass(implementation.provider_class, sdk.TracerProvider)
    assert issubclass(implementation.tracer_class, sdk.Tracer)


def test_the_sdks_class_is_not_for_use(implementation: Implementation) -> None:
    with pytest.raises(TypeError, match=r"Span must be instantiated via a tracer\."):
        Span("name", CONTEXT)


def test_private_names(implementation: Implementation) -> None:
    sampler, limits = sampling.ALWAYS_ON, SpanLimits()
    provider = implementation.provider(Recorder(), sampler=sampler, span_limits=limits)
    tracer = provider.get_tracer("name")
    parent = SpanContext(1, 2, True)
    context = trace.set_span_in_context(trace.NonRecordingSpan(parent))
    span = tracer.start_span("span", context, record_exception=False, set_status_on_exception=False)
    assert span._sampler is sampler
    assert span._limits is limits
    assert span._span_processor is provider._active_span_processor
    assert span._resource is provider.resource
    assert span._instrumentation_scope is tracer._instrumentation_scope
    assert span._instrumentation_info is tracer.instrumentation_info
    assert span._parent == parent
    assert span._context is span.context is span.get_span_context()
    assert (span._record_exception, span._set_status_on_exception) == (False, False)
    assert span._trace_config is None
    assert isinstance(span._attributes, BoundedAttributes)
    assert isinstance(span._events, BoundedList)
    assert isinstance(span._links, BoundedList)
    assert isinstance(span._status, Status)
    assert span._end_time is None
    with span._lock:
        assert span._name == "span"
    assert hasattr(span, "_record_end_metrics")


def test_fields_keep_their_identity(implementation: Implementation) -> None:
    """What is read twice is the same object, so that changes through one reference show in the other."""
    span = implementation.tracer().start_span("span", attributes={"a": 1})
    for name in ("_attributes", "_events", "_links", "_status", "_context", "_lock"):
        assert getattr(span, name) is getattr(span, name)
    span._attributes["b"] = 2
    assert dict(span.attributes) == {"a": 1, "b": 2}
    span._events.append(Event("direct", timestamp=1))
    assert [event.name for event in span.events] == ["direct"]
    readable = span._readable_span()
    assert readable._attributes is span._attributes
    assert readable._events is span._events
    view = span.attributes
    span.set_attribute("c", 3)
    assert view["c"] == 3


def test_a_key_that_is_set_again_moves_to_the_end(implementation: Implementation) -> None:
    span = implementation.tracer(span_limits=SpanLimits(max_span_attributes=3)).start_span("span")
    for key in "abcab":
        span.set_attribute(key, 1)
    assert list(span.attributes) == ["c", "a", "b"]
    span.set_attribute("d", 1)
    assert list(span.attributes) == ["a", "b", "d"]
    assert span.dropped_attributes == 1


def test_keys_that_are_dropped(implementation: Implementation) -> None:
    span = implementation.tracer().start_span("span", attributes={"": 1, "kept": 1, None: 2, 5: "five"})
    assert dict(span.attributes) == {"kept": 1, "5": "five"}
    assert span.dropped_attributes == 2
    span.set_attributes({"": 1, "more": 1})
    span.set_attribute("", 1)
    span.set_attribute(5, 1)
    assert list(span.attributes) == ["kept", "5", "more"]
    assert span.dropped_attributes == 5


def test_bounds_of_the_stores(implementation: Implementation) -> None:
    limits = SpanLimits(max_span_attributes=3, max_span_attribute_length=4, max_event_attributes=5, max_attribute_length=6)
    span = implementation.tracer(span_limits=limits).start_span("span")
    span.add_event("event")
    span.add_link(CONTEXT)
    assert (span._attributes.maxlen, span._attributes.max_value_len) == (3, 4)
    (event,), (link,) = span.events, span.links
    assert (event.attributes.maxlen, event.attributes.max_value_len) == (5, 6)
    assert link.attributes.max_value_len == 6
    for attributes in (event.attributes, link.attributes):
        with pytest.raises(TypeError, match="immutable"):
            attributes["a"] = 1
    span._attributes["long"] = "12345"
    assert span.attributes["long"] == "1234"


def test_the_constructor(implementation: Implementation) -> None:
    """Every argument, by name."""
    event, link, parent = Event("event", {"e": 1}, 5), Link(CONTEXT, {"l": 1}), SpanContext(1, 2, True)
    recorder, scope = Recorder(), implementation.tracer()._instrumentation_scope
    ended: list[int] = []
    arguments: dict[str, Any] = {
        "name": "name",
        "context": CONTEXT,
        "parent": parent,
        "sampler": sampling.ALWAYS_ON,
        "trace_config": None,
        "resource": Resource({"r": 1}),
        "attributes": {"a": 1},
        "events": [event],
        "links": [link],
        "kind": SpanKind.SERVER,
        "span_processor": recorder,
        "instrumentation_info": None,
        "record_exception": False,
        "set_status_on_exception": False,
        "limits": SpanLimits(),
        "instrumentation_scope": scope,
        "record_end_metrics": lambda: ended.append(1),
    }
    span = implementation.span_class(**arguments)
    other = STOCK.span_class(**{**arguments, "span_processor": SpanProcessor()})
    assert of_span(span, Names(False)) == of_span(other, Names(False))
    assert span.start_time is None
    span.start(7)
    assert recorder.started == [span]
    span.end(9)
    assert ended == [1]
    assert [(span.start_time, span.end_time) for span in recorder.ended] == [(7, 9)]


def test_defaults_of_the_constructor(implementation: Implementation) -> None:
    span = implementation.span_class("name", CONTEXT)
    assert (span.parent, span.kind, span.events, span.links) == (None, SpanKind.INTERNAL, (), ())
    assert (span._record_exception, span._set_status_on_exception) == (True, True)
    assert span.instrumentation_scope is None
    assert span.resource.attributes["telemetry.sdk.name"] == "opentelemetry"
    for number in range(300):
        span.add_event("event", timestamp=number)
        span.set_attribute(str(number), 1)
    assert (len(span.events), len(span.attributes)) == (300, 300)


def test_not_started(implementation: Implementation) -> None:
    span = implementation.span()
    with pytest.raises(RuntimeError, match=r"Calling end\(\) on a not started span\."):
        span.end()
    span.start()
    span.end()


def test_a_subclass(implementation: Implementation) -> None:
    class Subclass(implementation.span_class):  # type: ignore[name-defined, misc]
        def set_attribute(self, key: str, value: Any) -> None:
            super().set_attribute(f"own.{key}", value)

        @property
        def name(self) -> str:
            return "own name"

    recorder = Recorder()
    span = Subclass("name", CONTEXT, span_processor=recorder)
    span.start()
    span.set_attribute("a", 1)
    with span:
        pass
    assert dict(recorder.ended[0].attributes) == {"own.a": 1}
    assert span.name == "own name"
    assert recorder.ended[0].name == "name"


def test_the_clock(implementation: Implementation) -> None:
    """Nanoseconds since the epoch, like time.time_ns."""
    before = time.time_ns()
    span = implementation.tracer().start_span("span")
    span.add_event("event")
    span.end()
    after = time.time_ns()
    tolerance = 50_000_000
    times = [span.start_time, span.events[0].timestamp, span.end_time]
    assert all(type(one) is int for one in times)
    assert before - tolerance <= times[0] <= times[1] <= times[2] <= after + tolerance


def test_json(implementation: Implementation) -> None:
    recorder = Recorder()
    tracer = implementation.tracer(recorder)
    with tracer.start_as_current_span("span", attributes={"a": [1, 2]}, start_time=1, kind=SpanKind.CLIENT) as span:
        span.add_event("event", {"b": "c"}, 2)
    shown = json.loads(recorder.ended[0].to_json())
    assert list(shown) == [
        *("name", "context", "kind", "parent_id", "start_time", "end_time", "status", "attributes", "events", "links"),
        "resource",
    ]
    assert shown["start_time"] == "1970-01-01T00:00:00.000000Z"
    assert shown["attributes"] == {"a": [1, 2]}
    assert span.to_json(indent=None).count("\n") == 0


def test_the_deprecated_property(implementation: Implementation) -> None:
    span = implementation.tracer().start_span("span")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert span.instrumentation_info is span._instrumentation_info
    assert [warning.category for warning in caught] == [DeprecationWarning]


def test_spans_are_hashable_and_equal_to_themselves_alone(implementation: Implementation) -> None:
    one, other = (implementation.span() for _ in range(2))
    assert one == one
    assert one != other
    assert len({one, other}) == 2


def test_weak_references(implementation: Implementation) -> None:
    span = implementation.tracer().start_span("span", attributes={"a": [1]})
    span.add_event("event")
    reference = weakref.ref(span)
    weak = weakref.WeakKeyDictionary({span: 1})
    span.end()
    del span
    gc.collect()
    assert reference() is None
    assert not weak


def test_shallow_copies_of_attributes(implementation: Implementation) -> None:
    span = implementation.tracer().start_span("span", attributes={"a": [1]})
    assert copy.deepcopy(span._attributes) == span._attributes
    assert span._attributes.copy() == {"a": (1,)}
    assert span.attributes.copy() == {"a": (1,)}


def test_looked_at_from_outside(implementation: Implementation) -> None:
    """By debuggers, mocks and serialisers."""
    span = implementation.tracer().start_span("span", attributes={"a": 1})
    span.mark = 1
    assert vars(span)["mark"] == span.__dict__["mark"] == 1
    assert {"_attributes", "_events", "mark", "set_attribute"} <= set(dir(span))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a property is deprecated
        assert dict(inspect.getmembers(span))["mark"] == 1
    assert dict(copy.copy(span).attributes) == {"a": 1}
    dropped = implementation.tracer(sampler=sampling.ALWAYS_OFF).start_span("span")
    dropped.mark = 1
    assert vars(dropped)["mark"] == 1
    assert "end" in dir(dropped)


def test_the_lock_may_be_held(implementation: Implementation) -> None:
    span = implementation.tracer().start_span("span")
    thread = threading.Thread(target=span.set_attribute, args=("a", 1))
    with span._lock:
        thread.start()
    thread.join()
    assert dict(span.attributes) == {"a": 1}


# --- wrong calls ------------------------------------------------------------------------------------------------------

WRONG_CALLS = {
    "no key": lambda span: span.set_attribute(),
    "no value": lambda span: span.set_attribute("a"),
    "too many": lambda span: span.set_attribute("a", 1, 2),
    "unknown keyword": lambda span: span.set_attribute("a", valeu=1),
    "event without a name": lambda span: span.add_event(),
    "status twice": lambda span: span.set_status(StatusCode.OK, status=StatusCode.OK),
    "no status": lambda span: span.set_status(),
    "name twice": lambda span: span.update_name("a", "b"),
    "end with two times": lambda span: span.end(1, 2),
}


def _outcome(implementation: Implementation, call: Any) -> Any:
    span = implementation.tracer().start_span("span", start_time=1)
    try:
        call(span)
    except Exception as error:
        return type(error), dict(span.attributes), len(span.events), len(span.links), span.is_recording()
    return None, dict(span.attributes), len(span.events), len(span.links), span.is_recording()


@pytest.mark.parametrize("call", WRONG_CALLS.values(), ids=WRONG_CALLS)
def test_wrong_calls_end_as_the_sdks(implementation: Implementation, call: Any) -> None:
    assert _outcome(implementation, call) == _outcome(STOCK, call)


WRONG_STARTS = {
    "no name": {},
    "unknown argument": {"name": "n", "atributes": {}},
    "context is no mapping": {"name": "n", "context": 5},
}


@pytest.mark.parametrize("arguments", WRONG_STARTS.values(), ids=WRONG_STARTS)
@pytest.mark.parametrize("active", [False, True])
def test_wrong_starts_end_as_the_sdks(implementation: Implementation, arguments: Any, active: bool) -> None:
    outcomes = []
    for one in (implementation, STOCK):
        try:
            if active:
                with one.tracer().start_as_current_span(**arguments):
                    pass
            else:
                one.tracer().start_span(**arguments)
            outcomes.append(None)
        except Exception as error:
            outcomes.append(type(error))
        assert trace.get_current_span() is trace.INVALID_SPAN
    assert outcomes[0] == outcomes[1]
