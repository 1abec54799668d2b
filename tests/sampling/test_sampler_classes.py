"""The samplers as Python classes: signatures and members as in the SDK, and subclasses, whose overrides count."""

from __future__ import annotations

import inspect
from types import MappingProxyType
from typing import Any

import nanospan_testing as native
import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import sampling as sdk
from opentelemetry.trace import (
    SpanKind,
    TraceState,
)

from nanospan import sampling
from nanospan._native.sampling import NativeSampler

ASK = -1
LOW_64 = 2**64 - 1


class TestClasses:
    @pytest.mark.parametrize("name", ["StaticSampler", "TraceIdRatioBased", "ParentBased", "ParentBasedTraceIdRatio"])
    def test_derives_from_the_sdk_class_with_its_signatures(self, name: str) -> None:
        ours, theirs = getattr(sampling, name), getattr(sdk, name)
        assert issubclass(ours, theirs)
        assert issubclass(ours, NativeSampler)
        assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters)
        ours_call = inspect.signature(ours.should_sample).parameters.values()
        theirs_call = inspect.signature(theirs.should_sample).parameters.values()
        assert [(p.name, p.default, p.kind) for p in ours_call] == [(p.name, p.default, p.kind) for p in theirs_call]

    def test_reexports(self) -> None:
        assert sampling.Sampler is sdk.Sampler
        assert sampling.SamplingResult is sdk.SamplingResult
        assert sampling.Decision is sdk.Decision
        assert isinstance(sampling.DEFAULT_ON, sampling.ParentBased)
        assert isinstance(sampling.ParentBasedTraceIdRatio(1), sampling.ParentBased)

    def test_public_members(self) -> None:
        assert sampling.TraceIdRatioBased.TRACE_ID_LIMIT == LOW_64
        assert sampling.TraceIdRatioBased.get_bound_for_rate(0.1) == round(0.1 * 2**64)
        assert sampling.TraceIdRatioBased(rate=1).bound == 2**64
        with pytest.raises(AttributeError):
            sampling.TraceIdRatioBased(1).rate = 0.5  # type: ignore[misc]

    def test_samplers_are_truthy(self) -> None:
        # TracerProvider replaces a falsy sampler by its default.
        assert sampling.ALWAYS_OFF and sampling.TraceIdRatioBased(0) and sampling.DEFAULT_OFF

    def test_result_attributes_are_a_live_read_only_view(self) -> None:
        given_attributes = {"a": 1}
        result = sampling.ALWAYS_ON.should_sample(None, 1, "", None, given_attributes)
        assert type(result.attributes) is MappingProxyType
        given_attributes["b"] = 2
        assert result.attributes == {"a": 1, "b": 2}

    def test_results_are_independent(self) -> None:
        first = sampling.ALWAYS_OFF.should_sample(None, 1, "")
        first.trace_state = TraceState([("a", "b")])
        assert sampling.ALWAYS_OFF.should_sample(None, 1, "").trace_state is None

    def test_missing_and_unknown_arguments_raise(self) -> None:
        with pytest.raises(TypeError):
            sampling.ALWAYS_ON.should_sample(None, 1)
        with pytest.raises(TypeError):
            sampling.ALWAYS_ON.should_sample(None, 1, "", unknown=1)

    def test_this_release_of_the_sdk_allows_every_fast_path(self) -> None:
        # Fails when a release changes SpanContext or SamplingResult: the samplers still work, but slowly.
        assert native.fast_paths() == {"span_context_is_tuple": True, "result_by_fields": True}


