"""ConsistentProbability: decisions, trace states, where the randomness comes from, and the shares that are kept."""

from __future__ import annotations

import math
from typing import Any

import nanospan_testing as native
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import SpanKind, TraceState
from support.head_sampling import DROPPED, HIGH, KEPT, LIMIT, LOW, CountingIds, by_tracers, context_of, decided

import nanospan
from nanospan.sampling import ALWAYS_OFF, AlwaysRecord, ConsistentProbability, ParentBased


class TestRoots:
    @pytest.mark.parametrize(
        ("ratio", "th"),
        [(1, "0"), (0.5, "8"), (0.25, "c"), (1 / 3, "aaab"), (0.01, "fd70a"), (0.999999, "0"), (1e-6, "ffffef39")],
    )
    def test_a_kept_trace_says_its_threshold(self, ratio: float, th: str) -> None:
        sampler = ConsistentProbability(ratio)
        assert decided(sampler, HIGH) == (KEPT, {"ot": f"th:{th}"})
        assert sampler.threshold == int(th.ljust(14, "0"), 16)
        assert sampler.probability == (LIMIT - sampler.threshold) / LIMIT == pytest.approx(ratio, rel=1e-4)
        assert sampler.get_description() == f"ConsistentProbability{{{float(ratio)},th:{th}}}"

    def test_one_that_is_not_kept_says_none(self) -> None:
        assert decided(ConsistentProbability(0.5), LOW) == (DROPPED, {})

    @given(threshold=st.integers(0, LIMIT - 1), offset=st.integers(-2, 2))
    def test_equality_keeps(self, threshold: int, offset: int) -> None:
        sampler = ConsistentProbability((LIMIT - threshold) / LIMIT, precision=14)
        randomness = min(max(0, sampler.threshold + offset), LIMIT - 1)
        assert (decided(sampler, 1 << 64 | randomness)[0] is KEPT) == (randomness >= sampler.threshold)

    @pytest.mark.parametrize("high_bits", [0, 1 << 56, (2**72 - 1) << 56])
    def test_only_the_low_56_bits_count(self, high_bits: int) -> None:
        sampler = ConsistentProbability(0.5)
        assert decided(sampler, high_bits | 1 << 55)[0] is KEPT
        assert decided(sampler, high_bits | (1 << 55) - 1)[0] is DROPPED

    def test_attributes_are_those_given(self) -> None:
        result = ConsistentProbability(0.5).should_sample(None, HIGH, "span", SpanKind.SERVER, {"a": 1})
        assert dict(result.attributes) == {"a": 1}

    def test_roots_share_one_trace_state(self) -> None:
        provider = nanospan.TracerProvider(sampler=ParentBased(ConsistentProbability(1)), shutdown_on_exit=False)
        tracer = provider.get_tracer("test")
        states = [tracer.start_span("span", Context()).get_span_context().trace_state for _ in range(3)]
        assert states[0] is states[1] is states[2]
        assert states[0] == {"ot": "th:0"}

    def test_children_of_a_bare_one_say_the_same(self) -> None:
        tracer = nanospan.TracerProvider(sampler=ConsistentProbability(1), shutdown_on_exit=False).get_tracer("test")
        with tracer.start_as_current_span("root") as root, tracer.start_as_current_span("child") as child:
            assert child.get_span_context().trace_state is root.get_span_context().trace_state

    def test_stats(self) -> None:
        sampler = ConsistentProbability(0.5)
        assert sampler.stats() == {"asked": 0, "sampled": 0}
        for trace_id in (HIGH, LOW, HIGH):
            decided(sampler, trace_id)
        assert sampler.stats() == {"asked": 3, "sampled": 2}


class TestArguments:
    @pytest.mark.parametrize("ratio", [-0.1, 1.0001, 2.0**-57, math.nan, math.inf])
    def test_ratios_out_of_range(self, ratio: float) -> None:
        with pytest.raises(ValueError, match=r"ratio must be a number from 2\*\*-56 to 1"):
            ConsistentProbability(ratio)

    def test_none_at_all_is_another_sampler(self) -> None:
        with pytest.raises(ValueError, match="ALWAYS_OFF"):
            ConsistentProbability(0)

    @pytest.mark.parametrize("ratio", ["0.5", None, True, False])
    def test_what_is_no_number(self, ratio: Any) -> None:
        with pytest.raises(TypeError, match="ratio"):
            ConsistentProbability(ratio)

    def test_other_arguments(self) -> None:
        for precision in (0, 15, -1):
            with pytest.raises(ValueError, match="precision must be an int from 1 to 14"):
                ConsistentProbability(0.5, precision=precision)
        with pytest.raises(TypeError, match="precision"):
            ConsistentProbability(0.5, precision=4.0)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="randomness must be 'trace_id' or 'hash'"):
            ConsistentProbability(0.5, randomness="rv")  # type: ignore[arg-type]

    def test_precision(self) -> None:
        assert ConsistentProbability(1 / 3, precision=14).threshold == 0xAAAAAAAAAAAAAC
        assert ConsistentProbability(1 / 3, precision=3).threshold == 0xAAB << 44


