"""Rules are values, and are refused where a flood of requests could have all its traces kept."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import sampling as sdk
from support.head_sampling import KEPT

from nanospan.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    ANY,
    Adaptive,
    ConsistentProbability,
    ParentBased,
    RateLimited,
    Rule,
    RuleBased,
    TraceIdRatioBased,
)

OUTSIDE = {
    "http.request.header.x-debug": "1",
    "http.response.header.x": "1",
    "rpc.request.metadata.debug": "1",
    "url.query": "*debug=1*",
    "url.full": "*debug*",
    "http.url": "*debug*",
    "http.target": "*debug*",
    "user_agent.original": "tester",
    "http.user_agent": "tester",
    "messaging.message.header.debug": "1",
    "rpc.grpc.request.metadata.debug": ["1"],
    "baggage.debug": ANY,
    "http.host": "debug.example.com",
    "server.address": "debug.example.com",
    "client.address": "127.0.0.1",
    "http.request.method_original": "DEBUG",
    "http.request.body.size": 4711,
    "x-debug": "1",
}


class Generous(RateLimited):
    def should_sample(self, *arguments: Any, **named: Any) -> sdk.SamplingResult:
        return sdk.ALWAYS_ON.should_sample(*arguments, **named)


class GenerousRules(RuleBased):
    def should_sample(self, *arguments: Any, **named: Any) -> sdk.SamplingResult:
        return sdk.ALWAYS_ON.should_sample(*arguments, **named)


class TestFloods:
    @pytest.mark.parametrize("key", OUTSIDE)
    def test_what_anyone_can_send_needs_a_limit(self, key: str) -> None:
        attributes: Any = {"harmless": 1, key: OUTSIDE[key]}
        unlimited = (
            ALWAYS_ON,
            ConsistentProbability(0.01),
            TraceIdRatioBased(0.1),
            Adaptive(1),
            RateLimited(10, consistent=True),
            ParentBased(ALWAYS_OFF),
            Generous(10),
            GenerousRules([], default=ALWAYS_OFF),
        )
        for sampler in unlimited:
            with pytest.raises(ValueError, match="must be a RateLimited or ALWAYS_OFF") as refused:
                Rule(attributes=attributes, sampler=sampler)
            assert key in str(refused.value) and "flood" in str(refused.value) and "external=False" in str(refused.value)
            Rule(attributes=attributes, sampler=sampler, external=False)
        for limiting in (RateLimited(10), ALWAYS_OFF, sdk.ALWAYS_OFF):
            Rule(attributes=attributes, sampler=limiting)
            Rule(attributes=attributes, sampler=RuleBased([Rule(sampler=RateLimited(5))], default=limiting))
        with pytest.raises(ValueError, match="flood"):
            Rule(attributes=attributes, sampler=RuleBased([], default=ALWAYS_ON))

    def test_a_rule_that_is_said_to_be_external(self) -> None:
        with pytest.raises(ValueError, match="external=True says"):
            Rule(name="GET /debug", external=True, sampler=ALWAYS_ON)
        Rule(name="GET /debug", external=True, sampler=RateLimited(1))

    def test_other_attributes_do_not(self) -> None:
        Rule(attributes={"http.route": "/checkout", "url.path": "/a", "http.request.method": "GET"}, sampler=ALWAYS_ON)


class TestValues:
    def test_a_rule_does_not_change(self) -> None:
        attributes: Any = {"k": "x"}
        rule = Rule(attributes=attributes, sampler=ALWAYS_ON)
        attributes["k"] = "y"
        sampler = RuleBased([rule], default=ALWAYS_OFF)
        assert sampler.should_sample(Context(), 1, "n", None, {"k": "x"}).decision is KEPT
        with pytest.raises(AttributeError):
            rule.name = "n"  # type: ignore[misc]
