"""RuleBased: what rules match, to whom they give a span, what they count, and the floods that they refuse."""

from __future__ import annotations

import itertools
import random
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace import sampling as sdk
from opentelemetry.sdk.trace.sampling import Decision, SamplingResult
from opentelemetry.trace import SpanKind, TraceState
from support.head_sampling import DROPPED, HIGH, KEPT, LOW, Proxy, by_tracers, context_of, decided

import nanospan
from nanospan.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    ANY,
    Adaptive,
    AlwaysRecord,
    ConsistentProbability,
    ParentBased,
    RateLimited,
    Rule,
    RuleBased,
    StaticSampler,
    TraceIdRatioBased,
)


def matches(name: Any = "span", /, given_attributes: Any = None, **conditions: Any) -> bool:
    """Whether a rule of these conditions holds for a span of this name and these attributes."""
    sampler = RuleBased([Rule(sampler=ALWAYS_ON, **conditions)], default=ALWAYS_OFF)
    return sampler.should_sample(Context(), 1, name, SpanKind.INTERNAL, given_attributes).decision is KEPT


class TestTexts:
    def test_a_name_is_equal(self) -> None:
        assert matches("GET /health", name="GET /health")
        for other in ("GET /healthz", "get /health", "GET /healt", "", "GET /h\u00e9alth"):
            assert not matches(other, name="GET /health")
        assert matches("".join(["caf", "\u00e9 \u20ac"]), name="caf\u00e9 \u20ac")

    @pytest.mark.parametrize(
        ("pattern", "text", "holds"),
        [
            ("*", "", True),
            ("GET *", "GET /a", True),
            ("GET *", "GET", False),
            ("*/health", "GET /health", True),
            ("*/health", "GET /healthz", False),
            ("/a/?", "/a/b", True),
            ("/a/?", "/a/", False),
            ("/a/?", "/a/bc", False),
            ("?", "\U0001f600", True),
            ("*a*b*a*", "xxabxba", True),
            ("a*a*a", "aa", False),
            ("*ab", "aaab", True),
            ("**", "x", True),
            ("[ab]*", "[ab]c", True),
            ("[ab]*", "ac", False),
            ("caf\u00e9*", "caf\u00e9s", True),
        ],
    )
    def test_patterns(self, pattern: str, text: str, holds: bool) -> None:
        assert matches(text, name=pattern) == holds

    @given(pattern=st.text("ab*?\u20ac", max_size=8), text=st.text("ab\u20ac", max_size=8))
    def test_patterns_as_fnmatch(self, pattern: str, text: str) -> None:
        assert matches(text, name=pattern) == fnmatchcase(text, pattern)

    def test_a_pattern_that_goes_back_often_ends(self) -> None:
        assert not matches("a" * 5000, name="*a" * 30 + "b")

    def test_a_name_that_is_no_text(self) -> None:
        assert not matches(5, name="*")
        assert matches(5)


