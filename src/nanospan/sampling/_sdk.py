"""The SDK's head samplers with native decisions. Import them from `nanospan.sampling`."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from opentelemetry.sdk.trace.sampling import Decision, Sampler

from nanospan._common.arguments import check_has, safe_repr
from nanospan._compat import stock
from nanospan._compat.sdk import parent_based_delegates, static_decision
from nanospan._native.sampling import (
    NativeParentBased,
    NativeSampler,
    NativeStaticSampler,
    NativeTraceIdRatioBased,
    native_class,
)
from nanospan.sampling._copies import Copyable

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


_NAMES = {Decision.DROP: "ALWAYS_OFF", Decision.RECORD_AND_SAMPLE: "ALWAYS_ON"}


@native_class
class StaticSampler(Copyable, NativeStaticSampler, stock.StaticSampler):
    """Sampler that always returns the same decision.

    Args:
        decision: The decision. With DROP the result has no attributes.
    """

    def __init__(self, decision: Decision) -> None:
        if not isinstance(decision, Decision):
            raise TypeError(f"decision must be a Decision, not {safe_repr(decision)}")
        stock.StaticSampler.__init__(self, decision)
        self._bind(decision)

    def _arguments(self) -> tuple[type[Any], dict[str, Any]]:
        return StaticSampler, {"decision": static_decision(self)}

    def __repr__(self) -> str:
        decision = static_decision(self)
        return _NAMES.get(decision) or f"StaticSampler({decision})"


ALWAYS_OFF = StaticSampler(Decision.DROP)
"""Never samples; ignores the parent's decision."""

ALWAYS_ON = StaticSampler(Decision.RECORD_AND_SAMPLE)
"""Always samples; ignores the parent's decision."""


def _check_rate(rate: Any) -> None:
    """Accept whatever compares as a number, as the SDK does."""
    try:
        is_probability = 0.0 <= rate <= 1.0
    except TypeError:
        raise TypeError(f"rate must be a number from 0.0 to 1.0, not {safe_repr(rate)}") from None
    if not is_probability:
        raise ValueError(f"rate must be a number from 0.0 to 1.0, not {safe_repr(rate)}")


@native_class
class TraceIdRatioBased(Copyable, NativeTraceIdRatioBased, stock.TraceIdRatioBased):
    """Sampler that keeps the given share of traces, by trace id; it ignores the parent's decision.

    Args:
        rate: Probability that a trace is sampled, 0.0 to 1.0.

    Raises:
        TypeError, ValueError: if the rate is not a number from 0.0 to 1.0.
    """

    def __init__(self, rate: float) -> None:
        _check_rate(rate)
        stock.TraceIdRatioBased.__init__(self, rate)
        self._bind(self.bound)

    def _arguments(self) -> tuple[type[Any], dict[str, Any]]:
        return TraceIdRatioBased, {"rate": self.rate}


_DELEGATES = (
    "root",
    "remote_parent_sampled",
    "remote_parent_not_sampled",
    "local_parent_sampled",
    "local_parent_not_sampled",
)


@native_class
class ParentBased(Copyable, NativeParentBased, stock.ParentBased):
    """Sampler that delegates to one of five others, by the parent of the span.

    Args:
        root: For spans without a valid parent.
        remote_parent_sampled: If the parent is remote and sampled.
        remote_parent_not_sampled: If the parent is remote and not sampled.
        local_parent_sampled: If the parent is local and sampled.
        local_parent_not_sampled: If the parent is local and not sampled.

    Raises:
        TypeError: if one of them is no sampler.
    """

    def __init__(
        self,
        root: Sampler,
        remote_parent_sampled: Sampler = ALWAYS_ON,
        remote_parent_not_sampled: Sampler = ALWAYS_OFF,
        local_parent_sampled: Sampler = ALWAYS_ON,
        local_parent_not_sampled: Sampler = ALWAYS_OFF,
    ) -> None:
        given = (root, remote_parent_sampled, remote_parent_not_sampled, local_parent_sampled, local_parent_not_sampled)
        for name, delegate in zip(_DELEGATES, given, strict=True):
            check_has(name, delegate, ("should_sample",), "a Sampler, such as nanospan.sampling.ALWAYS_ON")
        # Not super(): the next class in the MRO of ParentBasedTraceIdRatio takes other arguments.
        stock.ParentBased.__init__(self, *given)
        self._given_delegates = given
        self._bind(*(one if isinstance(one, NativeSampler) else native_sampler(one) or one for one in given))

    def _arguments(self) -> tuple[type[Any], dict[str, Any]]:
        return ParentBased, dict(zip(_DELEGATES, parent_based_delegates(self), strict=True))


DEFAULT_OFF = ParentBased(ALWAYS_OFF)
"""Follows the parent's decision; never samples a new trace."""

DEFAULT_ON = ParentBased(ALWAYS_ON)
"""Follows the parent's decision; samples every new trace."""


@native_class
class ParentBasedTraceIdRatio(ParentBased, stock.ParentBasedTraceIdRatio):
    """Sampler that follows the parent's decision and keeps the given share of new traces.

    Args:
        rate: Probability that a new trace is sampled, 0.0 to 1.0.

    Raises:
        TypeError, ValueError: if the rate is not a number from 0.0 to 1.0.
    """

    def __init__(self, rate: float) -> None:
        ParentBased.__init__(self, root=TraceIdRatioBased(rate=rate))

    def __repr__(self) -> str:
        root: Any = parent_based_delegates(self)[0]
        return f"{type(self).__name__}({root.rate!r})"


def native_sampler(sampler: Sampler) -> NativeSampler | None:
    """A native sampler with the decisions of ``sampler``.

    That is ``sampler`` itself if it is nanospan's, or a native equivalent if it is an exact, unpatched instance of an SDK
    class. None for any other sampler, whose decisions are unknown.
    """
    if isinstance(sampler, NativeSampler):
        return sampler
    make_native = _NATIVE_EQUIVALENTS.get(type(sampler))
    if make_native is None or "should_sample" in vars(sampler):
        return None
    if type(sampler).should_sample is not _ORIGINAL_SHOULD_SAMPLE[type(sampler)]:
        return None
    return make_native(sampler)


# Equal samplers share one: each of many tracers with the SDK's default sampler would hold 3 KB otherwise. They have no
# state; delegates of the user's are part of the key.
_equivalents: weakref.WeakValueDictionary[tuple[Any, ...], NativeSampler] = weakref.WeakValueDictionary()


def _equivalent(cls: type[NativeSampler], *arguments: Any) -> NativeSampler:
    key = (cls, *arguments)
    known = _equivalents.get(key)
    if known is None:
        known = _equivalents[key] = cls(*arguments)
    return known


def _native_parent_based(sampler: stock.ParentBased) -> NativeSampler | None:
    delegates: list[Any] = [native_sampler(delegate) for delegate in parent_based_delegates(sampler)]
    return None if not delegates or None in delegates else _equivalent(ParentBased, *delegates)


_NATIVE_EQUIVALENTS: dict[type[Sampler], Callable[[Any], NativeSampler | None]] = {
    stock.StaticSampler: lambda sampler: _equivalent(StaticSampler, static_decision(sampler)),
    stock.TraceIdRatioBased: lambda sampler: _equivalent(TraceIdRatioBased, sampler.rate),
    stock.ParentBased: _native_parent_based,
    stock.ParentBasedTraceIdRatio: _native_parent_based,
}
_ORIGINAL_SHOULD_SAMPLE = {cls: cls.should_sample for cls in _NATIVE_EQUIVALENTS}
