"""What native code reads and writes in headers is what the carriers and the propagators in Python read and write."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import baggage, context, propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, set_span_in_context

import nanospan
from nanospan.messaging import AMQP, KAFKA, NATS, Messaging
from nanospan.messaging._carriers.carrier import Carrier
from nanospan.messaging._carriers.propagation import current_fields, extract_remote, plain_remote, remote_in
from nanospan.propagation import TraceContextTextMapPropagator

Counted = Callable[[], dict[str, int]]

PARENT = f"00-{1:032x}-{2:016x}-01"
OTHER = f"00-{3:032x}-{4:016x}-00"
VALUES: list[Any] = [
    *(PARENT, PARENT.encode(), OTHER, f" {PARENT}\t", f"00-{0:032x}-{2:016x}-01", PARENT + "0" * 600, "", b"\xff", "é"),
    *(None, 5, [PARENT], bytearray(PARENT.encode())),
]
STATES: list[Any] = ["a=1,b=2", b"a=1", "a", "9a=1", "é=1", b"\xff", "a=" + "x" * 600, "a=" + "x" * 250, None, 5]
BAGGAGES: list[Any] = ["k=v", b"k=v", "k=" + "x" * 300, ",".join(f"k{n}=v" for n in range(181)), "", None]


class Text(str):
    __slots__ = ()


def shapes() -> Iterator[list[tuple[Any, Any]]]:
    """Headers as pairs: of none, one and several of the fields, beside others."""
    yield []
    yield [("k", b"v"), ("k", b"w")]
    for value in VALUES:
        yield [("traceparent", value)]
        yield [(b"traceparent", value)]
        yield [("traceparent", PARENT.encode()), ("traceparent", value)]
        yield [("traceparent", value), ("k", b"v"), ("traceparent", OTHER)]
    for state in STATES:
        yield [("tracestate", state)]
        yield [("tracestate", state), ("traceparent", PARENT)]
    for carried in BAGGAGES:
        yield [("baggage", carried)]
        yield [("baggage", carried), ("traceparent", PARENT)]
    for key in (Text("traceparent"), "Traceparent", "traceparents", 5, None, bytearray(b"traceparent")):
        yield [("traceparent", PARENT), (key, OTHER)]


MALFORMED_PAIRS: list[Any] = [
    *(("traceparent",), ["traceparent", PARENT], ("traceparent", PARENT, 1), "ab", 5, None),
]
HEADERS: list[tuple[Carrier, Any]] = [
    *((KAFKA, kind(pairs)) for pairs in shapes() for kind in (list, tuple)),
    *((KAFKA, [("traceparent", PARENT.encode()), pair]) for pair in MALFORMED_PAIRS),
    *((AMQP, dict(pairs)) for pairs in shapes() if all(key.__hash__ for key, _ in pairs)),
    *((NATS, dict(pairs)) for pairs in shapes() if all(type(key) is str for key, _ in pairs)),
    *((KAFKA, None), (AMQP, None), (KAFKA, 5), (AMQP, 5), (KAFKA, "text"), (AMQP, [])),
]


@pytest.fixture(params=["trace", "trace and baggage"])
def propagators(request: pytest.FixtureRequest) -> Iterator[None]:
    before = propagate.get_global_textmap()
    own = TraceContextTextMapPropagator()
    both = CompositePropagator([own, W3CBaggagePropagator()])
    propagate.set_global_textmap(own if request.param == "trace" else both)
    yield
    propagate.set_global_textmap(before)


@pytest.mark.usefixtures("propagators")
def test_reading(counted: Counted) -> None:
    native = 0
    for carrier, headers in HEADERS:
        before = counted()
        expected, expected_count = extract_remote(carrier, headers)[1], counted()
        found, found_count = remote_in(carrier, headers), counted()
        shown = (carrier, headers)
        assert (found.trace_id, found.span_id, found.trace_flags, found.is_remote, found.is_valid) == (
            expected.trace_id,
            expected.span_id,
            expected.trace_flags,
            expected.is_remote,
            expected.is_valid,
        ), shown
        assert found.trace_state == expected.trace_state, shown
        assert since(found_count, expected_count) == since(expected_count, before), shown
        native += plain_remote(carrier, headers, with_baggage=False) is not None
    assert native > len(HEADERS) / 3  # otherwise Python code has been held against itself


def since(after: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    return {name: number - before.get(name, 0) for name, number in after.items() if number != before.get(name, 0)}


FIELDS: list[dict[str, Any]] = [
    *({"traceparent": value} for value in (PARENT, "", "é", "a\n", "x" * 512, "x" * 513, Text(PARENT))),
    *({"traceparent": PARENT, "tracestate": value} for value in ("a=1", "", "x" * 513)),
    {"tracestate": "a=1", "traceparent": PARENT},
    {"tracestate": "a=1"},
    {"traceparent": PARENT, "baggage": "k=v"},
    {"b3": "1"},
    {},
]


def test_writing(counted: Counted) -> None:
    for (carrier, headers), fields in itertools.product(HEADERS, FIELDS):
        given = repr(headers)
        before = counted()
        # The method of the base class has no native part.
        expected, expected_count = Carrier.set(carrier, headers, fields), counted()
        found, found_count = carrier.set(headers, fields), counted()
        assert (type(found), repr(found)) == (type(expected), repr(expected)), (carrier, headers, fields)
        assert since(found_count, expected_count) == since(expected_count, before)
        assert repr(headers) == given
        assert found is not headers or expected is headers


@pytest.mark.usefixtures("propagators")
def test_the_fields_of_a_context() -> None:
    tracer = nanospan.TracerProvider(shutdown_on_exit=False).get_tracer("name")
    state = TraceState([("a", "1")])
    remote = SpanContext(5, 6, True, TraceFlags(1), state)
    contexts = [
        context.Context(),
        context.Context({"key": "value"}),
        set_span_in_context(tracer.start_span("span"), context.Context()),
        set_span_in_context(tracer.start_span("span"), context.Context({"key": "value"})),
        set_span_in_context(NonRecordingSpan(remote), context.Context()),
        set_span_in_context(
            tracer.start_span("span", set_span_in_context(NonRecordingSpan(remote), context.Context())), context.Context()
        ),
        baggage.set_baggage("k", "v", set_span_in_context(tracer.start_span("span"), context.Context())),
    ]
    for one in contexts:
        expected: dict[str, str] = {}
        propagate.inject(expected, context=one)
        assert current_fields(one) == expected


class Shouting(TraceContextTextMapPropagator):
    def inject(self, carrier: Any, *arguments: Any, **named: Any) -> None:
        carrier["shouted"] = "yes"


@pytest.mark.parametrize("how", ["a subclass", "another propagator first", "a patched class", "a patched instance", "none"])
def test_another_propagator_is_called(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    def inject(_: Any, carrier: Any, *arguments: Any, **named: Any) -> None:
        carrier["shouted"] = "yes"

    own = TraceContextTextMapPropagator()
    known = CompositePropagator([own])
    monkeypatch.setattr(propagate, "_HTTP_TEXT_FORMAT", known)
    kafka = Messaging("kafka", tracer_provider=nanospan.TracerProvider(shutdown_on_exit=False))
    with kafka.send("orders") as sending:
        pass
    assert set(sending.fields) == {"traceparent"}  # natively
    if how == "a subclass":
        propagate.set_global_textmap(Shouting())
    elif how == "another propagator first":
        propagate.set_global_textmap(CompositePropagator([Shouting(), own]))
    elif how == "a patched class":
        monkeypatch.setattr(TraceContextTextMapPropagator, "inject", inject)
    elif how == "a patched instance":
        monkeypatch.setattr(own, "inject", inject.__get__(own), raising=False)
        propagate.set_global_textmap(CompositePropagator([own]))
    else:
        propagate.set_global_textmap(CompositePropagator([]))
    with kafka.send("orders") as sending:
        assert trace.get_current_span() is sending.span
    assert "shouted" in sending.fields if how != "none" else sending.fields == {}