class TestConditions:
    @pytest.mark.parametrize("kind", SpanKind)
    def test_kinds(self, kind: SpanKind) -> None:
        sampler = RuleBased([Rule(kind={SpanKind.SERVER, SpanKind.CONSUMER}, sampler=ALWAYS_ON)], default=ALWAYS_OFF)
        kept = sampler.should_sample(Context(), 1, "span", kind).decision is KEPT
        assert kept == (kind in (SpanKind.SERVER, SpanKind.CONSUMER))
        one = RuleBased([Rule(kind=SpanKind.CLIENT, sampler=ALWAYS_ON)], default=ALWAYS_OFF)
        assert (one.should_sample(Context(), 1, "span", kind).decision is KEPT) == (kind is SpanKind.CLIENT)

    def test_no_kind_is_no_kind(self) -> None:
        sampler = RuleBased([Rule(kind=list(SpanKind), sampler=ALWAYS_ON)], default=ALWAYS_OFF)
        assert sampler.should_sample(Context(), 1, "span").decision is DROPPED

    @pytest.mark.parametrize("place", ["none", "local", "remote"])
    def test_parents(self, place: str) -> None:
        contexts = {"none": Context(), "local": context_of(5, remote=False), "remote": context_of(5)}
        wanted: Any
        for wanted in ({"none"}, {"local"}, {"remote"}, ["none", "remote"]):
            sampler = RuleBased([Rule(parent=wanted, sampler=ALWAYS_ON)], default=ALWAYS_OFF)
            assert (decided(sampler, 5, contexts[place])[0] is KEPT) == (place in wanted)
        for wanted in ("none", "local", "remote"):
            sampler = RuleBased([Rule(parent=wanted, sampler=ALWAYS_ON)], default=ALWAYS_OFF)
            assert (decided(sampler, 5, contexts[place])[0] is KEPT) == (place == wanted)

    def test_scopes_are_told_by_nanospans_tracers_alone(self) -> None:
        sampler = RuleBased([Rule(scope="my.*", sampler=ALWAYS_ON)], default=ALWAYS_OFF)
        for scope, expected in (("my.library", True), ("other", False)):
            tracer = nanospan.TracerProvider(sampler=sampler, shutdown_on_exit=False).get_tracer(scope)
            assert tracer.start_span("span", Context()).get_span_context().trace_flags.sampled == expected
            span = nanospan.Tracer.start_span(Proxy(tracer), "span", Context())
            assert span.get_span_context().trace_flags.sampled == expected
        stock = TracerProvider(sampler=sampler, shutdown_on_exit=False).get_tracer("my.library")
        assert not stock.start_span("span", Context()).get_span_context().trace_flags.sampled

    @pytest.mark.parametrize(
        ("wanted", "value", "holds"),
        [
            ("x", "x", True),
            ("x", "xx", False),
            ("x", None, False),
            ("1", 1, False),
            (1, 1, True),
            (1, 1.0, True),
            (1, True, False),
            (True, 1, False),
            (True, True, True),
            (0, False, False),
            (0.5, 0.5, True),
            (float("nan"), float("nan"), False),
            (2**70, 2**70, True),
            ("x*", "xyz", True),
            ("4??", 404, True),
            ("4??", 4040, False),
            ("T*", True, False),
            (["a", 1, True], "a", True),
            (["a", 1, True], 1, True),
            (["a", 1], True, False),
            (["a*"], "ab", False),
            (["a*"], "a*", True),
            (frozenset({"a", "b"}), "b", True),
            ("x", ["a", "x"], True),
            ("x", ("a", "b"), False),
            ("x*", ("a", "xy"), True),
            (["a", "b"], ["c", "b"], True),
            (1, [True, False], False),
            (ANY, "x", True),
            (ANY, [], True),
            (ANY, False, True),
            ("x", b"x", False),
            ("x", {"x": 1}, False),
        ],
    )
    def test_attributes(self, wanted: Any, value: Any, holds: bool) -> None:
        assert matches(given_attributes={"k": value}, attributes={"k": wanted}) == holds
        assert matches(given_attributes={"k": value, "l": 1}, attributes={"l": 1, "k": wanted}) == holds
        assert not matches(given_attributes={"l": value}, attributes={"k": wanted})

    def test_where_attributes_come_from(self) -> None:
        for kind in (dict, MappingProxyType, lambda items: BoundedAttributes(attributes=items)):
            assert matches(given_attributes=kind({"k": "x"}), attributes={"k": "x"})  # type: ignore[operator]
            assert not matches(given_attributes=kind({"l": "x"}), attributes={"k": "x"})  # type: ignore[operator]
        assert not matches(given_attributes=None, attributes={"k": ANY})
        assert not matches(given_attributes={}, attributes={"k": ANY})

    def test_attributes_that_cannot_be_looked_at(self) -> None:
        class Failing(dict):
            def __contains__(self, key: object) -> bool:
                raise LookupError

        class Text(str):
            def __eq__(self, other: object) -> bool:
                raise LookupError

            __hash__ = str.__hash__

        assert not matches(given_attributes=Failing(k="x"), attributes={"k": "x"})
        assert matches(given_attributes={"k": Text("x")}, attributes={"k": "x"})
        assert not matches(given_attributes={Text("k"): "x"}, attributes={"k": "x"})

    def test_every_condition_must_hold(self) -> None:
        conditions = {"name": "n", "kind": SpanKind.CLIENT, "attributes": {"k": "x"}, "parent": "none"}
        right = {"name": "n", "kind": SpanKind.CLIENT, "given_attributes": {"k": "x"}}
        wrong = {"name": "m", "kind": SpanKind.SERVER, "given_attributes": {"k": "y"}}
        sampler = RuleBased([Rule(sampler=ALWAYS_ON, **conditions)], default=ALWAYS_OFF)  # type: ignore[arg-type]
        for choice in itertools.product([True, False], repeat=3):
            one = {key: (right if good else wrong)[key] for key, good in zip(right, choice, strict=True)}
            result = sampler.should_sample(Context(), 1, one["name"], one["kind"], one["given_attributes"])
            assert (result.decision is KEPT) == all(choice)
        assert decided(sampler, 1, context_of(5))[0] is DROPPED

    def test_no_condition_holds_for_all(self) -> None:
        assert matches()


