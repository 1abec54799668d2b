"""Head samplers, which decide in C.

The samplers that the SDK has too have its names, arguments, descriptions and decisions, and derive from its classes, so that
`isinstance` checks hold. nanospan's own samplers keep a share of the traces (`ConsistentProbability`), a number of traces
per second (`RateLimited`), traces by rules (`RuleBased`), by load (`Adaptive`) or by the cost of tracing
(`OverheadBudget`); `AlwaysRecord` records the spans that another sampler drops; `LinksBased` decides by the links of a
span. Wrap them in a `ParentBased`; without one, services that call each other keep incomplete traces::

    from nanospan.sampling import ConsistentProbability, ParentBased

    provider = nanospan.TracerProvider(sampler=ParentBased(ConsistentProbability(0.01)))

All of them work behind the SDK's TracerProvider too.

A subclass that overrides `should_sample` is called like any sampler, also as a delegate of ParentBased. Replacing the method
on one of these classes or instances may have no effect if it is a delegate: derive a class instead.

Specification: OpenTelemetry trace SDK, "Sampling", and trace/tracestate-probability-sampling.md. TraceIdRatioBased is the
present rule of the SDKs (the low 64 bits of the trace id are below a bound). ConsistentProbability is the later rule, which
writes its threshold to the trace state. The two rules keep different traces: do not mix them within one trace.
"""

from __future__ import annotations

from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult

from nanospan.sampling._adaptive import Adaptive, OverheadBudget
from nanospan.sampling._links import LinksBased
from nanospan.sampling._probability import AlwaysRecord, ConsistentProbability, RateLimited
from nanospan.sampling._rules import ANY, Rule, RuleBased
from nanospan.sampling._sdk import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_OFF,
    DEFAULT_ON,
    ParentBased,
    ParentBasedTraceIdRatio,
    StaticSampler,
    TraceIdRatioBased,
)

__all__ = [
    "ALWAYS_OFF",
    "ALWAYS_ON",
    "ANY",
    "DEFAULT_OFF",
    "DEFAULT_ON",
    "Adaptive",
    "AlwaysRecord",
    "AlwaysRecordSampler",
    "ConsistentProbability",
    "Decision",
    "LinksBased",
    "OverheadBudget",
    "ParentBased",
    "ParentBasedTraceIdRatio",
    "RateLimited",
    "Rule",
    "RuleBased",
    "Sampler",
    "SamplingResult",
    "StaticSampler",
    "TraceIdRatioBased",
]

AlwaysRecordSampler = AlwaysRecord
"""The SDK's name of the class."""

# The public path, for tracebacks and pickle.
for _public in (
    Adaptive,
    AlwaysRecord,
    ConsistentProbability,
    LinksBased,
    OverheadBudget,
    ParentBased,
    ParentBasedTraceIdRatio,
    RateLimited,
    Rule,
    RuleBased,
    StaticSampler,
    TraceIdRatioBased,
):
    _public.__module__ = __name__
