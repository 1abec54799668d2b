"""W3C Trace Context level 2, where the API's propagator and its TraceState follow level 1."""

from __future__ import annotations

import copy
import logging
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import SpanContext, TraceState, get_current_span
from support.propagation.carriers import OURS, THEIRS
from support.propagation.w3c_cases import CASES, SAMPLED, Case

import nanospan
from nanospan.sampling import ConsistentProbability, ParentBased


class AsgiHeaders(Getter[list[tuple[str, str]]]):
    """Names in lower case; a list of all values of one."""

    def get(self, carrier: list[tuple[str, str]], key: str) -> list[str] | None:
        return [value for name, value in carrier if name.lower() == key] or None

    def keys(self, carrier: list[tuple[str, str]]) -> list[str]:
        return [name for name, _ in carrier]


class WsgiHeaders(AsgiHeaders):
    """A server has joined the values of one name."""

    def get(self, carrier: list[tuple[str, str]], key: str) -> list[str] | None:
        values = super().get(carrier, key)
        return None if values is None else [",".join(value.strip() for value in values)]


def mapped(headers: list[tuple[str, str]]) -> dict[str, Any]:
    """For the API's default getter: a list where a name occurs more than once."""
    found: dict[str, Any] = {}
    for name, value in headers:
        found.setdefault(name.lower(), []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


READERS: dict[str, Callable[[Any, list[tuple[str, str]]], Context]] = {
    "asgi": lambda propagator, headers: propagator.extract(headers, getter=AsgiHeaders()),
    "wsgi": lambda propagator, headers: propagator.extract(headers, getter=WsgiHeaders()),
    "mapping": lambda propagator, headers: propagator.extract(mapped(headers)),
}


def remote(context: Context) -> SpanContext:
    return get_current_span(context).get_span_context()


def result(propagator: Any, reader: str, case: Case) -> tuple[bool, list[tuple[str, str]]]:
    context = READERS[reader](propagator, case.headers)
    return bool(context), list(remote(context).trace_state.items())


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", CASES)
def test_headers(name: str, reader: str) -> None:
    case = CASES[name]
    assert result(OURS, reader, case) == (case.continues, case.members)


@pytest.mark.parametrize("reader", READERS)
def test_where_the_apis_propagator_differs(reader: str) -> None:
    found = {name for name, case in CASES.items() if result(THEIRS, reader, case) != (case.continues, case.members)}
    joined = {name for name, case in CASES.items() if case.differs == "takes the first" and reader == "wsgi"}
    assert found == {name for name, case in CASES.items() if case.differs} - joined


def state_of(header: str) -> TraceState:
    return remote(OURS.extract({"traceparent": SAMPLED, "tracestate": header})).trace_state


def test_a_state_of_level_1_is_the_apis_own_class() -> None:
    for header in ("a=1", "a=1,a=2", "1a@b=1", "a" * 256 + "=1"):
        assert type(state_of(header)) is TraceState


COPIES: list[Callable[[TraceState], TraceState]] = [
    copy.copy,
    copy.deepcopy,
    lambda state: pickle.loads(pickle.dumps(state)),
    lambda state: state,
]


@pytest.mark.parametrize("copied", COPIES)
def test_a_changed_state_keeps_its_keys(
    copied: Callable[[TraceState], TraceState], caplog: pytest.LogCaptureFixture
) -> None:
    state = copied(state_of("1foo=1,bar=2,foo@=3"))
    assert isinstance(state, TraceState)
    assert state.to_header() == "1foo=1,bar=2,foo@=3"
    assert state.add("new", "4").to_header() == "new=4,1foo=1,bar=2,foo@=3"
    assert state.add("2@@", "4").to_header() == "2@@=4,1foo=1,bar=2,foo@=3"
    assert state.update("bar", "5").to_header() == "bar=5,1foo=1,foo@=3"
    assert state.update("foo@", "5").update("new", "6").to_header() == "new=6,foo@=5,1foo=1,bar=2"
    assert state.delete("bar").delete("foo@").to_header() == "1foo=1"
    assert state.to_header() == "1foo=1,bar=2,foo@=3"
    assert caplog.records == []


def test_an_illegal_change_is_refused_as_by_the_api(caplog: pytest.LogCaptureFixture) -> None:
    def said(state: TraceState) -> list[str]:
        caplog.clear()
        full = state
        for number in range(40):
            full = full.add(f"k{number}", "1")
        assert len(full) == 32
        full = full.update("k40", "1").update("k30", "2")
        assert len(full) == 32 and full["k30"] == "2"
        for key, value in (("A", "1"), ("a", "="), ("a", ""), (7, "1"), ("a", None), ("a" * 257, "1")):
            assert state.add(key, value) is state and state.update(key, value) is state
        assert state.add(next(iter(state)), "2") is state and state.delete("unknown") is state
        return [record.getMessage() for record in caplog.records]

    with caplog.at_level(logging.WARNING, "opentelemetry"):
        ours, theirs = said(state_of("a@=1")), said(TraceState([("a@a", "1")]))
    assert ours == [message.replace("a@a", "a@") for message in theirs]


def test_a_sampler_that_writes_its_threshold_keeps_the_other_members() -> None:
    context = OURS.extract({"traceparent": SAMPLED, "tracestate": "1foo=1,foo@=2"})
    provider = nanospan.TracerProvider(sampler=ConsistentProbability(1.0), shutdown_on_exit=False)
    carrier: dict[str, str] = {}
    with provider.get_tracer("name").start_as_current_span("span", context=context):
        OURS.inject(carrier)
    assert carrier["tracestate"] == "ot=th:0,1foo=1,foo@=2"


def test_reserved_flags_end_here_and_the_random_one_goes_on() -> None:
    provider = nanospan.TracerProvider(sampler=ParentBased(ConsistentProbability(1.0)), shutdown_on_exit=False)
    tracer = provider.get_tracer("name")
    for given, expected in ((0xFF, 3), (0xFD, 1), (2, 2), (0, 0)):
        context = OURS.extract({"traceparent": f"{SAMPLED[:-2]}{given:02x}"})
        assert tracer.start_span("span", context).get_span_context().trace_flags == expected
    assert tracer.start_span("root", Context()).get_span_context().trace_flags == 3