class TestOutcomes:
    def test_the_first_match_wins(self) -> None:
        sampler = RuleBased(
            [
                Rule(name="GET /health", sampler=ALWAYS_OFF),
                Rule(name="GET *", sampler=ALWAYS_ON),
                Rule(name="*health", sampler=ALWAYS_ON),
            ],
            default=StaticSampler(Decision.RECORD_ONLY),
        )
        expected = {"GET /health": DROPPED, "GET /a": KEPT, "PUT /health": KEPT, "x": Decision.RECORD_ONLY}
        for name, decision in expected.items():
            assert sampler.should_sample(Context(), 1, name).decision is decision
        assert sampler.stats() == {
            "asked": 4,
            "sampled": 2,
            "rules": [
                {"description": "name=GET /health", "matched": 1, "sampled": 0},
                {"description": "name=GET *", "matched": 1, "sampled": 1},
                {"description": "name=*health", "matched": 1, "sampled": 1},
            ],
            "default": {"matched": 1, "sampled": 0},
        }

    def test_a_rule_in_two_samplers_counts_for_each(self) -> None:
        rule = Rule(name="n", sampler=ALWAYS_ON)
        first, second = RuleBased([rule], default=ALWAYS_OFF), RuleBased([rule], default=ALWAYS_OFF)
        first.should_sample(Context(), 1, "n")
        assert [sampler.stats()["rules"][0]["matched"] for sampler in (first, second)] == [1, 0]

    def test_description(self) -> None:
        sampler = RuleBased(
            [
                Rule(name="GET /health", parent="none", sampler=ALWAYS_OFF),
                Rule(kind=[SpanKind.CLIENT], attributes={"a": ["x", 1], "b": ANY}, scope="s", sampler=RateLimited(10)),
                Rule(sampler=ALWAYS_ON),
            ],
            default=ConsistentProbability(0.01),
        )
        assert sampler.get_description() == (
            "RuleBased{[(name=GET /health,parent=none:AlwaysOffSampler),"
            "(kind=client,a=x|1,b=ANY,scope=s:RateLimited{10/s}),(*:AlwaysOnSampler)],"
            "default=ConsistentProbability{0.01,th:fd70a}}"
        )

    @pytest.mark.parametrize(
        ("sampler", "told"),
        [
            (ALWAYS_ON, "th:0"),
            (sdk.ALWAYS_ON, "th:0"),
            (AlwaysRecord(ALWAYS_ON), "th:0"),
            (ConsistentProbability(0.5), "th:8"),
            (ParentBased(ConsistentProbability(0.5)), "th:8"),
            (TraceIdRatioBased(1), None),
            (sdk.TraceIdRatioBased(1), None),
            (RateLimited(1000), None),
            (ParentBased(ALWAYS_ON), None),
        ],
    )
    def test_what_a_kept_trace_says(self, sampler: Any, told: str | None) -> None:
        rules = RuleBased([Rule(name="other", sampler=ALWAYS_OFF)], default=sampler)
        assert decided(rules, HIGH) == (KEPT, {"ot": told} if told else {})
        # As a root, with a trace state given: other members stay, another threshold goes.
        given_state = TraceState([("v", "1"), ("ot", "th:4;xy:z")])
        members = {"ot": f"{told};xy:z" if told else "xy:z", "v": "1"}
        assert decided(rules, HIGH, trace_state=given_state) == (KEPT, members)

    def test_what_is_not_kept_says_none(self) -> None:
        given_state = TraceState([("v", "1"), ("ot", "th:4")])
        for sampler in (ALWAYS_OFF, TraceIdRatioBased(0), ConsistentProbability(0.5), StaticSampler(Decision.RECORD_ONLY)):
            rules = RuleBased([], default=sampler)
            assert decided(rules, LOW, trace_state=given_state)[1] == {"v": "1"}

    def test_a_foreign_sampler(self) -> None:
        class Foreign(sdk.Sampler):
            state: TraceState | None = None

            def should_sample(self, parent_context: Any, *arguments: Any) -> SamplingResult:
                parents = sdk._get_parent_trace_state(parent_context)
                return SamplingResult(Decision.RECORD_AND_SAMPLE, {"by": "Foreign"}, self.state or parents)

            def get_description(self) -> str:
                return "Foreign"

        foreign = Foreign()
        rules = RuleBased([Rule(parent="remote", sampler=foreign)], default=ALWAYS_OFF)
        context = context_of(HIGH, TraceState([("ot", "th:4"), ("v", "1")]))
        assert by_tracers(rules, context) == [(True, [("v", "1")])] * 3
        foreign.state = TraceState([("ot", "th:c")])  # what it says itself stands
        assert by_tracers(rules, context) == [(True, [("ot", "th:c")])] * 3
        tracer = nanospan.TracerProvider(sampler=rules, shutdown_on_exit=False).get_tracer("test")
        span = tracer.start_span("span", context, attributes={"a": 1})
        assert dict(span.attributes or {}) == {"by": "Foreign"}  # type: ignore[attr-defined]

    def test_through_tracers(self) -> None:
        rules = RuleBased(
            [Rule(name="other", sampler=ALWAYS_OFF), Rule(name="span", parent="none", sampler=ALWAYS_ON)],
            default=ConsistentProbability(0.5),
        )
        assert by_tracers(rules, Context()) == [(True, [("ot", "th:0")])] * 3
        state = TraceState([("v", "1"), ("ot", "th:c;xy:z")])
        assert by_tracers(rules, context_of(HIGH, state)) == [(True, [("ot", "th:8;xy:z"), ("v", "1")])] * 3
        assert by_tracers(ParentBased(rules), context_of(HIGH, state)) == [(True, [("v", "1"), ("ot", "th:c;xy:z")])] * 3

    def test_an_adaptive_rule_hears_of_the_spans_of_others(self) -> None:
        adaptive = Adaptive(100)
        rules = ParentBased(RuleBased([Rule(name="all", sampler=ALWAYS_ON)], default=adaptive))
        tracer = nanospan.TracerProvider(sampler=rules, shutdown_on_exit=False).get_tracer("test")
        with tracer.start_as_current_span("all"), tracer.start_as_current_span("child"):
            pass
        tracer.start_span("entry", context_of(5))
        tracer.start_span("not sampled", context_of(5, sampled=False))
        stats = adaptive.stats()
        assert (stats["asked"], stats["spans"], stats["entries"]) == (0, 2, 1)

    def test_nested_rules(self) -> None:
        inner = RuleBased([Rule(attributes={"k": 1}, sampler=ALWAYS_ON)], default=ALWAYS_OFF)
        outer = RuleBased([Rule(name="n", sampler=inner)], default=ConsistentProbability(1))
        for name, attributes, decision in (("n", {"k": 1}, KEPT), ("n", {}, DROPPED), ("m", {}, KEPT)):
            assert outer.should_sample(Context(), LOW, name, attributes=attributes).decision is decision

    def test_deep_nesting(self) -> None:
        chain: Any = ALWAYS_ON
        for _ in range(100):
            chain = RuleBased([], default=chain)
        assert decided(chain, LOW)[0] is KEPT