class TestTraceStates:
    def test_rv_decides_and_stays(self) -> None:
        sampler = ConsistentProbability(0.5)
        for rv, expected in (("ffffffffffffff", True), ("00000000000000", False)):
            state = TraceState([("v", "1"), ("ot", f"rv:{rv};xy:z"), ("w", "2")])
            decision, members = decided(sampler, LOW if expected else HIGH, context_of(5, state))
            assert (decision is KEPT) == expected
            told = f"th:8;rv:{rv};xy:z" if expected else f"rv:{rv};xy:z"
            assert members == {"ot": told, "v": "1", "w": "2"}

    def test_an_incoming_threshold_goes_when_the_trace_is_not_kept(self) -> None:
        for others in ([], [("v", "1")]):
            state = TraceState([("ot", "th:4"), *others])
            assert decided(ConsistentProbability(0.5), LOW, context_of(LOW, state)) == (DROPPED, dict(others))

    def test_a_changed_member_goes_to_the_front(self) -> None:
        state = TraceState([("v", "1"), ("ot", "th:4")])
        result = ConsistentProbability(0.5).should_sample(context_of(HIGH, state), HIGH, "span")
        assert list(result.trace_state.items()) == [("ot", "th:8"), ("v", "1")]

    def test_nothing_to_change_is_the_same_object(self) -> None:
        for trace_id, ot in ((HIGH, "th:8"), (LOW, "xy:z")):
            state = TraceState([("v", "1"), ("ot", ot)])
            result = ConsistentProbability(0.5).should_sample(context_of(trace_id, state), trace_id, "span")
            assert result.trace_state is state

    @pytest.mark.parametrize(
        "ot",
        ["th:4;th:4;rv:ffffffffffffff", "rv:ffffffffffffff;", "rv:FFFFFFFFFFFFFF", "rv:ff", "x", "rv:+fffffffffffff"],
    )
    def test_a_malformed_one_says_nothing(self, ot: str) -> None:
        decision, members = decided(ConsistentProbability(0.5), LOW, context_of(LOW, TraceState([("ot", ot), ("v", "1")])))
        assert decision is DROPPED
        assert members["v"] == "1"

    def test_a_full_trace_state_makes_room(self) -> None:
        state = TraceState([(f"k{i}", "v") for i in range(32)])
        decision, members = decided(ConsistentProbability(0.5), HIGH, context_of(HIGH, state))
        assert decision is KEPT
        assert list(members) == ["ot", *(f"k{i}" for i in range(31))]

    def test_a_threshold_that_does_not_fit_is_left_out(self) -> None:
        rest = "a:" + "x" * 248
        for old in (f"th:4;{rest}", rest):
            decision, members = decided(ConsistentProbability(0.01), HIGH, context_of(HIGH, TraceState([("ot", old)])))
            assert (decision, members) == (KEPT, {"ot": rest})

    def test_the_argument_goes_before_the_parents(self) -> None:
        given_state = TraceState([("v", "1"), ("ot", "rv:00000000000000")])
        context = context_of(HIGH, TraceState([("ot", "rv:ffffffffffffff")]))
        decision, members = decided(ConsistentProbability(0.5), HIGH, context, trace_state=given_state)
        assert (decision, members) == (DROPPED, {"v": "1", "ot": "rv:00000000000000"})

    @pytest.mark.parametrize("kept", [True, False])
    def test_through_tracers(self, kept: bool) -> None:
        rv = "ffffffffffffff" if kept else "00000000000000"
        context = context_of(5 << 64 | 1, TraceState([("v", "1"), ("ot", f"th:4;rv:{rv}")]))
        told = f"th:8;rv:{rv}" if kept else f"rv:{rv}"
        assert by_tracers(ConsistentProbability(0.5), context) == [(kept, [("ot", told), ("v", "1")])] * 3


def xxh3_low56(trace_id: int) -> int:
    xxhash = pytest.importorskip("xxhash", reason="the package xxhash, which the hash is compared with")
    return int(xxhash.xxh3_64_intdigest(trace_id.to_bytes(16, "big"))) & (LIMIT - 1)