class TestSubclasses:
    class Refuses(sampling.TraceIdRatioBased):
        def should_sample(self, *arguments: Any, **named: Any) -> sdk.SamplingResult:
            self.asked = (arguments, named)
            return sdk.SamplingResult(sdk.Decision.RECORD_ONLY, {"by": "Refuses"})

    def test_overriding_should_sample_as_a_delegate(self) -> None:
        delegate = self.Refuses(1)
        sampler = sampling.ParentBased(delegate)
        context = Context()
        result = sampler.should_sample(context, 1, "name", SpanKind.SERVER, {"a": 1}, ())
        assert result.decision is sdk.Decision.RECORD_ONLY
        assert result.attributes == {"by": "Refuses"}
        # The SDK's call: keywords, and no trace_state.
        assert delegate.asked == (
            (),
            {
                "parent_context": context,
                "trace_id": 1,
                "name": "name",
                "kind": SpanKind.SERVER,
                "attributes": {"a": 1},
                "links": (),
            },
        )
        assert native.decide(delegate, 1) == ASK
        assert native.decide(sampler, 1) == ASK
        assert native.decide(sampler, 1, valid=True, sampled=True) == sdk.Decision.RECORD_AND_SAMPLE.value

    def test_super_call_reaches_the_native_decision(self) -> None:
        class Counting(sampling.TraceIdRatioBased):
            calls = 0

            def should_sample(self, *arguments: Any, **named: Any) -> sdk.SamplingResult:
                self.calls += 1
                return super().should_sample(*arguments, **named)

        delegate = Counting(0.5)
        sampler = sampling.ParentBased(delegate)
        assert sampler.should_sample(Context(), 1, "").decision is sdk.Decision.RECORD_AND_SAMPLE
        assert sampler.should_sample(Context(), LOW_64, "").decision is sdk.Decision.DROP
        assert delegate.calls == 2

    def test_a_bound_that_moves(self) -> None:
        class Adaptive(sampling.TraceIdRatioBased):
            moving = 0

            @property
            def bound(self) -> int:
                return self.moving

        sampler = Adaptive(1)
        assert sampler.should_sample(None, 5, "").decision is sdk.Decision.DROP
        sampler.moving = 6
        assert sampler.should_sample(None, 5, "").decision is sdk.Decision.RECORD_AND_SAMPLE
        assert native.decide(sampler, 5) == ASK

    def test_another_rule_for_the_bound(self) -> None:
        class Doubled(sampling.TraceIdRatioBased):
            @classmethod
            def get_bound_for_rate(cls, rate: float) -> int:
                return round(rate * 2**65)

        assert Doubled(1).should_sample(None, LOW_64, "").decision is sdk.Decision.RECORD_AND_SAMPLE
        assert Doubled(0.25).bound == 2**63

    def test_subclasses_of_parent_based_and_static(self) -> None:
        class Named(sampling.ParentBased):
            def get_description(self) -> str:
                return "Named"

        class RecordsOnly(sampling.StaticSampler):
            def __init__(self) -> None:
                super().__init__(sdk.Decision.RECORD_ONLY)

        sampler = Named(RecordsOnly())
        assert sampler.get_description() == "Named"
        assert sampler.should_sample(Context(), 1, "").decision is sdk.Decision.RECORD_ONLY
        outer = sampling.ParentBased(sampler)
        assert outer.should_sample(Context(), 1, "").decision is sdk.Decision.RECORD_ONLY
        assert "root:Named" in outer.get_description()

    def test_a_delegate_that_raises(self) -> None:
        class Broken(sdk.Sampler):
            def should_sample(self, *arguments: Any, **named: Any) -> sdk.SamplingResult:
                raise LookupError("broken")

            def get_description(self) -> str:
                return "Broken"

        with pytest.raises(LookupError, match="broken"):
            sampling.ParentBased(Broken()).should_sample(None, 1, "")

    @pytest.mark.parametrize("name", ["StaticSampler", "TraceIdRatioBased", "ParentBased"])
    def test_without_construction_nothing_crashes(self, name: str) -> None:
        unfinished = getattr(sampling, name).__new__(getattr(sampling, name))
        assert native.decide(unfinished, 1) == ASK
        assert native.decide(sampling.ParentBased(unfinished), 1) == ASK
        if name != "StaticSampler":
            with pytest.raises(AttributeError):
                unfinished.should_sample(None, 1, "")

    def test_long_chains_and_cycles(self) -> None:
        chain: sdk.Sampler = sampling.TraceIdRatioBased(0.5)
        for _ in range(100):
            chain = sampling.ParentBased(chain)
        assert chain.should_sample(None, 1, "").decision is sdk.Decision.RECORD_AND_SAMPLE
        assert chain.should_sample(None, LOW_64, "").decision is sdk.Decision.DROP
        assert native.decide(chain, 1) == ASK

        cycle = sampling.ParentBased(sampling.ALWAYS_ON)
        outer = sampling.ParentBased(cycle)
        cycle.__init__(outer)  # type: ignore[misc]
        assert native.decide(outer, 1) == ASK
        with pytest.raises(RecursionError):
            outer.should_sample(None, 1, "")
