"""`repr` of samplers and rules: the call that makes an equal one."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import SpanKind

from nanospan import sampling
from nanospan.tail import Probabilistic

TEXTS = [
    "ALWAYS_ON",
    "ALWAYS_OFF",
    "StaticSampler(Decision.RECORD_ONLY)",
    "TraceIdRatioBased(0.5)",
    "ParentBased(ALWAYS_ON)",
    "ParentBased(ConsistentProbability(0.1), remote_parent_sampled=RateLimited(50.0))",
    "ParentBasedTraceIdRatio(0.25)",
    "ConsistentProbability(0.01)",
    "ConsistentProbability(1.0, precision=3, randomness='hash')",
    "RateLimited(5.0)",
    "RateLimited(5.0, burst=7)",
    "RateLimited(5.0, consistent=True)",
    "Adaptive(1000.0)",
    "Adaptive(1000.0, averaging_seconds=5.0)",
    "OverheadBudget()",
    "OverheadBudget(cpu_fraction=0.05, min_probability=0.001)",
    "AlwaysRecord(ParentBased(ALWAYS_OFF))",
    "LinksBased(ConsistentProbability(0.1))",
    "LinksBased(ALWAYS_ON, linked_not_sampled=RateLimited(1.0))",
    "RuleBased((Rule(name='GET /', kind=SpanKind.SERVER, attributes={'key': ANY}, sampler=ALWAYS_ON),), default=ALWAYS_OFF)",
    "Rule(parent=['local', 'remote'], sampler=RateLimited(1.0), external=True)",
]


@pytest.mark.parametrize("text", TEXTS)
def test_it_is_the_call(text: str) -> None:
    names = {name: getattr(sampling, name) for name in sampling.__all__} | {"Decision": Decision, "SpanKind": SpanKind}
    assert repr(eval(text, names)) == text


def test_a_subclass_has_its_own_name() -> None:
    class Ours(sampling.ConsistentProbability):
        pass

    assert repr(Ours(0.5)) == "Ours(0.5)"


def test_what_cannot_be_shown_does_not_raise() -> None:
    class Shy(sampling.Sampler):
        def should_sample(self, *arguments: object, **more: object) -> sampling.SamplingResult:
            raise NotImplementedError

        def get_description(self) -> str:
            return "shy"

        def __repr__(self) -> str:
            raise ValueError("no")

    assert repr(sampling.ParentBased(Shy())) == "ParentBased(a Shy that cannot be shown)"


def test_the_smallest_ratio_has_one_name() -> None:
    with pytest.raises(ValueError, match=r"ratio must be a number from 2\*\*-56 to 1, not 5"):
        Probabilistic(5)
