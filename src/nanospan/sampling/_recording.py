"""Which samplers drop traces, for the warning that tail sampling behind them does not see these."""

from __future__ import annotations

from opentelemetry.sdk.trace.sampling import Sampler

from nanospan._compat import stock
from nanospan._compat.sdk import parent_based_delegates, static_decision
from nanospan.sampling._adaptive import Adaptive, OverheadBudget
from nanospan.sampling._links import LinksBased
from nanospan.sampling._probability import ConsistentProbability, RateLimited
from nanospan.sampling._rules import RuleBased

__all__ = ["drops_traces"]


def drops_traces(sampler: Sampler) -> bool:
    """Whether ``sampler`` does not record some of the traces that begin here, other than by a rule for them.

    False for samplers of other packages, of which nothing is known.
    """
    if isinstance(sampler, stock.ParentBased):
        delegates = parent_based_delegates(sampler)
        return bool(delegates) and drops_traces(delegates[0])
    if isinstance(sampler, LinksBased):
        return drops_traces(sampler.root)
    if isinstance(sampler, RuleBased):
        return drops_traces(sampler.default)
    if isinstance(sampler, stock.StaticSampler):
        return not static_decision(sampler).is_recording()
    if isinstance(sampler, stock.TraceIdRatioBased):
        return sampler.rate < 1
    if isinstance(sampler, ConsistentProbability):
        return sampler.probability < 1
    return isinstance(sampler, (RateLimited, Adaptive, OverheadBudget))
