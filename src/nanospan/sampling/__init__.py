"""Head samplers, whose decisions are taken in C.

Those that the SDK has too carry its names, arguments, descriptions and decisions, and derive from its classes, so that
`isinstance` checks hold. The others are nanospan's own: a share of the traces (`ConsistentProbability`), so many a second
(`RateLimited`), by rules (`RuleBased`), by load (`Adaptive`), by what tracing costs (`OverheadBudget`), and `AlwaysRecord`,
which records what another one drops. Put them into a `ParentBased`, or services that call each other keep half traces::

    from nanospan.sampling import ConsistentProbability, ParentBased

    provider = nanospan.TracerProvider(sampler=ParentBased(ConsistentProbability(0.01)))

All of them work behind the SDK's TracerProvider too.

A subclass that overrides `should_sample` is called as any sampler is, also as a delegate of ParentBased. Replacing the
method on one of these classes or its instances may have no effect where it is a delegate: derive a class instead.

Specification: OpenTelemetry trace SDK, "Sampling", and trace/tracestate-probability-sampling.md. TraceIdRatioBased is the
rule that the SDKs use today (the low 64 bits of the trace id below a bound), ConsistentProbability the later one, which
tells its threshold. The two keep different traces: do not mix them for one trace.
"""

from __future__ import annotations

from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult

from nanospan.sampling._adaptive import Adaptive, OverheadBudget
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
    native_sampler,
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
    "native_sampler",
]

AlwaysRecordSampler = AlwaysRecord
"""The SDK's name of it."""

# Where users find them, in tracebacks and by pickle.
for _public in (
    Adaptive,
    AlwaysRecord,
    ConsistentProbability,
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
