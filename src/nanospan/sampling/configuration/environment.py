"""Samplers that ``OTEL_TRACES_SAMPLER`` names, with the argument in ``OTEL_TRACES_SAMPLER_ARG``.

The factories are entry points of the group ``opentelemetry_traces_sampler``: the SDK's configurator finds the samplers that
the standard does not have. These follow the parent's decision. Their argument is a number or a JSON object (see
`nanospan.sampling.configuration.json_argument`).
(Specification: configuration/sdk-environment-variables.md, general SDK configuration.)
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from opentelemetry.sdk.environment_variables import OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG

from nanospan.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_OFF,
    DEFAULT_ON,
    ParentBased,
    ParentBasedTraceIdRatio,
    Sampler,
    TraceIdRatioBased,
)
from nanospan.sampling.configuration.json_argument import sampler_of_json
from nanospan.sampling.configuration.root_settings import (
    ADAPTIVE,
    OVERHEAD_BUDGET,
    PROBABILITY,
    RATE_LIMITED,
    SettingOfRoot,
)

__all__ = [
    "adaptive",
    "always_record",
    "overhead_budget",
    "own_sampler",
    "probability",
    "rate_limited",
    "rule_based",
    "standard_sampler",
]

logger = logging.getLogger(__name__)

DEFAULT_RATIO = 1.0


def probability(argument: float | str | None = None) -> Sampler:
    """ConsistentProbability in a ParentBased. The argument is the ratio: 0 for no trace, or 2**-56 to 1; default 1.

    This factory and the ones below warn about an unusable argument. A missing one, or one that is not a number, means the
    default; a number out of range is clamped. A JSON object carries the arguments of the class by name.
    """
    return _parent_based("nanospan_probability", PROBABILITY, argument)


def rate_limited(argument: float | str | None = None) -> Sampler:
    """RateLimited in a ParentBased. The argument is traces per second; default 100."""
    return _parent_based("nanospan_rate_limited", RATE_LIMITED, argument)


def adaptive(argument: float | str | None = None) -> Sampler:
    """Adaptive in a ParentBased. The argument is sampled spans per second; default 1000."""
    return _parent_based("nanospan_adaptive", ADAPTIVE, argument)


def overhead_budget(argument: float | str | None = None) -> Sampler:
    """OverheadBudget in a ParentBased. The argument is the share of the process's CPU time, at most 1; default 0.02."""
    return _parent_based("nanospan_overhead_budget", OVERHEAD_BUDGET, argument)


def rule_based(argument: float | str | None = None) -> Sampler:
    """RuleBased with the ``rules`` and the ``default`` of a JSON object; DEFAULT_ON if the argument is not one.

    In a ParentBased, unless a rule has a condition on the parent.
    """
    return _of_json("nanospan_rule_based", argument)


def always_record(argument: float | str | None = None) -> Sampler:
    """AlwaysRecord around a ParentBased of the ``root`` in a JSON object; DEFAULT_ON if the argument is not one."""
    return _of_json("nanospan_always_record", argument)


def _parent_based(name: str, setting: SettingOfRoot, argument: float | str | None) -> Sampler:
    if isinstance(argument, str) and argument.lstrip().startswith("{"):
        return _of_json(name, argument)
    return ParentBased(setting.root(setting.read(argument)))


def _of_json(name: str, argument: float | str | None) -> Sampler:
    return sampler_of_json(name, "" if argument is None else str(argument))


def _with_ratio(sampler: Callable[[float], Sampler], argument: str) -> Sampler:
    if not argument:
        return sampler(DEFAULT_RATIO)
    try:
        return sampler(float(argument))
    except ValueError:
        logger.warning(
            "%s=%r is not a ratio from 0.0 to 1.0; using %s", OTEL_TRACES_SAMPLER_ARG, argument, DEFAULT_RATIO
        )
        return sampler(DEFAULT_RATIO)


_STANDARD: dict[str, Callable[[str], Sampler]] = {
    "always_on": lambda argument: ALWAYS_ON,
    "always_off": lambda argument: ALWAYS_OFF,
    "traceidratio": lambda argument: _with_ratio(TraceIdRatioBased, argument),
    "parentbased_always_on": lambda argument: DEFAULT_ON,
    "parentbased_always_off": lambda argument: DEFAULT_OFF,
    "parentbased_traceidratio": lambda argument: _with_ratio(ParentBasedTraceIdRatio, argument),
}
_OWN: dict[str, Callable[[str], Sampler]] = {
    "nanospan_probability": probability,
    "nanospan_rate_limited": rate_limited,
    "nanospan_adaptive": adaptive,
    "nanospan_overhead_budget": overhead_budget,
    "nanospan_rule_based": rule_based,
    "nanospan_always_record": always_record,
}


def standard_sampler() -> Sampler | None:
    """nanospan's sampler for the name in ``OTEL_TRACES_SAMPLER``, in any case; parentbased_always_on if it is not set.

    None for any other name, which may be an entry point of another package.
    """
    return _named(_STANDARD | _OWN, "parentbased_always_on")


def own_sampler() -> Sampler | None:
    """nanospan's sampler if ``OTEL_TRACES_SAMPLER`` has a name that the standard does not have; else None.

    For a TracerProvider that no configurator makes: the SDK's base class reads the standard names itself.
    """
    return _named(_OWN, "")


def _named(factories: dict[str, Callable[[str], Sampler]], default: str) -> Sampler | None:
    factory = factories.get(os.environ.get(OTEL_TRACES_SAMPLER, "").strip().lower() or default)
    return None if factory is None else factory(os.environ.get(OTEL_TRACES_SAMPLER_ARG, "").strip())
