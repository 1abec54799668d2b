"""Samplers by name: what ``OTEL_TRACES_SAMPLER`` and ``OTEL_TRACES_SAMPLER_ARG`` ask for.

The factories are entry points of the group ``opentelemetry_traces_sampler`` as well, each under its standard name with
``nanospan_`` before it, so that the stock configurator can be told to use nanospan's samplers.
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
    ParentBasedTraceIdRatio,
    Sampler,
    TraceIdRatioBased,
)

__all__ = [
    "always_off",
    "always_on",
    "parentbased_always_off",
    "parentbased_always_on",
    "parentbased_traceidratio",
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


_STANDARD: dict[str, Callable[[str | None], Sampler]] = {
    "always_on": always_on,
    "always_off": always_off,
    "traceidratio": traceidratio,
    "parentbased_always_on": parentbased_always_on,
    "parentbased_always_off": parentbased_always_off,
    "parentbased_traceidratio": parentbased_traceidratio,
}


def standard_sampler() -> Sampler | None:
    """nanospan's sampler for the name in ``OTEL_TRACES_SAMPLER``, in any case; parentbased_always_on when there is none.

    None for a name that is not one of the six which every SDK has: somebody's entry point, or a mistake.
    """
    name = os.environ.get(OTEL_TRACES_SAMPLER, "").strip().lower() or "parentbased_always_on"
    factory = _STANDARD.get(name)
    return None if factory is None else factory(os.environ.get(OTEL_TRACES_SAMPLER_ARG, "").strip())
