"""ParentBased around consistent samplers, whose threshold must hold, and AlwaysRecord around anything."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace import sampling as sdk
from opentelemetry.sdk.trace.sampling import Decision, SamplingResult
from opentelemetry.trace import TraceState
from support.head_sampling import DROPPED, HIGH, KEPT, LOW, by_tracers, context_of, decided

import nanospan
from nanospan.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Adaptive,
    AlwaysRecord,
    AlwaysRecordSampler,
    ConsistentProbability,
    OverheadBudget,
    ParentBased,
    RateLimited,
    RuleBased,
    TraceIdRatioBased,
)

ROOTS = {
    "probability": lambda: ConsistentProbability(0.5),
    "limited": lambda: RateLimited(10),
    "limited by threshold": lambda: RateLimited(10, consistent=True),
    "adaptive": lambda: Adaptive(10),
    "budget": lambda: OverheadBudget(),
    "rules": lambda: RuleBased([], default=ConsistentProbability(0.5)),
    "recording": lambda: AlwaysRecord(ConsistentProbability(0.5)),
    "nested": lambda: ParentBased(ConsistentProbability(0.5)),
}


def state_of(ot: str) -> TraceState:
    return TraceState([("v", "1"), ("ot", ot)])


@pytest.mark.parametrize("root", list(ROOTS))
class TestIncomingThreshold:
    def members(self, root: str, context: Context) -> tuple[bool, dict[str, str]]:
        seen = by_tracers(ParentBased(ROOTS[root]()), context)
        assert seen[0] == seen[1] == seen[2]
        return seen[0][0], dict(seen[0][1])

    def test_one_that_holds_stays(self, root: str) -> None:
        context = context_of(HIGH, state_of("th:c;xy:z"))
        assert self.members(root, context) == (True, {"v": "1", "ot": "th:c;xy:z"})

    def test_sampled_against_it_goes(self, root: str) -> None:
        assert self.members(root, context_of(LOW, state_of("th:c;xy:z"))) == (True, {"v": "1", "ot": "xy:z"})
        assert self.members(root, context_of(HIGH, state_of("th:c;rv:00000000000000"))) == (
            True,
            {"v": "1", "ot": "rv:00000000000000"},
        )

    def test_not_sampled_it_goes_whatever_it_says(self, root: str) -> None:
        for trace_id in (LOW, HIGH):
            context = context_of(trace_id, state_of("th:c"), sampled=False)
            assert self.members(root, context) == (False, {"v": "1"})

    def test_none_is_added(self, root: str) -> None:
        for ot in ("xy:z", "rv:00000000000000", "th:x", "malformed"):
            assert self.members(root, context_of(HIGH, state_of(ot))) == (True, {"v": "1", "ot": ot})


class TestParentBased:
    def test_one_around_no_such_root_lets_it_be(self) -> None:
        for root in (ALWAYS_ON, TraceIdRatioBased(0.5), AlwaysRecord(ALWAYS_ON)):
            state = state_of("th:c")
            result = ParentBased(root).should_sample(context_of(LOW, state), LOW, "span")
            assert result.trace_state is state

    def test_a_local_parent_was_looked_at(self) -> None:
        # Its trace state is what a sampler of this process made of the incoming one.
        state = state_of("th:c")
        result = ParentBased(ConsistentProbability(0.5)).should_sample(context_of(LOW, state, remote=False), LOW, "span")
        assert (result.decision, result.trace_state) == (KEPT, state)

    @pytest.mark.parametrize("remote", [True, False])
    def test_another_decision_than_the_parents_erases_it(self, remote: bool) -> None:
        contrary = ParentBased(ConsistentProbability(0.5), ALWAYS_OFF, ALWAYS_ON, ALWAYS_OFF, ALWAYS_ON)
        for sampled, trace_id in ((True, HIGH), (False, LOW)):
            context = context_of(trace_id, state_of("th:c"), sampled=sampled, remote=remote)
            assert decided(contrary, trace_id, context) == (DROPPED if sampled else KEPT, {"v": "1"})

    def test_the_sdks_always_on_is_as_good_as_ours(self) -> None:
        sampler = ParentBased(ConsistentProbability(0.5), sdk.ALWAYS_ON, sdk.ALWAYS_OFF, sdk.ALWAYS_ON, sdk.ALWAYS_OFF)
        state = state_of("th:c")
        assert sampler.should_sample(context_of(HIGH, state), HIGH, "span").trace_state is state

    def test_a_sampler_that_thins_out_erases_it(self) -> None:
        thinning = ParentBased(ConsistentProbability(0.5), remote_parent_sampled=TraceIdRatioBased(1))
        assert decided(thinning, HIGH, context_of(HIGH, state_of("th:c"))) == (KEPT, {"v": "1"})

    def test_a_consistent_delegate_tells_its_own(self) -> None:
        deciding = ParentBased(ALWAYS_ON, remote_parent_sampled=ConsistentProbability(0.25))
        assert decided(deciding, HIGH, context_of(HIGH, state_of("th:8"))) == (KEPT, {"v": "1", "ot": "th:c"})
        assert decided(deciding, LOW, context_of(LOW, state_of("th:8"))) == (DROPPED, {"v": "1"})
        assert decided(deciding, HIGH) == (KEPT, {})

    @pytest.mark.parametrize("remote", [True, False])
    @pytest.mark.parametrize(
        ("came", "leaves"),
        [("th:e;xy:z", "th:e;xy:z"), ("th:8;xy:z", "th:c;xy:z"), ("xy:z", "xy:z"), ("th:8;rv:c0000000000000", None)],
    )
    def test_a_consistent_delegate_never_lowers_a_threshold(self, remote: bool, came: str, leaves: str | None) -> None:
        """What both have kept was kept with the probability of the rarer; where one is unknown, so is that of both."""
        quarter = ConsistentProbability(0.25)
        deciding = ParentBased(ConsistentProbability(0.5), remote_parent_sampled=quarter, local_parent_sampled=quarter)
        context = context_of(HIGH, state_of(came), remote=remote)
        expected = leaves or "th:c;rv:c0000000000000"
        assert decided(deciding, HIGH, context) == (KEPT, {"v": "1", "ot": expected})

    @pytest.mark.parametrize("came", ["th:c", "xy:z"])
    def test_what_the_parent_did_not_keep_has_no_threshold(self, came: str) -> None:
        deciding = ParentBased(ConsistentProbability(0.5), remote_parent_not_sampled=ConsistentProbability(0.25))
        decision, members = decided(deciding, HIGH, context_of(HIGH, state_of(came), sampled=False))
        assert (decision, members) == (KEPT, {"v": "1"} if came == "th:c" else {"v": "1", "ot": came})

    def test_a_delegate_that_knows_the_parents_trace_state_to_be_none_tells_nothing(self) -> None:
        deciding = ParentBased(ConsistentProbability(0.5), remote_parent_sampled=ConsistentProbability(0.25))
        assert decided(deciding, HIGH, context_of(HIGH)) == (KEPT, {})

    def test_hashed_randomness_is_what_it_is_checked_against(self) -> None:
        hashing = ConsistentProbability(0.5, randomness="hash")
        outcomes = set()
        for trace_id in range(1, 20):
            own = decided(ParentBased(hashing), trace_id, context_of(trace_id, state_of("th:8"), random=False))[1]
            kept = decided(hashing, trace_id, context_of(trace_id, random=False))[0] is KEPT
            assert own == ({"v": "1", "ot": "th:8"} if kept else {"v": "1"})
            outcomes.add(kept)
        assert outcomes == {True, False}

    def test_the_sdks_own_around_it(self) -> None:
        assert decided(sdk.ParentBased(ConsistentProbability(0.5)), HIGH) == (KEPT, {"ot": "th:8"})
        provider = nanospan.TracerProvider(sampler=sdk.ParentBased(ConsistentProbability(1)), shutdown_on_exit=False)
        assert provider.get_tracer("test").start_span("span", Context()).get_span_context().trace_state == {"ot": "th:0"}

    def test_a_foreign_delegate_is_asked_as_the_sdk_asks(self) -> None:
        class Foreign(sdk.Sampler):
            asked: Any = None

            def should_sample(self, context: Any, trace_id: Any, name: Any, kind: Any, attributes: Any, links: Any) -> Any:
                Foreign.asked = (context, trace_id, name, kind, attributes, links)
                return SamplingResult(Decision.RECORD_AND_SAMPLE, {"by": "Foreign"}, TraceState([("w", "2")]))

            def get_description(self) -> str:
                return "Foreign"

        sampler = ParentBased(ConsistentProbability(0.5), remote_parent_sampled=Foreign())
        context = context_of(5, state_of("th:c"))
        for kind in (TracerProvider, nanospan.TracerProvider):
            Foreign.asked = None
            tracer = kind(sampler=sampler, shutdown_on_exit=False).get_tracer("test")
            span = tracer.start_span("span", context, attributes={"a": 1})
            assert Foreign.asked[:3] == (context, 5, "span")
            assert dict(Foreign.asked[4]) == {"a": 1}
            assert dict(span.attributes or {}) == {"by": "Foreign"}  # type: ignore[attr-defined]
            assert span.get_span_context().trace_state == {"w": "2"}

    def test_a_foreign_delegate_that_raises_costs_the_span_only(self) -> None:
        class Broken(sdk.Sampler):
            def should_sample(self, *arguments: Any, **named: Any) -> Any:
                raise LookupError("broken")

            def get_description(self) -> str:
                return "Broken"

        sampler = ParentBased(ConsistentProbability(0.5), remote_parent_sampled=Broken())
        with pytest.raises(LookupError):
            sampler.should_sample(context_of(5), 5, "span")
        tracer = nanospan.TracerProvider(sampler=sampler, shutdown_on_exit=False).get_tracer("test")
        context = tracer.start_span("span", context_of(5, state_of("th:c"))).get_span_context()
        assert (context.trace_flags.sampled, dict(context.trace_state)) == (False, {})


class TestAlwaysRecord:
    def test_what_is_dropped_is_recorded_and_nothing_else_changes(self) -> None:
        for root in (ConsistentProbability(0.5), ParentBased(ConsistentProbability(0.5))):
            assert decided(AlwaysRecord(root), HIGH) == (KEPT, {"ot": "th:8"})
            assert decided(AlwaysRecord(root), LOW) == (Decision.RECORD_ONLY, {})
        assert decided(AlwaysRecord(ALWAYS_OFF), HIGH)[0] is Decision.RECORD_ONLY
        assert decided(AlwaysRecord(sdk.ALWAYS_OFF), HIGH)[0] is Decision.RECORD_ONLY
        state = state_of("th:c")
        result = AlwaysRecord(ALWAYS_OFF).should_sample(context_of(1, state), 1, "span")
        assert result.trace_state is state

    def test_recorded_spans_keep_their_attributes(self) -> None:
        class Dropping(sdk.Sampler):
            def should_sample(self, *arguments: Any, **named: Any) -> Any:
                return SamplingResult(Decision.DROP)

            def get_description(self) -> str:
                return "Dropping"

        for root in (ALWAYS_OFF, sdk.ALWAYS_OFF, ConsistentProbability(2.0**-56), Dropping()):
            sampler = AlwaysRecord(root)
            assert dict(sampler.should_sample(None, LOW, "span", attributes={"a": 1}).attributes) == {"a": 1}
            tracer = nanospan.TracerProvider(sampler=sampler, shutdown_on_exit=False).get_tracer("test")
            span = tracer.start_span("span", Context(), attributes={"a": 1})
            assert span.is_recording() and not span.get_span_context().trace_flags.sampled
            assert dict(span.attributes or {}) == {"a": 1}  # type: ignore[attr-defined]

    def test_it_is_the_sdks(self) -> None:
        assert AlwaysRecordSampler is AlwaysRecord
        assert issubclass(AlwaysRecord, sdk.AlwaysRecordSampler)
        ours, theirs = AlwaysRecord(ALWAYS_OFF), sdk.AlwaysRecordSampler(sdk.ALWAYS_OFF)
        assert ours.get_description() == theirs.get_description() == "AlwaysRecordSampler{AlwaysOffSampler}"
        with pytest.raises(ValueError, match="root must not be None"):
            AlwaysRecord(None)  # type: ignore[arg-type]

    def test_children_of_recorded_spans(self) -> None:
        sampler = AlwaysRecord(ParentBased(ConsistentProbability(2.0**-56)))
        tracer = nanospan.TracerProvider(sampler=sampler, shutdown_on_exit=False).get_tracer("test")
        with tracer.start_as_current_span("root") as root, tracer.start_as_current_span("child") as child:
            assert root.is_recording() and child.is_recording()
        assert sampler.stats() == {"asked": 2, "sampled": 0}

    def test_the_given_trace_state_reaches_the_root(self) -> None:
        given_state = TraceState([("ot", "rv:00000000000000")])
        assert decided(AlwaysRecord(ConsistentProbability(0.5)), HIGH, trace_state=given_state)[0] is Decision.RECORD_ONLY
