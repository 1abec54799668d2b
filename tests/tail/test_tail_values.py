"""Tail-sampling policies and settings as values: equality, copies, defaults and limits."""

from __future__ import annotations

import copy
import dataclasses
import pickle

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
