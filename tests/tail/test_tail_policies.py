"""Tail-sampling policies: what each keeps, how they combine, and what becomes of the count."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import trace
from support.policies import compile_policies
from support.selection.examples import examples

from nanospan._native.sampling import threshold_from_probability
from nanospan.tail import (
    AlwaysSample,
    And,
    BooleanAttribute,
    BytesLimiting,
    Composite,
    Drop,
    Latency,
    Not,
    NumericAttribute,
    Policy,
    Probabilistic,
    RateLimiting,
    SpanCount,
    StatusCode,
    StringAttribute,
    TailSampling,
    TraceFlags,
    TraceState,
)
from nanospan.tail._chance import hash_threshold

LEAVE, RAISE, ERASE = 0, 1, 2  # csrc/tail/ns_patch_threshold.h
DROPPED = (False, LEAVE, 0)
LEFT = (True, LEAVE, 0)
ERASED = (True, ERASE, 0)
UNSET, OK, ERROR = 1, 2, 4
MS, SECOND = 10**6, 10**9

YES, NO = AlwaysSample(), SpanCount(1000)


def decide(*policies: Policy, **facts: Any) -> tuple[bool, int, int]:
    return compile_policies(policies).decide(**facts)


def raised(ratio: float) -> tuple[bool, int, int]:
    return True, RAISE, threshold_from_probability(ratio)


def largest_randomness_below(ratio: float) -> int:
    return threshold_from_probability(ratio) - 1


# --- each policy ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codes", "seen", "keeps"),
    [
        (("ERROR",), ERROR | OK, True),
        (("ERROR",), OK | UNSET, False),
        (("OK", "UNSET"), UNSET, True),
        (("OK", "UNSET"), OK, True),
        (("OK", "UNSET"), ERROR, False),
        ((trace.StatusCode.ERROR,), ERROR, True),
    ],
)
def test_status_code(codes: tuple[str, ...], seen: int, keeps: bool) -> None:
    assert decide(StatusCode(*codes), statuses=seen) == (LEFT if keeps else DROPPED)


def test_a_module_may_import_it_in_place_of_opentelemetrys() -> None:
    assert tuple(trace.StatusCode) == (StatusCode.UNSET, StatusCode.OK, StatusCode.ERROR)
    assert trace.Status(StatusCode.ERROR, "text").status_code is trace.StatusCode.ERROR
    assert StatusCode(StatusCode.ERROR) == StatusCode("ERROR")


@pytest.mark.parametrize(
    ("policy", "duration", "keeps"),
    [
        (Latency(1000), 1000 * MS, False),
        (Latency(1000), 1001 * MS - 1, False),
        (Latency(1000), 1001 * MS, True),
        (Latency(1000, 2000), 1000 * MS, False),
        (Latency(1000, 2000), 2001 * MS - 1, True),
        (Latency(1000, 2000), 2001 * MS, False),
        (Latency(0), 0, False),
        (Latency(0), MS, True),
        (Latency(0), -5 * MS, False),
    ],
)
def test_latency(policy: Latency, duration: int, keeps: bool) -> None:
    start = 1_795_395_071_635_305_223
    assert decide(policy, start=start, end=start + duration) == (LEFT if keeps else DROPPED)


@pytest.mark.parametrize(
    "make",
    [
        lambda invert: StringAttribute("k", ["v"], invert_match=invert),
        lambda invert: StringAttribute("k", ["v"], enabled_regex_matching=True, invert_match=invert),
        lambda invert: NumericAttribute("k", 1, 2, invert_match=invert),
        lambda invert: BooleanAttribute("k", True, invert_match=invert),
    ],
)
def test_attributes_and_their_inverse(make: Any) -> None:
    assert decide(make(False), matches=1) == decide(make(True), matches=0) == LEFT
    assert decide(make(False), matches=0) == decide(make(True), matches=1) == DROPPED
    # An inverted match is one policy among others: it does not overrule them.
    assert decide(make(True), YES, matches=1) == LEFT


def test_span_count() -> None:
    assert [decide(SpanCount(2), spans=n)[0] for n in (1, 2, 10**6)] == [False, True, True]
    assert [decide(SpanCount(2, 3), spans=n)[0] for n in (1, 2, 3, 4)] == [False, True, True, False]


def test_trace_state_and_flags() -> None:
    assert decide(TraceState("v", ["on"]), matches=1) == LEFT
    assert decide(TraceState("v", ["on"]), matches=2) == DROPPED
    assert [decide(TraceFlags(), flags=flags)[0] for flags in (0, 1, 2, 3)] == [False, True, False, True]


@pytest.mark.parametrize("ratio", [2**-56, 0.0001, 0.01, 0.1, 1 / 3, 0.5, 0.99])
def test_probabilistic_decides_as_the_consistent_sampler(ratio: float) -> None:
    threshold = threshold_from_probability(ratio)
    assert decide(Probabilistic(ratio), randomness=threshold) == (True, RAISE, threshold)
    assert decide(Probabilistic(ratio), randomness=threshold - 1) == DROPPED
    # Without an rv, the low 56 bits of the trace id are the randomness.
    assert decide(Probabilistic(ratio), trace_id=0xABCD << 56 | threshold) == (True, RAISE, threshold)


def test_all_of_the_traces_need_no_threshold() -> None:
    assert decide(Probabilistic(1), randomness=0) == LEFT


def fnv1a(data: bytes) -> int:
    """The 64-bit FNV-1a hash, as its definition has it."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


