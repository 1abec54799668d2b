"""nanospan's consistent samplers against the SDK's composable ones: the same decisions and trace states where those are
right, and both behind a tracer where they are not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, TraceFlags, TraceState, set_span_in_context
from support.sdk_releases import has, reason

import nanospan
from nanospan.sampling import ALWAYS_OFF, ALWAYS_ON, ConsistentProbability, ParentBased, Rule, RuleBased

if not has("predicates of attributes for composable samplers"):
    pytest.skip(reason("predicates of attributes for composable samplers"), allow_module_level=True)

from opentelemetry.sdk.trace._sampling_experimental import (
    composable_always_off,
    composable_always_on,
    composable_parent_threshold,
    composable_rule_based,
    composable_traceid_ratio_based,
    composite_sampler,
)
from opentelemetry.sdk.trace._sampling_experimental._rule_based import AttributeValuesPredicate, SpanKindPredicate

LIMIT = 2**56
edges = st.sampled_from([0, 1, LIMIT // 2 - 1, LIMIT // 2, LIMIT // 2 + 1, LIMIT - 1])
numbers = st.one_of(st.integers(0, LIMIT - 1), edges)
ratios = st.one_of(st.floats(2.0**-56, 1), st.sampled_from([1.0, 0.5, 0.25, 1 / 3, 0.01, 1e-9, 2.0**-56]))
trace_ids = st.builds(lambda high, low: high << 56 | low, st.integers(1, 2**72 - 1), numbers)


@st.composite
def members_of_ot(draw: st.DrawFn) -> str:
    """In the SDK's order, which puts ``th`` first and ``rv`` second; nanospan leaves ``rv`` where it is."""
    parts = []
    if draw(st.booleans()):
        parts.append("th:" + (f"{draw(numbers):014x}".rstrip("0") or "0"))
    if draw(st.booleans()):
        parts.append(f"rv:{draw(numbers):014x}")
    parts += draw(st.sampled_from([[], ["xy:z"], ["xy:z", "b2:A.b_c-d"]]))
    return ";".join(parts)


@st.composite
def trace_states(draw: st.DrawFn) -> TraceState | None:
    ot = draw(members_of_ot())
    pairs = draw(st.permutations([("vendor", "1"), ("w", "2")])) if draw(st.booleans()) else []
    if ot:
        pairs.insert(draw(st.integers(0, len(pairs))), ("ot", ot))
    return TraceState(pairs) if pairs or draw(st.booleans()) else None


def threshold_of(state: TraceState | None) -> int | None:
    for part in (state or {}).get("ot", "").split(";"):
        if part.startswith("th:"):
            return int(part[3:].ljust(14, "0"), 16)
    return None


def randomness_of(trace_id: int, state: TraceState | None) -> int:
    for part in (state or {}).get("ot", "").split(";"):
        if part.startswith("rv:"):
            return int(part[3:], 16)
    return trace_id & (LIMIT - 1)


def child_of(trace_id: int, state: TraceState | None, sampled: bool, remote: bool = True) -> Context:
    parent = SpanContext(trace_id, 7, remote, TraceFlags(3 if sampled else 2), state)
    return set_span_in_context(NonRecordingSpan(parent), Context())


def outcome(sampler: Any, context: Context, trace_id: int, state: TraceState | None, **more: Any) -> tuple[Any, ...]:
    """The decision, the `ot` member, and the other members in their order.

    (The SDK moves an `ot` to the front that it has not changed.)"""
    result = sampler.should_sample(context, trace_id, "span", trace_state=state, **more)
    members = dict(result.trace_state or {})
    return result.decision, members.pop("ot", None), list(members.items())


def without_stale_threshold(theirs: tuple[Any, ...], state: TraceState | None) -> tuple[Any, ...]:
    """The SDK leaves a threshold in the trace state of a span that is not sampled if ``ot`` held nothing else."""
    decision, ot, others = theirs
    if decision is Decision.DROP and state and state.get("ot", "").startswith("th:") and ";" not in state["ot"]:
        ot = None
    return decision, ot, others


