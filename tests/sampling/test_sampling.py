"""nanospan's samplers against the SDK's: the same answer to every question, through every way of asking."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import nanospan_testing as native
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.sdk.trace import sampling as sdk
from opentelemetry.sdk.trace._sampling_experimental import _util as sdk_composable
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    TraceFlags,
    TraceState,
    set_span_in_context,
)
from support.selection.examples import examples

from nanospan import sampling

ASK = -1
LIMIT = 2**56
EDGE_RATES = (0, 1, 0.0, -0.0, 1.0, True, 1e-19, 2**-64, 2**-65, 5e-324, 1 - 2**-53, 0.1, 0.5, 1 / 3)
LOW_64 = 2**64 - 1
INVALID_TRACE = SpanContext(0, 7, is_remote=True, trace_flags=TraceFlags(1))


class SubclassedContext(SpanContext):
    """A SpanContext that is not exactly one: it has to be read through its properties."""


class SpanWithoutContext(NonRecordingSpan):
    def get_span_context(self) -> Any:
        return None


class RegisteredSpan:
    """A span by registration with the ABC only."""

    def __init__(self, span_context: SpanContext) -> None:
        self.span_context = span_context

    def get_span_context(self) -> SpanContext:
        return self.span_context


Span.register(RegisteredSpan)

trace_ids = st.one_of(
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.integers(1, 2**64 - 1).map(lambda high: high << 64),
    st.sampled_from([1, LOW_64, LOW_64 - 1, 1 << 63, (1 << 63) - 1, 1 << 64, (1 << 128) - 1]),
)
rates = st.one_of(st.floats(0, 1), st.sampled_from(EDGE_RATES))
trace_states = st.sampled_from([None, TraceState(), TraceState([("vendor", "x"), ("ot", "th:8")])])
span_contexts = st.builds(
    lambda kind, *arguments: kind(*arguments),
    st.sampled_from([SpanContext, SubclassedContext]),
    st.sampled_from([0, 1, 2**128 - 1, 2**128]),
    st.sampled_from([0, 1, 2**64 - 1]),
    st.booleans(),
    st.one_of(st.none(), st.integers(0, 255).map(TraceFlags)),
    trace_states,
)
valid_contexts = st.builds(
    SpanContext, st.just(5), st.just(6), st.booleans(), st.integers(0, 255).map(TraceFlags), trace_states
)
spans = st.one_of(
    st.builds(NonRecordingSpan, st.one_of(span_contexts, valid_contexts)),
    st.builds(RegisteredSpan, valid_contexts),
    st.just(SpanWithoutContext(INVALID_TRACE)),
    st.just("not a span"),
)
contexts = st.one_of(
    st.just(Context()),
    spans.map(lambda span: set_span_in_context(span, Context({"other": 1}))),
    spans.map(lambda span: dict(set_span_in_context(span, Context()))),
)
attributes = st.one_of(
    st.none(),
    st.just({}),
    st.dictionaries(st.text(max_size=3), st.integers()),
    st.just([("not", "a mapping")]),
)
ways_to_ask = st.sampled_from(["positional", "keywords", "current"])


def ask(sampler: Any, way: str, context: Any, trace_id: int, attributes: Any) -> tuple[Any, ...]:
    """The result in full, or the exception; by the calls of the SDK's tracer and of its ParentBased."""
    link = Link(SpanContext(1, 2, False))
    token = otel_context.attach(context) if way == "current" else None
    try:
        if way == "keywords":
            result = sampler.should_sample(
                parent_context=context,
                trace_id=trace_id,
                name="span",
                kind=SpanKind.CLIENT,
                attributes=attributes,
                links=[link],
                trace_state=TraceState([("ignored", "1")]),
            )
        else:
            explicit = None if way == "current" else context
            result = sampler.should_sample(explicit, trace_id, "span", SpanKind.CLIENT, attributes, (link,))
    except Exception as error:
        return type(error), str(error)
    finally:
        if token is not None:
            otel_context.detach(token)
    assert type(result) is sdk.SamplingResult
    assert list(vars(result)) == ["decision", "attributes", "trace_state"]
    return (
        result.decision,
        type(result.attributes),
        dict(result.attributes),
        result.trace_state,
        id(result.trace_state),
        repr(result),
    )


def assert_same(ours: Any, theirs: Any, way: str, context: Any, trace_id: int, attributes: Any = None) -> None:
    assert ask(ours, way, context, trace_id, attributes) == ask(theirs, way, context, trace_id, attributes)


