"""Samplers by name: what ``OTEL_TRACES_SAMPLER`` and ``OTEL_TRACES_SAMPLER_ARG`` ask for.

The factories are entry points of the group ``opentelemetry_traces_sampler`` as well, so that the stock configurator can be
told to use nanospan's samplers: those with standard names with ``nanospan_`` before them, the others as they are and with
``parentbased_`` before them, which means the same. Every sampler that the standard does not have follows the parent; its
argument is a number, or a JSON object (nanospan.sampling.configuration.json_argument).
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
    "always_off",
    "always_on",
    "always_record",
    "overhead_budget",
    "own_sampler",
    "parentbased_always_off",
    "parentbased_always_on",
    "parentbased_traceidratio",
    "probability",
    "rate_limited",
    "rule_based",
    "standard_sampler",
    "traceidratio",
]

logger = logging.getLogger(__name__)

DEFAULT_RATIO = 1.0


def always_on(argument: object = None) -> Sampler:
    """Samples every span; the argument means nothing."""
    return ALWAYS_ON


def always_off(argument: object = None) -> Sampler:
    """Samples nothing; the argument means nothing."""
    return ALWAYS_OFF


def parentbased_always_on(argument: object = None) -> Sampler:
    """Follows the parent, else samples; the argument means nothing."""
    return DEFAULT_ON


def parentbased_always_off(argument: object = None) -> Sampler:
    """Follows the parent, else samples nothing; the argument means nothing."""
    return DEFAULT_OFF


def traceidratio(argument: float | str | None = None) -> Sampler:
    """Keeps the share of traces that the argument names, from 0.0 to 1.0; all of them if it is None, empty or wrong."""
    return _with_ratio(TraceIdRatioBased, argument)


def parentbased_traceidratio(argument: float | str | None = None) -> Sampler:
    """Follows the parent, else keeps the share of traces that the argument names, as `traceidratio` does."""
    return _with_ratio(ParentBasedTraceIdRatio, argument)


def _with_ratio(sampler: Callable[[float], Sampler], argument: float | str | None) -> Sampler:
    if argument is None or argument == "":
        return sampler(DEFAULT_RATIO)
    try:
        return sampler(float(argument))
    except (TypeError, ValueError):
        logger.warning(
            "%s=%r is not a ratio from 0.0 to 1.0; using %s", OTEL_TRACES_SAMPLER_ARG, argument, DEFAULT_RATIO
        )
        return sampler(DEFAULT_RATIO)


def probability(argument: float | str | None = None) -> Sampler:
    """Follows the parent, else keeps the share of traces that the argument names, consistently: 0, or 2**-56 to 1.

    All of them if it is None, empty or no number. This and the factories below warn of that, and of an argument that they
    bring into range. 0 keeps no trace that starts here. A JSON object has the arguments of the class by name.
    """
    return _parent_based("nanospan_probability", PROBABILITY, argument)


def rate_limited(argument: float | str | None = None) -> Sampler:
    """Follows the parent, else keeps as many traces a second as the argument says; 100 if it says nothing usable."""
    return _parent_based("nanospan_rate_limited", RATE_LIMITED, argument)


def adaptive(argument: float | str | None = None) -> Sampler:
    """Follows the parent, else keeps traces for as many spans a second as the argument says; 1000 if it says nothing
    usable."""
    return _parent_based("nanospan_adaptive", ADAPTIVE, argument)


def overhead_budget(argument: float | str | None = None) -> Sampler:
    """Follows the parent, else keeps traces for as much of the CPU as the argument says, up to 1; 0.02 if it says nothing
    usable."""
    return _parent_based("nanospan_overhead_budget", OVERHEAD_BUDGET, argument)


def rule_based(argument: float | str | None = None) -> Sampler:
    """Follows the parent, else goes by the ``rules`` and the ``default`` of the JSON object that the argument is; keeps
    everything if it is not usable. (Not within a ParentBased if a rule asks about the parent.)"""
    return _of_json("nanospan_rule_based", argument)


def always_record(argument: float | str | None = None) -> Sampler:
    """Records everything, and samples what the ``root`` of the JSON object that the argument is samples; keeps everything if
    it is not usable."""
    return _of_json("nanospan_always_record", argument)


def _parent_based(name: str, setting: SettingOfRoot, argument: float | str | None) -> Sampler:
    if isinstance(argument, str) and argument.lstrip().startswith("{"):
        return _of_json(name, argument)
    return ParentBased(setting.root(setting.read(argument)))


def _of_json(name: str, argument: float | str | None) -> Sampler:
    return sampler_of_json(name, "" if argument is None else str(argument))


_STANDARD: dict[str, Callable[[str | None], Sampler]] = {
    "always_on": always_on,
    "always_off": always_off,
    "traceidratio": traceidratio,
    "parentbased_always_on": parentbased_always_on,
    "parentbased_always_off": parentbased_always_off,
    "parentbased_traceidratio": parentbased_traceidratio,
}
_OWN: dict[str, Callable[[str | None], Sampler]] = {
    "nanospan_probability": probability,
    "nanospan_rate_limited": rate_limited,
    "nanospan_adaptive": adaptive,
    "nanospan_overhead_budget": overhead_budget,
    "nanospan_rule_based": rule_based,
}
_ONLY_NANOSPANS = (
    {f"nanospan_{name}": factory for name, factory in _STANDARD.items()}
    | _OWN
    | {f"parentbased_{name}": factory for name, factory in _OWN.items()}
    # Has the ParentBased inside.
    | {"nanospan_always_record": always_record}
)


def standard_sampler() -> Sampler | None:
    """nanospan's sampler for the name in ``OTEL_TRACES_SAMPLER``, in any case; parentbased_always_on when there is none.

    None for a name that is neither one of the six which every SDK has nor one of nanospan's: somebody's entry point, or a
    mistake.
    """
    return _named(_STANDARD | _ONLY_NANOSPANS, "parentbased_always_on")


def own_sampler() -> Sampler | None:
    """nanospan's sampler if ``OTEL_TRACES_SAMPLER`` has a name that only nanospan knows; None for every other.

    For a provider that nobody configures: the SDK's class reads the standard names itself.
    """
    return _named(_ONLY_NANOSPANS, "")


def _named(factories: dict[str, Callable[[str | None], Sampler]], default: str) -> Sampler | None:
    factory = factories.get(os.environ.get(OTEL_TRACES_SAMPLER, "").strip().lower() or default)
    return None if factory is None else factory(os.environ.get(OTEL_TRACES_SAMPLER_ARG, "").strip())
