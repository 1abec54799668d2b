"""The SDK's head samplers, native inside; `nanospan.sampling` is where they are imported from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry.sdk.trace import sampling as sdk
from opentelemetry.sdk.trace.sampling import Decision, Sampler

from nanospan._compat.sdk import parent_based_delegates, static_decision
from nanospan._native.sampling.samplers import (
    NativeParentBased,
    NativeSampler,
    NativeStaticSampler,
    NativeTraceIdRatioBased,
    native_class,
)

__all__ = [
    "ALWAYS_OFF",
    "ALWAYS_ON",
    "DEFAULT_OFF",
    "DEFAULT_ON",
    "ParentBased",
    "ParentBasedTraceIdRatio",
    "StaticSampler",
    "TraceIdRatioBased",
    "native_sampler",
]


@native_class
class StaticSampler(NativeStaticSampler, sdk.StaticSampler):
    """Sampler that always returns the same decision.

    Args:
        decision: What to decide. With DROP the result carries no attributes.
    """

    def __init__(self, decision: Decision) -> None:
        sdk.StaticSampler.__init__(self, decision)
        self._bind(decision)


ALWAYS_OFF = StaticSampler(Decision.DROP)
"""Never samples, whatever the parent's decision."""

ALWAYS_ON = StaticSampler(Decision.RECORD_AND_SAMPLE)
"""Always samples, whatever the parent's decision."""


@native_class
class TraceIdRatioBased(NativeTraceIdRatioBased, sdk.TraceIdRatioBased):
    """Sampler that keeps the given share of traces, chosen by trace id and not by the parent's decision.

    Args:
        rate: Probability that a trace is sampled, 0.0 to 1.0.

    Raises:
        ValueError: if the rate is outside [0.0, 1.0].
    """

    def __init__(self, rate: float) -> None:
        sdk.TraceIdRatioBased.__init__(self, rate)
        self._bind(self.bound)


@native_class
class ParentBased(NativeParentBased, sdk.ParentBased):
    """Sampler that asks one of five others, chosen by the parent of the span.

    Args:
        root: Asked for spans with no valid parent.
        remote_parent_sampled: Asked when the parent is remote and sampled.
        remote_parent_not_sampled: Asked when the parent is remote and not sampled.
        local_parent_sampled: Asked when the parent is local and sampled.
        local_parent_not_sampled: Asked when the parent is local and not sampled.
    """

    def __init__(
        self,
        root: Sampler,
        remote_parent_sampled: Sampler = ALWAYS_ON,
        remote_parent_not_sampled: Sampler = ALWAYS_OFF,
        local_parent_sampled: Sampler = ALWAYS_ON,
        local_parent_not_sampled: Sampler = ALWAYS_OFF,
    ) -> None:
        # By name and not by super(): the next class of ParentBasedTraceIdRatio takes other arguments.
        sdk.ParentBased.__init__(
            self,
            root,
            remote_parent_sampled,
            remote_parent_not_sampled,
            local_parent_sampled,
            local_parent_not_sampled,
        )
        delegates = (
            root,
            remote_parent_sampled,
            remote_parent_not_sampled,
            local_parent_sampled,
            local_parent_not_sampled,
        )
        self._bind(*(one if isinstance(one, NativeSampler) else native_sampler(one) or one for one in delegates))


DEFAULT_OFF = ParentBased(ALWAYS_OFF)
"""Follows the parent's decision; never samples a trace that starts here."""

DEFAULT_ON = ParentBased(ALWAYS_ON)
"""Follows the parent's decision; samples every trace that starts here."""


@native_class
class ParentBasedTraceIdRatio(ParentBased, sdk.ParentBasedTraceIdRatio):
    """Sampler that follows the parent's decision and keeps the given share of the traces that start here.

    Args:
        rate: Probability that a trace which starts here is sampled, 0.0 to 1.0.

    Raises:
        ValueError: if the rate is outside [0.0, 1.0].
    """

    def __init__(self, rate: float) -> None:
        ParentBased.__init__(self, root=TraceIdRatioBased(rate=rate))


def native_sampler(sampler: Sampler) -> NativeSampler | None:
    """What decides natively as `sampler` does: itself if it is nanospan's, a twin if it is one of the SDK's, or None.

    An instance of a subclass, or one whose class was patched, has none: it may decide anything.
    """
    if isinstance(sampler, NativeSampler):
        return sampler
    twin_of = _TWINS.get(type(sampler))
    if twin_of is None or "should_sample" in vars(sampler):
        return None
    if type(sampler).should_sample is not _STOCK_DECISIONS[type(sampler)]:
        return None
    return twin_of(sampler)


def _parent_based_twin(sampler: sdk.ParentBased) -> NativeSampler | None:
    delegates = [native_sampler(delegate) for delegate in parent_based_delegates(sampler)]
    return None if None in delegates else ParentBased(*delegates)


_TWINS: dict[type, Callable[[Any], NativeSampler | None]] = {
    sdk.StaticSampler: lambda sampler: StaticSampler(static_decision(sampler)),
    sdk.TraceIdRatioBased: lambda sampler: TraceIdRatioBased(sampler.rate),
    sdk.ParentBased: _parent_based_twin,
    sdk.ParentBasedTraceIdRatio: _parent_based_twin,
}
_STOCK_DECISIONS = {stock: stock.should_sample for stock in _TWINS}