def native_answer(sampler: Any, trace_id: int, parent: SpanContext | None) -> int:
    if parent is None or not parent.is_valid:
        return native.decide(sampler, trace_id, remote=True, sampled=True)
    return native.decide(sampler, trace_id, valid=True, remote=parent.is_remote, sampled=parent.trace_flags.sampled)


class TestAgainstTheSdk:
    @given(rate=rates, way=ways_to_ask, context=contexts, trace_id=trace_ids, attributes=attributes)
    def test_ratio(self, rate: float, way: str, context: Any, trace_id: int, attributes: Any) -> None:
        ours, theirs = sampling.TraceIdRatioBased(rate), sdk.TraceIdRatioBased(rate)
        assert (ours.rate, ours.bound, ours.get_description()) == (
            theirs.rate,
            theirs.bound,
            theirs.get_description(),
        )
        assert_same(ours, theirs, way, context, trace_id, attributes)
        expected = theirs.should_sample(None, trace_id, "").decision.value
        assert native_answer(ours, trace_id, None) == expected

    @pytest.mark.parametrize("rate", EDGE_RATES)
    @pytest.mark.parametrize("high_bits", [0, 1 << 64, LOW_64 << 64])
    def test_ids_around_the_bound(self, rate: float, high_bits: int) -> None:
        ours, theirs = sampling.TraceIdRatioBased(rate), sdk.TraceIdRatioBased(rate)
        for low in (0, 1, theirs.bound - 1, theirs.bound, theirs.bound + 1, LOW_64 - 1, LOW_64):
            trace_id = high_bits | (low & LOW_64)
            assert_same(ours, theirs, "positional", Context(), trace_id)
            kept = ours.should_sample(None, trace_id, "").decision is sdk.Decision.RECORD_AND_SAMPLE
            assert kept == (low & LOW_64 < theirs.bound)

    @given(
        decision=st.sampled_from(sdk.Decision),
        way=ways_to_ask,
        context=contexts,
        trace_id=trace_ids,
        attributes=attributes,
    )
    def test_static(self, decision: sdk.Decision, way: str, context: Any, trace_id: int, attributes: Any) -> None:
        ours, theirs = sampling.StaticSampler(decision), sdk.StaticSampler(decision)
        assert ours.get_description() == theirs.get_description()
        assert_same(ours, theirs, way, context, trace_id, attributes)
        assert native_answer(ours, trace_id, None) == decision.value

    @settings(max_examples=examples(300))
    @given(
        rate=rates,
        delegates=st.lists(st.sampled_from(["on", "off", "record", "ratio", "nested", "foreign"]), max_size=4),
        way=ways_to_ask,
        context=contexts,
        trace_id=trace_ids,
        attributes=attributes,
    )
    def test_parent_based(
        self, rate: float, delegates: list[str], way: str, context: Any, trace_id: int, attributes: Any
    ) -> None:
        def build(module: Any) -> Any:
            choices: dict[str, Callable[[], Any]] = {
                "on": lambda: module.ALWAYS_ON,
                "off": lambda: module.ALWAYS_OFF,
                "record": lambda: module.StaticSampler(sdk.Decision.RECORD_ONLY),
                "ratio": lambda: module.TraceIdRatioBased(0.5),
                "nested": lambda: module.DEFAULT_OFF,
                "foreign": lambda: sdk.TraceIdRatioBased(0.25),
            }
            root = module.TraceIdRatioBased(rate)
            return module.ParentBased(root, *(choices[name]() for name in delegates))

        ours, theirs = build(sampling), build(sdk)
        assert ours.get_description() == theirs.get_description()
        assert_same(ours, theirs, way, context, trace_id, attributes)

    @given(rate=rates, way=ways_to_ask, context=contexts, trace_id=trace_ids, attributes=attributes)
    def test_parent_based_ratio(self, rate: float, way: str, context: Any, trace_id: int, attributes: Any) -> None:
        ours, theirs = sampling.ParentBasedTraceIdRatio(rate), sdk.ParentBasedTraceIdRatio(rate)
        assert ours.get_description() == theirs.get_description()
        assert_same(ours, theirs, way, context, trace_id, attributes)

    @pytest.mark.parametrize("name", ["ALWAYS_ON", "ALWAYS_OFF", "DEFAULT_ON", "DEFAULT_OFF"])
    @given(way=ways_to_ask, context=contexts, trace_id=trace_ids, attributes=attributes)
    def test_singletons(self, name: str, way: str, context: Any, trace_id: int, attributes: Any) -> None:
        ours, theirs = getattr(sampling, name), getattr(sdk, name)
        assert ours.get_description() == theirs.get_description()
        assert_same(ours, theirs, way, context, trace_id, attributes)

    @given(rate=rates, parent=st.one_of(st.none(), span_contexts, valid_contexts), trace_id=trace_ids)
    @example(rate=0, parent=SpanContext(5, 6, True, TraceFlags(3)), trace_id=LOW_64)
    def test_the_native_answer_is_the_python_one(self, rate: float, parent: SpanContext | None, trace_id: int) -> None:
        ours = sampling.ParentBased(
            sampling.TraceIdRatioBased(rate),
            sampling.StaticSampler(sdk.Decision.RECORD_ONLY),
            sampling.TraceIdRatioBased(0.25),
            sampling.ALWAYS_OFF,
            sampling.ALWAYS_ON,
        )
        context = Context() if parent is None else set_span_in_context(NonRecordingSpan(parent), Context())
        expected = ours.should_sample(context, trace_id, "").decision.value
        assert native_answer(ours, trace_id, parent) == expected

    @pytest.mark.parametrize("rate", [-1e-9, 1.0000001, 2, -1, float("nan"), float("inf"), "0.5", None, [1]])
    @pytest.mark.parametrize("name", ["TraceIdRatioBased", "ParentBasedTraceIdRatio"])
    def test_bad_rates_raise_the_same(self, name: str, rate: Any) -> None:
        """With a message that names the argument."""
        with pytest.raises(Exception) as theirs:
            getattr(sdk, name)(rate)
        with pytest.raises(type(theirs.value), match=r"^rate must be a number from 0\.0 to 1\.0, not "):
            getattr(sampling, name)(rate)

    @pytest.mark.parametrize("trace_id", [-1, 0, 2**200 + 3, True, None, "1", 1.0])
    @pytest.mark.parametrize("name", ["ALWAYS_ON", "DEFAULT_ON", "ratio", "parent_ratio"])
    def test_odd_trace_ids(self, name: str, trace_id: Any) -> None:
        def build(module: Any) -> Any:
            if name == "ratio":
                return module.TraceIdRatioBased(0.5)
            return module.ParentBasedTraceIdRatio(0.5) if name == "parent_ratio" else getattr(module, name)

        ours = ask(build(sampling), "positional", Context(), trace_id, None)
        theirs = ask(build(sdk), "positional", Context(), trace_id, None)
        assert ours[0] == theirs[0]
        assert ours[0] is TypeError or ours == theirs

    def test_a_span_whose_flags_are_a_plain_int_fails_as_in_the_sdk(self) -> None:
        span = NonRecordingSpan(SpanContext(1, 2, True, 1))  # type: ignore[arg-type]
        context = set_span_in_context(span, Context())
        assert_same(sampling.DEFAULT_ON, sdk.DEFAULT_ON, "positional", context, 1)
        assert_same(sampling.ALWAYS_ON, sdk.ALWAYS_ON, "positional", context, 1)

    def test_a_failing_span_fails_as_in_the_sdk(self) -> None:
        class Failing(NonRecordingSpan):
            def get_span_context(self) -> SpanContext:
                raise LookupError("no context")

        context = set_span_in_context(Failing(INVALID_TRACE), Context())
        for name in ("ALWAYS_ON", "DEFAULT_ON"):
            assert_same(getattr(sampling, name), getattr(sdk, name), "positional", context, 1)


class TestThresholds:
    @given(probability=st.floats(2**-56, 1))
    def test_full_precision_is_the_sdks_number(self, probability: float) -> None:
        ours = sampling.ConsistentProbability(probability, precision=14).threshold
        assert ours == LIMIT - round(probability * LIMIT) == sdk_composable.calculate_threshold(probability)

    @given(probability=st.floats(2**-40, 1), precision=st.integers(1, 14))
    def test_rounding_moves_less_than_a_digit(self, probability: float, precision: int) -> None:
        rounded = sampling.ConsistentProbability(probability, precision=precision).threshold
        kept_digits = precision if precision >= 14 else min(12, precision)
        assert 0 <= rounded < LIMIT
        assert abs(rounded - sdk_composable.calculate_threshold(probability)) <= 16 ** (14 - kept_digits)
