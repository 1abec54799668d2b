"""What tail sampling reads from encoded spans, against the spans that were encoded."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nanospan_testing import Policies
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState
from support.policies import compile_policies

from nanospan import encode_spans, tail

# --- spans, and policies that ask about them --------------------------------------------------------------------------

KEYS = ["k", "http.route", "url.scheme", "http.response.status_code", "a" * 200, "ключ"]
TEXTS = ["", "v", "/checkout", "/check", "GET", "x" * 300, "значение"]
NUMBERS = [-(2**63), -301, -1, 0, 1, 127, 128, 500, 2**63 - 1]

keys = st.sampled_from(KEYS)
texts = st.sampled_from(TEXTS)
numbers = st.sampled_from(NUMBERS)
values = st.one_of(
    texts, numbers, st.booleans(), st.floats(allow_nan=False), st.binary(max_size=3), st.lists(texts), st.lists(numbers)
)
attributes = st.dictionaries(keys, values, max_size=6)
states = st.dictionaries(st.sampled_from(["v", "vendor", "tenant@vendor"]), st.sampled_from(["on", "off", "on=", "o n"]))
contexts = st.builds(
    SpanContext,
    trace_id=st.integers(1, 2**128 - 1),
    span_id=st.integers(1, 2**64 - 1),
    is_remote=st.booleans(),
    trace_flags=st.integers(0, 255).map(TraceFlags),
    trace_state=states.map(lambda members: TraceState(list(members.items()))),
)
times = st.integers(0, 2**64 - 1)
spans = st.builds(
    ReadableSpan,
    name=texts,
    context=contexts,
    parent=st.one_of(st.none(), contexts),
    resource=attributes.map(Resource),
    attributes=attributes,
    events=st.lists(st.builds(Event, name=texts, attributes=attributes, timestamp=times), max_size=2),
    links=st.lists(st.builds(Link, context=contexts, attributes=attributes), max_size=2),
    kind=st.sampled_from(SpanKind),
    status=st.sampled_from([Status(), Status(StatusCode.OK), Status(StatusCode.ERROR), Status(StatusCode.ERROR, "no")]),
    start_time=times,
    end_time=times,
)

PATTERNS = ["^v$", "check", "^/check$", "x{300}", "знач", "(?i)get"]
some_texts = st.lists(st.sampled_from(TEXTS[1:]), min_size=1, max_size=3, unique=True)
bounds = st.one_of(st.none(), numbers)
questions = st.one_of(
    st.builds(tail.StringAttribute, keys, some_texts),
    st.builds(
        tail.StringAttribute,
        keys,
        st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=2),
        enabled_regex_matching=st.just(True),
        cache_max_size=st.sampled_from([1, 128]),
    ),
    st.tuples(keys, bounds, bounds)
    .filter(lambda asked: asked[1:] != (None, None) and (None in asked[1:] or asked[1] <= asked[2]))
    .map(lambda asked: tail.NumericAttribute(*asked)),
    st.builds(tail.BooleanAttribute, keys, st.booleans()),
    st.builds(tail.TraceState, st.sampled_from(["v", "vendor", "tenant@vendor"]), st.just(["on", "on="])),
)


def holds(policy: tail.Policy, attributes: Mapping[str, Any], state: TraceState) -> bool:
    """What the policy's documentation says of one span, or with an empty state of one resource."""
    if isinstance(policy, tail.TraceState):
        return state.get(policy.key) in policy.values
    value = attributes.get(policy.key)
    if isinstance(policy, tail.BooleanAttribute):
        return value is policy.value
    if isinstance(policy, tail.NumericAttribute):
        least, most = policy.min_value, policy.max_value
        return type(value) is int and (least is None or value >= least) and (most is None or value <= most)
    if not isinstance(value, str) or not value:
        return False
    if policy.enabled_regex_matching:
        return any(re.search(pattern, value) for pattern in policy.values)
    return value in policy.values


def encoded(span: ReadableSpan) -> tuple[bytes, bytes]:
    """The bytes of a span, and of the field of its resource, as they lie in a request of that span."""
    request = encode_spans([span])
    message = ExportTraceServiceRequest.FromString(request).resource_spans[0]
    body = message.scope_spans[0].spans[0].SerializeToString()
    resource = message.resource.SerializeToString()
    size, head = len(resource), b"\x0a"
    while size >= 0x80:
        head, size = head + bytes([size & 0x7F | 0x80]), size >> 7
    field = head + bytes([size]) + resource
    assert body in request
    assert field in request
    return body, field


def bits_of(answers: list[bool]) -> int:
    return sum(1 << index for index, answer in enumerate(answers) if answer)


# --- the facts --------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(spans, st.lists(questions, min_size=1, max_size=8, unique=True))
def test_facts_are_those_of_the_span(span: ReadableSpan, policies: list[tail.Policy]) -> None:
    compiled = compile_policies(policies)
    body, field = encoded(span)
    state = span.context.trace_state
    remote = span.parent is not None and span.parent.is_remote
    assert compiled.facts(body) == {
        "trace_id": span.context.trace_id,
        "start": span.start_time,
        "end": span.end_time,
        "matches": bits_of([holds(policy, span.attributes, state) for policy in policies]),
        "flags": 0x100 | 0x200 * remote | span.context.trace_flags,
        "has_parent": span.parent is not None,
        "is_local_root": span.parent is None or remote,
        "status": {StatusCode.UNSET: 0, StatusCode.OK: 1, StatusCode.ERROR: 2}[span.status.status_code],
        "trace_state": state.to_header() or None,
    }
    expected = bits_of([holds(policy, span.resource.attributes, TraceState()) for policy in policies])
    assert compiled.resource_matches(field) == expected


