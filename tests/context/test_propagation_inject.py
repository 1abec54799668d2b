"""nanospan's trace context propagator writes as the API's does, and reads what it wrote."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Setter, default_setter
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, TraceFlags, TraceState, set_span_in_context
from support.propagation.carriers import OURS, REMOTE, THEIRS, Headers, KeptSetter, Mapped, described, outcome, thoroughly
from support.propagation.headers import HEADER, tracestates

import nanospan
from nanospan._native.context import propagator
from nanospan.sampling import ALWAYS_OFF, ALWAYS_ON


class SubclassedSpanContext(SpanContext):
    @property
    def trace_id(self) -> int:
        return 5


class SpelledNumber(int):
    def __format__(self, specification: str) -> str:
        return "spelled"


class AskedSpan(NonRecordingSpan):
    """Counts how often it is asked for its context."""

    asked = 0

    def get_span_context(self) -> Any:
        self.asked += 1
        return super().get_span_context()


class RegisteredSpan:
    """A span by registration with the ABC only."""

    def __init__(self, span_context: Any) -> None:
        self.span_context = span_context

    def get_span_context(self) -> Any:
        return self.span_context


Span.register(RegisteredSpan)


class Vendor(TraceState):
    def to_header(self) -> str:
        return "vendor"


trace_ids = st.one_of(
    st.integers(0, 2**128 - 1),
    st.sampled_from([0, 1, 2**64, 2**64 - 1, 2**127, 2**128 - 1, 2**128, -1, -(2**64), True, False, 1.5]),
)
span_ids = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 1, 2**63, 2**64 - 1, 2**64, -1, True, 0.0]))
flags = st.one_of(
    st.integers(0, 255).map(TraceFlags),
    st.integers(-3, 300),
    st.sampled_from([None, True, TraceFlags(256), TraceFlags(-1), 2**31, 2**63, 2**70, SpelledNumber(1), "1"]),
)
trace_states = st.one_of(
    st.none(),
    tracestates.map(lambda header: TraceState.from_header([header])),
    st.sampled_from([TraceState(), TraceState([("a", "1")]), Vendor([("a", "1")]), Vendor(), {"a": "1"}, {}, ""]),
)
span_contexts = st.builds(
    lambda kind, *arguments: kind(*arguments),
    st.sampled_from([SpanContext, SpanContext, SpanContext, SubclassedSpanContext]),
    trace_ids,
    span_ids,
    st.booleans(),
    flags,
    trace_states,
) | st.sampled_from([None, 7, trace.INVALID_SPAN_CONTEXT, SpanContext(0, 0, False), SpanContext(0, 0, True)])
span_kinds = st.sampled_from([NonRecordingSpan, NonRecordingSpan, AskedSpan, RegisteredSpan, lambda context: context])
INJECTED_INTO: dict[str, Callable[[], tuple[Any, Setter[Any]]]] = {
    "dict": lambda: ({"other": "1", "traceparent": "old"}, default_setter),
    "headers": lambda: (Headers(), default_setter),
    "mapping": lambda: (Mapped({}), default_setter),
    "setter": lambda: ([], KeptSetter()),
    "no mapping": lambda: ((), default_setter),
    "nothing": lambda: (None, default_setter),
}


def assert_injects_the_same(context: Any, into: str = "dict") -> Any:
    def run(propagator: Any) -> tuple[Any, ...]:
        carrier, setter = INJECTED_INTO[into]()
        return outcome(lambda: propagator.inject(carrier, context, setter)), described(carrier)

    theirs = run(THEIRS)
    assert run(OURS) == theirs
    return theirs[1]


class TestInject:
    @thoroughly
    @given(
        span_context=span_contexts,
        span_kind=span_kinds,
        into=st.sampled_from(["dict", "dict", *INJECTED_INTO]),
        current=st.booleans(),
    )
    def test_any_span_context(self, span_context: Any, span_kind: Any, into: str, current: bool) -> None:
        context = set_span_in_context(span_kind(span_context), Context({"a": 1}))
        if not current:
            assert_injects_the_same(context, into)
            return
        token = otel_context.attach(context)
        try:
            assert_injects_the_same(None, into)
        finally:
            otel_context.detach(token)

    @thoroughly
    @given(trace_id=st.integers(1, 2**128 - 1), span_id=st.integers(0, 2**64 - 1), flags=st.integers(0, 255))
    def test_text(self, trace_id: int, span_id: int, flags: int) -> None:
        text = propagator.traceparent_to_text(SpanContext(trace_id, span_id, False, TraceFlags(flags)))
        assert text == f"00-{trace_id:032x}-{span_id:016x}-{flags:02x}"
        assert (text.isascii(), len(text), hash(text)) == (True, 55, hash(str(text.encode(), "ascii")))

    @pytest.mark.parametrize(
        "span_context",
        [
            SpanContext(1, 2, False, SpelledNumber(1)),
            SpanContext(1, SpelledNumber(2), False),
            SpanContext(SpelledNumber(1), 2, False),
            SpanContext(True, 2, False),
            SpanContext(1, 2, False, TraceFlags(256)),
            SpanContext(1, 2, False, 2**64),
            SpanContext(1, 0, False),
            SpanContext(0, 0, True),
            SubclassedSpanContext(1, 2, False),
        ],
    )
    def test_odd_numbers(self, span_context: SpanContext) -> None:
        assert_injects_the_same(set_span_in_context(NonRecordingSpan(span_context), Context()))

    @pytest.mark.parametrize("span_context", [None, SpanContext(0, 1, False), SpanContext(1, 2**64, False)])
    def test_what_is_not_written_in_c(self, span_context: Any) -> None:
        with pytest.raises(ValueError, match="span_context"):
            propagator.traceparent_to_text(span_context)

    def test_spans_of_nanospan(self) -> None:
        parent = SpanContext(REMOTE.trace_id, REMOTE.span_id, True, TraceFlags(3), TraceState([("a", "1")]))
        context = set_span_in_context(NonRecordingSpan(parent), Context())
        for sampler in (ALWAYS_ON, ALWAYS_OFF):
            tracer = nanospan.TracerProvider(sampler=sampler).get_tracer("test")
            with tracer.start_as_current_span("span", context) as span:
                injected = dict(assert_injects_the_same(None)[1])
                assert injected["tracestate"][1] == "a=1"
                assert f"{parent.trace_id:032x}-{span.get_span_context().span_id:016x}" in injected["traceparent"][1]

    @pytest.mark.parametrize("context", [Context(), Context({"a": 1}), {}, {"a": 1}, None, "no context"])
    def test_without_a_span(self, context: Any) -> None:
        assert_injects_the_same(context)

    @pytest.mark.parametrize("span_context", [REMOTE, SpanContext(1, 2, False, TraceFlags(256)), None])
    def test_the_span_is_asked_once(self, span_context: Any) -> None:
        span = AskedSpan(span_context)
        outcome(lambda: OURS.inject({}, set_span_in_context(span, Context())))
        assert span.asked == 1

    def test_a_failing_span_fails_as_with_the_api(self) -> None:
        class Failing(NonRecordingSpan):
            def get_span_context(self) -> SpanContext:
                raise LookupError("no context")

        assert_injects_the_same(set_span_in_context(Failing(REMOTE), Context()))

    def test_a_context_that_is_no_context(self) -> None:
        span = set_span_in_context(NonRecordingSpan(REMOTE), Context())
        assert "traceparent" in dict(assert_injects_the_same(dict(span))[1])
        assert "traceparent" in dict(assert_injects_the_same(MappingProxyType(span))[1])

    def test_a_replaced_get_current_span_is_called(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(trace, "get_current_span", lambda context=None: NonRecordingSpan(REMOTE))
        assert dict(assert_injects_the_same(Context())[1])["traceparent"][1] == HEADER

    def test_a_setter_that_raises(self) -> None:
        class Broken(KeptSetter):
            def set(self, carrier: Any, key: str, value: str) -> None:
                raise LookupError(key)

        with pytest.raises(LookupError, match="traceparent"):
            OURS.inject([], set_span_in_context(NonRecordingSpan(REMOTE)), Broken())


@thoroughly
@given(
    trace_id=st.integers(1, 2**128 - 1),
    span_id=st.integers(1, 2**64 - 1),
    bits=st.integers(0, 255),
    state=tracestates.map(lambda header: TraceState.from_header([header])),
    through_list=st.booleans(),
)
def test_round_trip(trace_id: int, span_id: int, bits: int, state: TraceState, through_list: bool) -> None:
    sent = SpanContext(trace_id, span_id, False, TraceFlags(bits), state)
    carrier: dict[str, Any] = {}
    OURS.inject(carrier, set_span_in_context(NonRecordingSpan(sent), Context()))
    if through_list:
        carrier = {name: [value] for name, value in carrier.items()}
    received = trace.get_current_span(OURS.extract(carrier)).get_span_context()
    assert received == SpanContext(trace_id, span_id, True, TraceFlags(bits), state)