@settings(max_examples=50)
@given(st.integers(0, 2**128 - 1), st.sampled_from([0.001, 0.1, 0.5, 0.9, 1.0]), st.sampled_from(["", "salt", "соль"]))
def test_probabilistic_with_a_salt_decides_as_the_collector(trace_id: int, ratio: float, salt: str) -> None:
    hashed = fnv1a((salt or "default-hash-seed").encode() + trace_id.to_bytes(16, "big"))
    # A ratio has 53 significant bits: within one part in 2**52 of the ratio of all hashes lies the bound.
    slack = 2**12
    verdict = decide(Probabilistic(ratio, hash_salt=salt), trace_id=trace_id)
    if hashed + slack < ratio * 2**64 or ratio == 1:
        assert verdict == ERASED
    elif hashed - slack > ratio * 2**64:
        assert verdict == DROPPED


def test_the_hash_bound_is_the_collectors() -> None:
    assert hash_threshold(1) == 2**64 - 1
    assert hash_threshold(0.5) == 2**63 - 1
    assert hash_threshold(2**-56) == 2**8 - 1
    assert hash_threshold(0.75) == 3 * 2**62 - 1
    assert hash_threshold(0.1) == 3602879701896397 * 2**9 - 1  # of the double nearest to a tenth


def test_rate_limiting_is_a_bucket_of_spans() -> None:
    compiled = compile_policies([RateLimiting(10)])
    assert [compiled.decide(spans=5, now=SECOND) for _ in range(5)] == [ERASED] * 4 + [DROPPED]
    assert not compiled.decide(spans=5, now=SECOND + SECOND // 4)[0]
    assert compiled.decide(spans=5, now=SECOND + SECOND // 2)[0]
    assert not decide(RateLimiting(10), spans=21, now=SECOND)[0]
    assert decide(RateLimiting(10, 21), spans=21, now=SECOND)[0]
    assert decide(RateLimiting(0.01), spans=1, now=SECOND)[0]


def test_bytes_limiting_is_a_bucket_of_bytes() -> None:
    compiled = compile_policies([BytesLimiting(1000, 1500)])
    assert not compiled.decide(bytes=1501, now=SECOND)[0]
    assert compiled.decide(bytes=1500, spans=10**6, now=SECOND) == ERASED
    assert not compiled.decide(bytes=1000, now=2 * SECOND - 10**6)[0]
    assert compiled.decide(bytes=1000, now=2 * SECOND)[0]


def test_a_consistent_rate_is_met_by_thresholds() -> None:
    compiled = compile_policies([RateLimiting(100, consistent=True)])
    kept = 0
    for index in range(40_000):
        randomness = index * 0x9E3779B97F4A7C15 % 2**56
        keep, count, threshold = compiled.decide(randomness=randomness, spans=10, now=SECOND + index * MS)
        assert not keep or (randomness >= threshold and count == (RAISE if threshold else LEAVE))
        kept += keep and index >= 20_000
    assert 20_000 * 0.005 < kept < 20_000 * 0.02  # a hundredth is a hundred spans a second


# --- combinations -----------------------------------------------------------------------------------------------------


def test_any_policy_keeps_and_the_smallest_threshold_is_said() -> None:
    assert decide(NO, NO) == DROPPED
    assert decide(NO, YES) == LEFT
    assert decide(Probabilistic(0.5), Probabilistic(0.1), randomness=2**56 - 1) == raised(0.5)
    assert decide(Probabilistic(0.5), Probabilistic(0.1), randomness=largest_randomness_below(0.1)) == raised(0.5)
    assert decide(Probabilistic(0.5), YES, randomness=2**56 - 1) == LEFT
    assert decide(RateLimiting(1), Probabilistic(0.5), randomness=2**56 - 1) == raised(0.5)
    assert decide(RateLimiting(1), Probabilistic(0.5), randomness=0) == ERASED


def test_and_says_the_largest_threshold() -> None:
    assert decide(And(YES, Probabilistic(0.5), Probabilistic(0.1)), randomness=2**56 - 1) == raised(0.1)
    assert decide(And(YES, Probabilistic(0.5)), randomness=0) == DROPPED
    assert decide(And(YES, RateLimiting(1), Probabilistic(0.5)), randomness=2**56 - 1) == ERASED
    assert decide(And(YES)) == LEFT


def test_not() -> None:
    assert decide(Not(NO)) == LEFT
    assert decide(Not(YES)) == DROPPED
    assert decide(Not(Probabilistic(0.5)), randomness=0) == ERASED
    assert decide(Not(And(Probabilistic(0.5), NO)), randomness=0) == LEFT


def test_drop_beats_all() -> None:
    assert decide(YES, Drop(YES)) == DROPPED
    assert decide(YES, Drop(NO)) == LEFT
    assert decide(YES, Drop(YES, NO)) == LEFT
    assert decide(YES, Drop(YES, Probabilistic(0.5)), randomness=2**56 - 1) == DROPPED


def test_what_is_spared_by_chance_has_no_count() -> None:
    assert decide(YES, Drop(YES, Probabilistic(0.9)), randomness=0) == ERASED
    assert decide(YES, Drop(Probabilistic(0.9), NO), randomness=0) == LEFT


def test_composite_gives_each_part_its_share() -> None:
    errors, slow, rest = StatusCode("ERROR"), Latency(1000), AlwaysSample()
    compiled = compile_policies([Composite([errors, slow, rest], 100, {"status_code": 50, "latency": 30})])
    facts = {"spans": 5, "now": 7 * SECOND}
    assert [compiled.decide(statuses=ERROR, **facts) for _ in range(11)] == [ERASED] * 10 + [DROPPED]
    assert [compiled.decide(end=2 * SECOND, **facts)[0] for _ in range(7)] == [True] * 6 + [False]
    assert [compiled.decide(**facts)[0] for _ in range(5)] == [True] * 4 + [False]
    assert compiled.decide(statuses=ERROR, spans=50, now=8 * SECOND)[0]


@pytest.mark.parametrize(
    ("allocation", "expected"),
    [
        (None, [50, 50]),
        ({"first": 29}, [29, 71]),
        ({"first": 29, "always_sample": 10}, [29, 10]),
        ({"first": 33.3, "always_sample": 66.7}, [33, 66]),
    ],
)
def test_composite_shares(allocation: dict[str, float] | None, expected: list[int]) -> None:
    composite = Composite([AlwaysSample(name="first"), AlwaysSample()], 100, allocation)
    assert composite._allowances() == expected


# --- any tree of policies, against a plain reading of the rules -------------------------------------------------------

RATIOS = [0.01, 0.25, 0.5, 1.0]
leaves = st.one_of(
    st.just(YES),
    st.builds(StatusCode, st.sampled_from(["OK", "ERROR", "UNSET"])),
    st.builds(Latency, st.sampled_from([0, 10, 1000])),
    st.builds(SpanCount, st.sampled_from([0, 2, 5]), st.sampled_from([0, 5, 9])),
    st.builds(StringAttribute, st.just("k"), st.just(["v"]), invert_match=st.booleans()),
    st.just(TraceFlags()),
    st.builds(Probabilistic, st.sampled_from(RATIOS)),
    st.just(Probabilistic(0.5, hash_salt="")),
    st.sampled_from([RateLimiting(1, 10**9), RateLimiting(1, 1)]),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, min_size=1, max_size=3).map(lambda parts: And(*parts)), st.builds(Not, inner)),
    max_leaves=5,
)
top_level = st.lists(
    st.one_of(trees, trees, st.lists(trees, min_size=1, max_size=2).map(lambda parts: Drop(*parts))), min_size=1, max_size=4
)
facts_of_traces = st.fixed_dictionaries(
    {
        "trace_id": st.integers(0, 2**128 - 1),
        "end": st.sampled_from([0, 5 * MS, 11 * MS, 2000 * MS]),
        "matches": st.sampled_from([0, 1]),
        "spans": st.integers(1, 10),
        "statuses": st.integers(1, 7),
        "flags": st.sampled_from([0, 1, 2, 3]),
    }
)