def test_order_against_a_plain_reading() -> None:
    """Many random rules, read in Python one after the other."""
    chosen = random.Random(7)
    for _ in range(200):
        conditions = [
            {
                key: value
                for key, value in (
                    ("name", chosen.choice(["a", "b", "a*"])),
                    ("kind", chosen.choice(list(SpanKind))),
                    ("attributes", {chosen.choice("xy"): chosen.choice([1, "1", ANY])}),
                )
                if chosen.random() < 0.5
            }
            for _ in range(chosen.randrange(6))
        ]
        sampler = RuleBased([Rule(sampler=ALWAYS_ON, **one) for one in conditions], default=ALWAYS_OFF)
        name, kind = chosen.choice(["a", "b", "ab"]), chosen.choice(list(SpanKind))
        attributes = {key: chosen.choice([1, "1", True]) for key in "xy" if chosen.random() < 0.7}
        sampler.should_sample(Context(), 1, name, kind, attributes)
        first = next((number for number, one in enumerate(conditions) if holds(one, name, kind, attributes)), None)
        matched = [rule["matched"] for rule in sampler.stats()["rules"]]
        assert matched == [int(number == first) for number in range(len(conditions))]


def holds(conditions: dict[str, Any], name: str, kind: SpanKind, attributes: dict[str, Any]) -> bool:
    if "name" in conditions and not fnmatchcase(name, conditions["name"]):
        return False
    if conditions.get("kind", kind) is not kind:
        return False
    for key, wanted in conditions.get("attributes", {}).items():
        if key not in attributes:
            return False
        if wanted is not ANY and (attributes[key] != wanted or type(attributes[key]) is not type(wanted)):
            return False
    return True