@settings(deadline=None)
@given(spans, st.lists(questions, min_size=1, max_size=4, unique=True), st.data())
def test_bytes_that_are_no_span(span: ReadableSpan, policies: list[tail.Policy], data: st.DataObject) -> None:
    compiled = compile_policies(policies)
    body, field = encoded(span)
    cut = data.draw(st.integers(0, len(body) - 1))
    facts = compiled.facts(body[:cut])
    assert facts is None or (cut >= 28 and facts["trace_id"] == span.context.trace_id)
    assert compiled.facts(body + b"\x0a") is None
    assert compiled.facts(b"\x12" + body[1:]) is None
    assert compiled.resource_matches(field[: data.draw(st.integers(0, len(field) - 1))]) == 0
    assert compiled.facts(b"") is None
    assert compiled.resource_matches(b"") == 0


def test_spans_of_a_tracer() -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource({"service.name": "shop"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("root") as root:
        with tracer.start_as_current_span("child", attributes={"http.route": "/checkout"}) as child:
            child.set_status(StatusCode.ERROR, "no stock")
        root.set_attribute("http.response.status_code", 500)
    compiled = compile_policies(
        [
            tail.StringAttribute("http.route", ["/checkout"]),
            tail.NumericAttribute("http.response.status_code", 500, 599),
            tail.StringAttribute("service.name", ["^sh"], enabled_regex_matching=True),
        ]
    )
    bodies = [encoded(span) for span in exporter.get_finished_spans()]
    child_facts, root_facts = (compiled.facts(body) for body, _ in bodies)
    assert child_facts["matches"] == 1
    assert root_facts["matches"] == 2
    assert [compiled.resource_matches(field) for _, field in bodies] == [4, 4]
    assert child_facts["trace_id"] == root_facts["trace_id"] == root.get_span_context().trace_id
    assert (child_facts["is_local_root"], root_facts["is_local_root"]) == (False, True)
    assert (child_facts["status"], root_facts["status"]) == (2, 0)
    assert root_facts["flags"] & 1


# --- patterns ---------------------------------------------------------------------------------------------------------


def text_span(value: str) -> bytes:
    context = SpanContext(1, 1, False, TraceFlags(1))
    return encoded(ReadableSpan("n", context, attributes={"k": value}, start_time=1, end_time=2))[0]


def found(compiled: Policies, value: str) -> bool:
    return compiled.facts(text_span(value))["matches"] == 1


def pattern_policy(*patterns: str, cache_max_size: int = 128) -> tail.StringAttribute:
    return tail.StringAttribute("k", patterns, enabled_regex_matching=True, cache_max_size=cache_max_size)


def test_a_pattern_is_searched_anywhere_in_the_text() -> None:
    compiled = compile_policies([pattern_policy("b+c", "^z")])
    assert compiled.asks_python
    assert [found(compiled, value) for value in ("abbc", "zebra", "ab", "az", "")] == [True, True, False, False, False]


def test_only_patterns_ask_python() -> None:
    assert not compile_policies([tail.StringAttribute("k", ["v"])]).asks_python


def test_answers_are_remembered_up_to_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    searched: list[str] = []

    class Pattern:
        def search(self, text: str) -> object:
            searched.append(text)
            return text if "a" in text else None

    monkeypatch.setattr("nanospan.tail._patterns.compile_patterns", lambda argument, patterns: [Pattern()])
    compiled = compile_policies([pattern_policy("a", cache_max_size=2)])
    assert [found(compiled, text) for text in ("a1", "b1", "a1", "b1")] == [True, False, True, False]
    assert searched == ["a1", "b1"]
    assert found(compiled, "a2")  # now a1, the text not asked for longest, is forgotten
    assert not found(compiled, "b1")
    assert found(compiled, "a1")
    assert searched == ["a1", "b1", "a2", "a1"]
    huge = "a" * 2000
    assert found(compiled, huge) and found(compiled, huge)
    assert searched[4:] == [huge, huge]


def test_a_search_that_fails_finds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Pattern:
        def search(self, text: str) -> object:
            raise RuntimeError("no")

    monkeypatch.setattr("nanospan.tail._patterns.compile_patterns", lambda argument, patterns: [Pattern()])
    compiled = compile_policies([pattern_policy("a")])
    assert not found(compiled, "a")


def test_an_interrupt_during_a_search_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    class Pattern:
        def search(self, text: str) -> object:
            raise KeyboardInterrupt

    monkeypatch.setattr("nanospan.tail._patterns.compile_patterns", lambda argument, patterns: [Pattern()])
    compiled = compile_policies([pattern_policy("a")])
    # A program started in the background of a shell ignores interrupts, and passes nothing on.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            assert not found(compiled, "a")
            for _ in range(1000):  # raised by the interpreter at one of its next steps
                pass
    finally:
        signal.signal(signal.SIGINT, handler)


def test_two_policies_that_ask_the_same_share_a_condition() -> None:
    policy = tail.StringAttribute("k", ["v"])
    inverted = tail.StringAttribute("k", ["v"], invert_match=True)
    compiled = compile_policies([policy, tail.Drop(policy), inverted, tail.StringAttribute("k", ["w"])])
    assert compiled.facts(text_span("v"))["matches"] == 1
    assert compiled.facts(text_span("w"))["matches"] == 2