UNKNOWN = 2**56


def answer(policy: Policy, trace: dict[str, int]) -> tuple[bool, bool, int]:
    """Whether the policy says yes, whether by the facts alone, and the threshold of a yes."""
    randomness = trace["trace_id"] % 2**56
    match policy:
        case And(policies=parts) | Drop(policies=parts):
            answers = [answer(part, trace) for part in parts]
            yes = all(said for said, _, _ in answers)
            certain = all(c for _, c, _ in answers) if yes else any(c and not said for said, c, _ in answers)
            return yes, certain, max(threshold for _, _, threshold in answers)
        case Not(policy=part):
            yes, certain, _ = answer(part, trace)
            return not yes, certain, 0 if certain else UNKNOWN
        case Probabilistic(hash_salt=None):
            threshold = threshold_from_probability(policy.ratio)
            return randomness >= threshold, threshold == 0, threshold
        case Probabilistic():
            hashed = fnv1a(b"default-hash-seed" + trace["trace_id"].to_bytes(16, "big"))
            return hashed < 2**63, False, UNKNOWN
        case RateLimiting():
            return policy.burst_capacity >= trace["spans"], False, UNKNOWN
        case StatusCode():
            yes = any(trace["statuses"] >> ["UNSET", "OK", "ERROR"].index(code) & 1 for code in policy.codes)
        case Latency():
            yes = trace["end"] // MS > policy.threshold_ms
        case SpanCount():
            yes = policy.min_spans <= trace["spans"] and (not policy.max_spans or trace["spans"] <= policy.max_spans)
        case StringAttribute():
            yes = bool(trace["matches"]) != policy.invert_match
        case TraceFlags():
            yes = bool(trace["flags"] & 1)
        case _:
            yes = True
    return yes, True, 0


