"""Span limits from the environment. An invalid value is ignored with a warning, as the specification requires."""

from __future__ import annotations

import logging
import os

from opentelemetry.sdk import environment_variables as variables
from opentelemetry.sdk.trace import SpanLimits

__all__ = ["span_limits_from_environment"]

logger = logging.getLogger(__name__)

_DEFAULT_COUNT = 128

_ARGUMENTS = {
    variables.OTEL_ATTRIBUTE_COUNT_LIMIT: ("max_attributes", _DEFAULT_COUNT),
    variables.OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: ("max_attribute_length", SpanLimits.UNSET),
    variables.OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT: ("max_event_attributes", _DEFAULT_COUNT),
    variables.OTEL_LINK_ATTRIBUTE_COUNT_LIMIT: ("max_link_attributes", _DEFAULT_COUNT),
    variables.OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: ("max_span_attributes", _DEFAULT_COUNT),
    variables.OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT: ("max_span_attribute_length", SpanLimits.UNSET),
    variables.OTEL_SPAN_EVENT_COUNT_LIMIT: ("max_events", _DEFAULT_COUNT),
    variables.OTEL_SPAN_LINK_COUNT_LIMIT: ("max_links", _DEFAULT_COUNT),
}
"""The argument of SpanLimits for each variable, and its default."""


def span_limits_from_environment() -> SpanLimits:
    """The limits in ``OTEL_SPAN_*_LIMIT`` and ``OTEL_ATTRIBUTE_*_LIMIT``.

    A value that is not a non-negative integer is ignored, with one warning that names the variable. (The SDK raises
    ValueError, and the application does not start.) An empty value means no limit, as in the SDK.
    """
    arguments: dict[str, int] = {}
    for variable, (argument, default) in _ARGUMENTS.items():
        text = os.environ.get(variable, "").strip()
        if text and not _is_count(text):
            limit = "no limit" if default == SpanLimits.UNSET else default
            logger.warning("%s must be a non-negative integer, not %r: using %s", variable, text, limit)
            arguments[argument] = default
    return SpanLimits(**arguments)


def _is_count(text: str) -> bool:
    try:
        return int(text) >= 0
    except ValueError:
        return False