class TestHash:
    sampler = ConsistentProbability(0.5, randomness="hash")

    @given(trace_id=st.integers(1, 2**128 - 1))
    def test_without_the_random_flag_the_hash_decides(self, trace_id: int) -> None:
        decision, members = decided(self.sampler, trace_id, context_of(trace_id, random=False))
        kept = xxh3_low56(trace_id) >= LIMIT // 2
        assert (decision, members) == ((KEPT, {"ot": "th:8"}) if kept else (DROPPED, {}))

    def test_with_it_or_rv_the_hash_is_not_asked(self) -> None:
        ids = [trace_id for trace_id in range(1, 30) if xxh3_low56(trace_id) >= LIMIT // 2]
        for trace_id in ids:
            assert decided(self.sampler, trace_id, context_of(trace_id, random=True))[0] is DROPPED
            state = TraceState([("ot", "rv:00000000000000")])
            assert decided(self.sampler, trace_id, context_of(trace_id, state, random=False))[0] is DROPPED

    def test_a_root_carries_what_was_decided_on(self) -> None:
        for root in (ParentBased(self.sampler), self.sampler):
            provider = nanospan.TracerProvider(sampler=root, id_generator=CountingIds(), shutdown_on_exit=False)
            tracer = provider.get_tracer("test")
            outcomes = set()
            for _ in range(20):
                context = tracer.start_span("root", Context()).get_span_context()
                randomness = xxh3_low56(context.trace_id)
                kept = randomness >= LIMIT // 2
                told = f"th:8;rv:{randomness:014x}" if kept else f"rv:{randomness:014x}"
                assert (context.trace_flags.sampled, context.trace_state) == (kept, {"ot": told})
                outcomes.add(kept)
            assert outcomes == {True, False}

    def test_behind_the_sdks_tracer_every_root_is_hashed(self) -> None:
        for ids in (None, CountingIds()):
            tracer = TracerProvider(sampler=self.sampler, id_generator=ids, shutdown_on_exit=False).get_tracer("test")
            for _ in range(20):
                context = tracer.start_span("root", Context()).get_span_context()
                randomness = xxh3_low56(context.trace_id)
                assert context.trace_flags.sampled == (randomness >= LIMIT // 2)
                assert context.trace_state["ot"].endswith(f"rv:{randomness:014x}")

    def test_random_ids_carry_nothing_more(self) -> None:
        tracer = nanospan.TracerProvider(sampler=self.sampler, shutdown_on_exit=False).get_tracer("test")
        for _ in range(20):
            context = tracer.start_span("root", Context()).get_span_context()
            assert context.trace_state == ({"ot": "th:8"} if context.trace_flags.sampled else {})


class TestAsRoute:
    def test_a_subclass_is_called(self) -> None:
        class Reversed(ConsistentProbability):
            def should_sample(self, *arguments: Any, **named: Any) -> Any:
                result = super().should_sample(*arguments, **named)
                result.decision = DROPPED if result.decision is KEPT else KEPT
                return result

        assert decided(Reversed(0.5), LOW)[0] is KEPT
        assert decided(ParentBased(Reversed(0.5)), LOW)[0] is KEPT
        tracer = nanospan.TracerProvider(sampler=Reversed(1), shutdown_on_exit=False).get_tracer("test")
        assert not tracer.start_span("span", Context()).get_span_context().trace_flags.sampled

    def test_a_method_put_on_the_instance_is_called(self) -> None:
        sampler = ConsistentProbability(1)
        sampler.should_sample = ALWAYS_OFF.should_sample  # type: ignore[method-assign]
        tracer = nanospan.TracerProvider(sampler=ParentBased(sampler), shutdown_on_exit=False).get_tracer("test")
        assert not tracer.start_span("span", Context()).get_span_context().trace_flags.sampled

    def test_without_construction_nothing_crashes(self) -> None:
        unfinished = ConsistentProbability.__new__(ConsistentProbability)
        with pytest.raises(AttributeError, match="__init__"):
            unfinished.should_sample(None, 1, "")
        tracer = nanospan.TracerProvider(sampler=ParentBased(unfinished), shutdown_on_exit=False).get_tracer("test")
        assert not tracer.start_span("span", Context()).get_span_context().trace_flags.sampled

    def test_long_chains(self) -> None:
        chain: Any = ConsistentProbability(0.5)
        for number in range(100):
            chain = ParentBased(chain) if number % 2 else AlwaysRecord(chain)
        assert decided(chain, HIGH) == (KEPT, {"ot": "th:8"})
        assert decided(chain, LOW) == (Decision.RECORD_ONLY, {})

    @pytest.mark.parametrize("trace_id", [-1, 2**200 + 3, True])
    def test_odd_trace_ids(self, trace_id: int) -> None:
        kept = trace_id & (LIMIT - 1) >= LIMIT // 2
        assert (decided(ConsistentProbability(0.5), trace_id)[0] is KEPT) == kept


CHI_SQUARE_AT_0_001 = 10.83
"""With one degree of freedom: a right sampler is above it once in a thousand seeds, and these do not change."""


@pytest.mark.parametrize(("number", "ratio"), list(enumerate((0.9, 0.75, 0.5, 1 / 3, 0.2, 0.1, 0.05, 0.01, 1e-3, 1e-4))))
def test_the_kept_share_of_a_million_random_ids(number: int, ratio: float) -> None:
    sampler, count = ConsistentProbability(ratio), 1_000_000
    kept = native.sampled_of(sampler, count, seed=number)
    expected = count * sampler.probability
    chi_square = (kept - expected) ** 2 / expected + (kept - expected) ** 2 / (count - expected)
    assert chi_square < CHI_SQUARE_AT_0_001
    assert sampler.stats() == {"asked": count, "sampled": kept}
