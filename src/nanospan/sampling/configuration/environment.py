"""Samplers that ``OTEL_TRACES_SAMPLER`` names, in any case, with the argument in ``OTEL_TRACES_SAMPLER_ARG``.

A name that nobody knows, and an argument that the sampler cannot use, count as unset, with one warning.

The factories are entry points of the group ``opentelemetry_traces_sampler``: the SDK's configurator finds the samplers that
the standard does not have. These follow the parent's decision. Their argument is a number or a JSON object (see
`nanospan.sampling.configuration.json_argument`).
(Specification: configuration/sdk-environment-variables.md, general SDK configuration.)
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable
from types import ModuleType

from opentelemetry.sdk.environment_variables import OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG
from opentelemetry.sdk.trace import sampling as sdk

from nanospan import sampling
from nanospan._common.environment import near, to_write, variable_text, warn_ignored
from nanospan.sampling import DEFAULT_ON, ParentBased, Sampler
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
    "known_sampler",
    "links_based",
    "overhead_budget",
    "probability",
    "provider_sampler",
    "rate_limited",
    "rule_based",
    "unknown_sampler",
]

logger = logging.getLogger(__name__)

DEFAULT = "parentbased_always_on"
DEFAULT_RATIO = 1.0


def probability(argument: float | str | None = None) -> Sampler:
    """ConsistentProbability in a ParentBased. The argument is the ratio: 0 for no trace, or 2**-56 to 1; default 1.

    This factory and the ones below warn about a missing or an unusable argument, and use the default. A JSON object carries
    the arguments of the class by name.
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


def links_based(argument: float | str | None = None) -> Sampler:
    """LinksBased of the samplers in a JSON object, in a ParentBased; DEFAULT_ON if the argument is not one."""
    return _of_json("nanospan_links_based", argument)


def _parent_based(name: str, setting: SettingOfRoot, argument: float | str | None) -> Sampler:
    if isinstance(argument, str) and argument.lstrip().startswith("{"):
        try:
            return sampler_of_json(name, argument)
        except ValueError as error:
            setting.warn_ignored(argument, f"a number or a JSON object that is valid: {error}")
            return ParentBased(setting.root(setting.default))
    return ParentBased(setting.root(setting.read(argument)))


def _of_json(name: str, argument: float | str | None) -> Sampler:
    text = "" if argument is None else str(argument).strip()
    if not text:
        logger.warning("%s is not set; using %s in place of %s", OTEL_TRACES_SAMPLER_ARG, DEFAULT, name)
        return DEFAULT_ON
    try:
        return sampler_of_json(name, text)
    except ValueError as error:
        write = to_write(text, lambda guess: sampler_of_json(name, guess), f"the properties of {name} as a JSON object")
        warn_ignored(logger, OTEL_TRACES_SAMPLER_ARG, text, f"{write} (default {DEFAULT}): {error}")
        return DEFAULT_ON


def _with_ratio(sampler: Callable[[float], Sampler], argument: str) -> Sampler:
    if not argument:
        return sampler(DEFAULT_RATIO)
    try:
        return sampler(_ratio(argument))
    except ValueError:
        write = to_write(argument, _ratio, "a share of the traces from 0 to 1")
        warn_ignored(logger, OTEL_TRACES_SAMPLER_ARG, argument, f"{write} (default {DEFAULT_RATIO})")
        return sampler(DEFAULT_RATIO)


def _ratio(text: str) -> float:
    ratio = float(text)
    if math.isnan(ratio) or not 0 <= ratio <= 1:
        raise ValueError
    return ratio


def _standard(module: ModuleType) -> dict[str, Callable[[str], Sampler]]:
    """The standard's samplers, by their names in the variable. ``module`` has nanospan's or the SDK's."""
    return {
        "always_on": lambda argument: module.ALWAYS_ON,
        "always_off": lambda argument: module.ALWAYS_OFF,
        "traceidratio": lambda argument: _with_ratio(module.TraceIdRatioBased, argument),
        "parentbased_always_on": lambda argument: module.DEFAULT_ON,
        "parentbased_always_off": lambda argument: module.DEFAULT_OFF,
        "parentbased_traceidratio": lambda argument: _with_ratio(module.ParentBasedTraceIdRatio, argument),
    }


_OWN: dict[str, Callable[[str], Sampler]] = {
    "nanospan_probability": probability,
    "nanospan_rate_limited": rate_limited,
    "nanospan_adaptive": adaptive,
    "nanospan_overhead_budget": overhead_budget,
    "nanospan_rule_based": rule_based,
    "nanospan_always_record": always_record,
    "nanospan_links_based": links_based,
}
_BY_NAME = _standard(sampling) | _OWN
_BY_NAME_FOR_PROVIDER = _standard(sdk) | _OWN


def known_sampler() -> Sampler | None:
    """nanospan's sampler for the name in ``OTEL_TRACES_SAMPLER``; parentbased_always_on if it is not set.

    None for any other name, which may be an entry point of another package.
    """
    return _named(_BY_NAME)


def provider_sampler() -> Sampler | None:
    """The sampler of a TracerProvider that no configurator makes; None, the SDK's own default, if no variable names one.

    For the standard names that is the SDK's object, as with the SDK's class, which decides natively too. As there, entry
    points of other packages are not looked up.
    """
    if OTEL_TRACES_SAMPLER not in os.environ:
        return None
    return _named(_BY_NAME_FOR_PROVIDER) or unknown_sampler(sdk.DEFAULT_ON)


def unknown_sampler(default: Sampler = DEFAULT_ON) -> Sampler:
    """``default``, with a warning that the name in ``OTEL_TRACES_SAMPLER`` is nobody's."""
    name = variable_text(OTEL_TRACES_SAMPLER)
    meant = near(name, _BY_NAME)
    write = ", ".join(_BY_NAME) if meant is None else f"{meant}, or another of {', '.join(_BY_NAME)}"
    write = to_write(name, _check_name, write)
    warn_ignored(logger, OTEL_TRACES_SAMPLER, name, f"{write}, or a sampler that is installed (default {DEFAULT})")
    return default


def _check_name(name: str) -> None:
    if name.lower() not in _BY_NAME:
        raise ValueError


def _named(factories: dict[str, Callable[[str], Sampler]]) -> Sampler | None:
    factory = factories.get(variable_text(OTEL_TRACES_SAMPLER).lower() or DEFAULT)
    return None if factory is None else factory(variable_text(OTEL_TRACES_SAMPLER_ARG))
