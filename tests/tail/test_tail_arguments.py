"""Tail-sampling policies and settings as values: equality, copies, and which arguments are refused."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import pytest
from support.policies import compile_policies

from nanospan import tail
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

YES = AlwaysSample()

# --- values -----------------------------------------------------------------------------------------------------------

EXAMPLES = [
    AlwaysSample(),
    StatusCode("ERROR", "OK", name="s"),
    Latency(5, 10),
    StringAttribute("k", ["v"]),
    NumericAttribute("k", 1),
    BooleanAttribute("k", False),
    Probabilistic(0.1, hash_salt="s"),
    RateLimiting(5),
    BytesLimiting(5),
    SpanCount(1),
    TraceState("k", ["v"]),
    TraceFlags(),
    And(AlwaysSample(), TraceFlags()),
    Not(AlwaysSample()),
    Drop(AlwaysSample()),
    Composite([AlwaysSample()], 10, {"always_sample": 100}),
]


@pytest.mark.parametrize("policy", EXAMPLES, ids=repr)
def test_policies_are_values(policy: Policy) -> None:
    assert copy.deepcopy(policy) == policy
    assert hash(copy.deepcopy(policy)) == hash(policy)
    assert pickle.loads(pickle.dumps(policy)) == policy
    assert eval(repr(policy), vars(tail)) == policy
    with pytest.raises(dataclasses.FrozenInstanceError):
        policy.name = "other"  # type: ignore[misc]


def test_what_was_given_may_change_afterwards() -> None:
    values, allocation, policies = ["v"], {"always_sample": 100.0}, [AlwaysSample()]
    attribute, composite = StringAttribute("k", values), Composite(policies, 10, allocation)
    sampling = TailSampling(policies)
    values.append("w")
    allocation["other"] = 5
    policies.clear()
    assert attribute.values == ("v",)
    assert composite.allocation == {"always_sample": 100}
    assert sampling.policies == composite.policies == (AlwaysSample(),)


# --- arguments --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "error", "argument"),
    [
        (lambda: StatusCode(), ValueError, "codes"),
        (lambda: StatusCode("error"), ValueError, "codes"),
        (lambda: StatusCode(["ERROR"]), ValueError, "codes"),
        (lambda: Latency(-1), ValueError, "threshold_ms"),
        (lambda: Latency(1.5), TypeError, "threshold_ms"),
        (lambda: Latency(True), TypeError, "threshold_ms"),
        (lambda: Latency(5, 5), ValueError, "upper_threshold_ms"),
        (lambda: StringAttribute("", ["v"]), ValueError, "key"),
        (lambda: StringAttribute(5, ["v"]), TypeError, "key"),
        (lambda: StringAttribute("\ud800", ["v"]), ValueError, "key"),
        (lambda: StringAttribute("k", "v"), TypeError, "values"),
        (lambda: StringAttribute("k", []), ValueError, "values"),
        (lambda: StringAttribute("k", ["v", ""]), ValueError, r"values\[1\]"),
        (lambda: StringAttribute("k", [5]), TypeError, r"values\[0\]"),
        (lambda: StringAttribute("k", ["a", "("], enabled_regex_matching=True), ValueError, r"values\[1\]"),
        (lambda: StringAttribute("k", ["v"], enabled_regex_matching=1), TypeError, "enabled_regex_matching"),
        (lambda: StringAttribute("k", ["v"], cache_max_size=0), ValueError, "cache_max_size"),
        (lambda: StringAttribute("k", ["v"], invert_match=None), TypeError, "invert_match"),
        (lambda: NumericAttribute("k"), ValueError, "min_value or max_value"),
        (lambda: NumericAttribute("k", 1.0), TypeError, "min_value"),
        (lambda: NumericAttribute("k", 2, 1), ValueError, "max_value"),
        (lambda: NumericAttribute("k", 0, 2**63), ValueError, "max_value"),
        (lambda: BooleanAttribute("k", "true"), TypeError, "value"),
        (lambda: Probabilistic(0), ValueError, "ratio"),
        (lambda: Probabilistic(1.1), ValueError, "ratio"),
        (lambda: Probabilistic(float("nan")), ValueError, "ratio"),
        (lambda: Probabilistic("0.1"), TypeError, "ratio"),
        (lambda: Probabilistic(0.1, hash_salt=5), TypeError, "hash_salt"),
        (lambda: RateLimiting(0), ValueError, "spans_per_second"),
        (lambda: RateLimiting(5, 0), ValueError, "burst_capacity"),
        (lambda: RateLimiting(5, 5, consistent=True), ValueError, "burst_capacity"),
        (lambda: BytesLimiting(-5), ValueError, "bytes_per_second"),
        (lambda: BytesLimiting(5, "5"), TypeError, "burst_capacity"),
        (lambda: SpanCount(-1), ValueError, "min_spans"),
        (lambda: SpanCount(5, 4), ValueError, "max_spans"),
        (lambda: TraceState("k", []), ValueError, "values"),
        (lambda: AlwaysSample(name=""), ValueError, "name"),
        (lambda: And(name=5), ValueError, "policies"),
        (lambda: And(AlwaysSample(), name=5), TypeError, "name"),
        (lambda: And("always_sample"), TypeError, r"policies\[0\]"),
        (lambda: Drop(), ValueError, "policies"),
        (lambda: Not("always_sample"), TypeError, "policy"),
        (lambda: Composite([], 5), ValueError, "policies"),
        (lambda: Composite([AlwaysSample()], 0), ValueError, "max_total_spans_per_second"),
        (lambda: Composite([AlwaysSample()], 5, [50]), TypeError, "allocation"),
        (lambda: Composite([AlwaysSample()], 5, {"other": 50}), ValueError, "allocation"),
        (lambda: Composite([AlwaysSample()], 5, {"always_sample": 0}), ValueError, "allocation"),
        (lambda: Composite([AlwaysSample()], 5, {"always_sample": 101}), ValueError, "allocation"),
        (lambda: Composite([YES, TraceFlags()], 5, {"always_sample": 60, "trace_flags": 41}), ValueError, "allocation"),
        (lambda: Composite([YES, TraceFlags()], 5, {"always_sample": 100}), ValueError, "allocation"),
        (lambda: Composite([YES, TraceFlags()], 5, {"always_sample": 90}), ValueError, "allocation"),
        (lambda: Composite([AlwaysSample(name="a"), TraceFlags(name="a")], 5), ValueError, "policies"),
        (lambda: TailSampling([]), ValueError, "policies"),
        (lambda: TailSampling(AlwaysSample()), TypeError, "policies"),
        (lambda: TailSampling(["always_sample"]), TypeError, r"policies\[0\]"),
        (lambda: TailSampling([Policy()]), TypeError, r"policies\[0\]"),
        (lambda: TailSampling([Latency(1, name="a"), Latency(2, name="a")]), ValueError, "policies"),
        (lambda: TailSampling([Drop(YES)]), ValueError, "policies"),
        (lambda: TailSampling([YES, And(Drop(YES))]), ValueError, "policies"),
        (lambda: TailSampling([YES], decision_wait=0), ValueError, "decision_wait"),
        (lambda: TailSampling([YES], decision_wait="30"), TypeError, "decision_wait"),
        (lambda: TailSampling([YES], decision_wait=float("inf")), ValueError, "decision_wait"),
        (lambda: TailSampling([YES], decision_wait_after_root_ended=-1), ValueError, "decision_wait_after_root_ended"),
        (lambda: TailSampling([YES], num_traces=0), ValueError, "num_traces"),
        (lambda: TailSampling([YES], num_traces=2**24 + 1), ValueError, "num_traces"),
        (lambda: TailSampling([YES], max_bytes=2**20 - 1), ValueError, "max_bytes"),
        (lambda: TailSampling([YES], max_bytes=64e6), TypeError, "max_bytes"),
        (lambda: TailSampling([YES], decision_cache_size=-1), ValueError, "decision_cache_size"),
        (lambda: compile_policies([]), ValueError, "policies"),
    ],
)
def test_wrong_arguments(make: Any, error: type[Exception], argument: str) -> None:
    with pytest.raises(error, match=f"^{argument}"):
        make()


def test_settings() -> None:
    sampling = TailSampling([YES])
    assert (sampling.decision_wait, sampling.decision_wait_after_root_ended) == (30, 1)
    assert (sampling.num_traces, sampling.max_bytes, sampling.decision_cache_size) == (50_000, 64 << 20, 400_000)
    assert TailSampling([YES], num_traces=20_000).decision_cache_size == 160_000
    assert TailSampling([YES], num_traces=10).decision_cache_size == 131_072
    assert TailSampling([YES], max_bytes=1 << 20).decision_cache_size == 8192
    assert TailSampling([YES], decision_wait_after_root_ended=0, decision_cache_size=0).decision_cache_size == 0


# --- limits -----------------------------------------------------------------------------------------------------------


def nested(depth: int) -> Policy:
    policy: Policy = AlwaysSample()
    for _ in range(depth - 1):
        policy = Not(policy)
    return policy


def test_depth() -> None:
    assert compile_policies([nested(8)]).decide() == (False, 0, 0)
    with pytest.raises(ValueError, match=r"^policies must not be nested more than 8 deep"):
        TailSampling([nested(9)])


def test_nodes() -> None:
    assert compile_policies([*[AlwaysSample()] * 32, And(*[AlwaysSample()] * 31)]).decide() == (True, 0, 0)
    with pytest.raises(ValueError, match=r"^policies must be at most 64 in all"):
        TailSampling([AlwaysSample()] * 32 + [And(*[AlwaysSample()] * 32)])
    with pytest.raises(ValueError, match=r"^policies must be at most 64 in all"):
        compile_policies([AlwaysSample()] * 65)


def test_conditions() -> None:
    """64 nodes cannot ask for more than 64 different conditions, and the last of these is counted too."""
    policies = [NumericAttribute("k", number, number) for number in range(64)]
    compiled = compile_policies(policies)
    assert compiled.decide(matches=1 << 63) == (True, 0, 0)
    assert [compiled.counts()[name]["sampled"] for name in compiled.names] == [0] * 63 + [1]
