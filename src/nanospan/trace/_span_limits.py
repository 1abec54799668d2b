"""Span limits from the environment. An invalid value counts as unset, with a warning, as the specification requires."""

from __future__ import annotations

import copy
import logging
import sys

from opentelemetry.sdk import environment_variables as variables
from opentelemetry.sdk.trace import SpanLimits

from nanospan._common.environment import integer_variable

__all__ = ["fitting_limits", "span_limits_from_environment", "unusable_limits_of_logs"]

logger = logging.getLogger(__name__)

_DEFAULT_COUNT = 128


def span_limits_from_environment() -> SpanLimits:
    """The limits in ``OTEL_SPAN_*_LIMIT`` and ``OTEL_ATTRIBUTE_*_LIMIT``.

    A blank value counts as unset. So does one that is not a non-negative integer, with a warning. (The SDK takes a blank one
    for no limit, and raises ValueError for the other.)
    """
    count = _limit(variables.OTEL_ATTRIBUTE_COUNT_LIMIT, _DEFAULT_COUNT)
    length = _limit(variables.OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT, SpanLimits.UNSET)
    return SpanLimits(
        max_attributes=count,
        max_events=_limit(variables.OTEL_SPAN_EVENT_COUNT_LIMIT, _DEFAULT_COUNT),
        max_links=_limit(variables.OTEL_SPAN_LINK_COUNT_LIMIT, _DEFAULT_COUNT),
        max_span_attributes=_limit(variables.OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT, count),
        max_event_attributes=_limit(variables.OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT, count),
        max_link_attributes=_limit(variables.OTEL_LINK_ATTRIBUTE_COUNT_LIMIT, count),
        max_attribute_length=length,
        max_span_attribute_length=_limit(variables.OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT, length),
    )


def _limit(variable: str, default: int) -> int:
    limit = _usable(variable, default)
    return default if limit is None else limit


def _usable(variable: str, default: int) -> int | None:
    shown = "no limit" if default == SpanLimits.UNSET else str(default)
    return integer_variable(logger, variable, 0, sys.maxsize, shown)


_OF_LOGS = {
    variables.OTEL_ATTRIBUTE_COUNT_LIMIT: _DEFAULT_COUNT,
    variables.OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: SpanLimits.UNSET,
    "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT": _DEFAULT_COUNT,
    "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT": SpanLimits.UNSET,
}


def unusable_limits_of_logs() -> list[str]:
    """The variables with limits of logs that count as unset, with a warning for an invalid one."""
    return [variable for variable, default in _OF_LOGS.items() if _usable(variable, default) is None]


def fitting_limits(limits: SpanLimits) -> SpanLimits:
    """``limits``; a copy with ``sys.maxsize`` in the place of larger numbers, which no container can have, if it has any."""
    too_large = {name: sys.maxsize for name, limit in vars(limits).items() if isinstance(limit, int) and limit > sys.maxsize}
    if not too_large:
        return limits
    fitting = copy.copy(limits)
    vars(fitting).update(too_large)
    return fitting