class TestTheSame:
    @given(ratio=ratios, trace_id=trace_ids, state=trace_states(), child=st.booleans(), sampled=st.booleans())
    def test_ratio(self, ratio: float, trace_id: int, state: TraceState | None, child: bool, sampled: bool) -> None:
        ours = ConsistentProbability(ratio, precision=14)
        theirs = composite_sampler(composable_traceid_ratio_based(ratio))
        context = child_of(trace_id, state, sampled) if child else Context()
        expected = without_stale_threshold(outcome(theirs, context, trace_id, state), state)
        assert outcome(ours, context, trace_id, state) == expected

    @given(
        ratio=ratios,
        trace_id=trace_ids,
        state=trace_states(),
        child=st.booleans(),
        sampled=st.booleans(),
        remote=st.booleans(),
    )
    def test_following_a_parent(
        self, ratio: float, trace_id: int, state: TraceState | None, child: bool, sampled: bool, remote: bool
    ) -> None:
        ours = ParentBased(ConsistentProbability(ratio, precision=14))
        theirs = composite_sampler(composable_parent_threshold(composable_traceid_ratio_based(ratio)))
        threshold = threshold_of(state)
        if child and threshold is not None:
            # The SDK does not look at the flag then; where it agrees with the threshold, that makes no difference.
            assume(sampled == (randomness_of(trace_id, state) >= threshold))
            assume(sampled or remote)  # no span of a tracer here that is not sampled has a threshold
        context = child_of(trace_id, state, sampled, remote) if child else Context()
        expected = without_stale_threshold(outcome(theirs, context, trace_id, state), state)
        assert outcome(ours, context, trace_id, state) == expected

    @given(
        ratio=ratios,
        trace_id=trace_ids,
        state=trace_states(),
        kind=st.sampled_from(SpanKind),
        attributes=st.one_of(
            st.none(), st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["x", "y", "z", ["x", "q"], ["q"]]))
        ),
    )
    def test_rules(
        self, ratio: float, trace_id: int, state: TraceState | None, kind: SpanKind, attributes: dict[str, Any] | None
    ) -> None:
        ours = RuleBased(
            [
                Rule(kind=[SpanKind.CLIENT, SpanKind.PRODUCER], sampler=ALWAYS_OFF),
                Rule(attributes={"a": ["x", "y"]}, sampler=ALWAYS_ON),
            ],
            default=ConsistentProbability(ratio, precision=14),
        )
        theirs = composite_sampler(
            composable_rule_based(
                [
                    (SpanKindPredicate([SpanKind.CLIENT, SpanKind.PRODUCER]), composable_always_off()),
                    (AttributeValuesPredicate("a", ["x", "y"]), composable_always_on()),
                    (lambda **question: True, composable_traceid_ratio_based(ratio)),
                ]
            )
        )
        more = {"kind": kind, "attributes": attributes}
        expected = without_stale_threshold(outcome(theirs, Context(), trace_id, state, **more), state)
        assert outcome(ours, Context(), trace_id, state, **more) == expected


INCOMING = TraceState([("vendor", "1"), ("ot", "th:c;rv:d0000000000000;xy:z")])


def own_context(kind: type[TracerProvider], sampler: Any, incoming: Context) -> SpanContext:
    span = kind(sampler=sampler, shutdown_on_exit=False).get_tracer("test").start_span("span", incoming)
    return span.get_span_context()


class TestBehindATracer:
    """No tracer gives `should_sample` a trace state, and the SDK's composite sampler looks nowhere else."""

    tracers = pytest.mark.parametrize("kind", [TracerProvider, nanospan.TracerProvider])

    @tracers
    def test_following_a_parent(self, kind: type[TracerProvider]) -> None:
        incoming = child_of(1, INCOMING, sampled=True)
        stock = composite_sampler(composable_parent_threshold(composable_traceid_ratio_based(0.5)))
        theirs = own_context(kind, stock, incoming)
        assert theirs.trace_flags.sampled
        assert dict(theirs.trace_state) == {}  # the threshold is lost, and the vendor's member deleted

        ours = own_context(kind, ParentBased(ConsistentProbability(0.5)), incoming)
        assert ours.trace_flags.sampled
        assert list(ours.trace_state.items()) == list(INCOMING.items())

    @tracers
    def test_deciding_anew(self, kind: type[TracerProvider]) -> None:
        # The last bits of the id say no, the explicit randomness says yes.
        incoming = child_of(1, INCOMING, sampled=True)
        theirs = own_context(kind, composite_sampler(composable_traceid_ratio_based(0.5)), incoming)
        assert not theirs.trace_flags.sampled
        assert dict(theirs.trace_state) == {}

        ours = own_context(kind, ConsistentProbability(0.5), incoming)
        assert ours.trace_flags.sampled
        assert list(ours.trace_state.items()) == [("ot", "th:8;rv:d0000000000000;xy:z"), ("vendor", "1")]

    @tracers
    def test_roots_are_the_same(self, kind: type[TracerProvider]) -> None:
        for ratio, members in ((1.0, {"ot": "th:0"}), (2.0**-56, {})):
            ours = own_context(kind, ParentBased(ConsistentProbability(ratio)), Context())
            theirs = own_context(kind, composite_sampler(composable_traceid_ratio_based(ratio)), Context())
            assert dict(ours.trace_state) == dict(theirs.trace_state) == members
            assert ours.trace_flags.sampled == theirs.trace_flags.sampled == bool(members)