def verdict(policies: list[Policy], trace: dict[str, int]) -> tuple[bool, int, int]:
    drops = [answer(policy, trace) for policy in policies if isinstance(policy, Drop)]
    others = [answer(policy, trace) for policy in policies if not isinstance(policy, Drop)]
    if any(yes for yes, _, _ in drops) or not any(yes for yes, _, _ in others):
        return DROPPED
    threshold = min(threshold for yes, _, threshold in others if yes)
    if threshold == UNKNOWN or not all(certain for _, certain, _ in drops):
        return ERASED
    return (True, RAISE, threshold) if threshold else LEFT


@settings(max_examples=examples(300))
@given(top_level, facts_of_traces)
def test_trees(policies: list[Policy], trace: dict[str, int]) -> None:
    assert decide(*policies, **trace, now=SECOND) == verdict(policies, trace)


# --- counts and names -------------------------------------------------------------------------------------------------


def test_counts() -> None:
    compiled = compile_policies([StatusCode("ERROR", name="errors"), Drop(SpanCount(5)), AlwaysSample()])
    compiled.decide(statuses=ERROR, spans=3)
    compiled.decide(statuses=OK, spans=4)
    compiled.decide(statuses=ERROR, spans=5)
    nothing = {"sampled": 0, "not_sampled": 0, "dropped": 0, "spans_sampled": 0, "spans_dropped": 0}
    assert compiled.counts() == {
        "errors": {**nothing, "sampled": 1, "not_sampled": 1, "spans_sampled": 3},
        "drop": {**nothing, "not_sampled": 2, "dropped": 1, "spans_dropped": 5},
        "always_sample": {**nothing, "sampled": 2, "spans_sampled": 7},
    }


def test_names_are_made_unique() -> None:
    policies = [Latency(1), Latency(2), Latency(3, name="latency"), Latency(4, name="latency-2"), AlwaysSample()]
    sampling = TailSampling(policies)
    assert sampling.policy_names == ("latency-3", "latency-4", "latency", "latency-2", "always_sample")
    assert compile_policies(sampling.policies).names == sampling.policy_names


def test_each_processor_has_counts_and_buckets_of_its_own() -> None:
    policy = RateLimiting(1, 1)
    first, second = compile_policies([policy]), compile_policies([policy])
    assert first.decide(now=SECOND)[0] and not first.decide(now=SECOND)[0]
    assert second.decide(now=SECOND)[0]
    assert first.counts()["rate_limiting"]["not_sampled"] == 1
    assert second.counts()["rate_limiting"]["not_sampled"] == 0
