"""Warnings of the SDK about variables that it reads again and again: each is said once, and none about a blank value.

The SDK reads ``OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED`` for each tracer, ``OTEL_RESOURCE_ATTRIBUTES`` for each provider
and in each forked child.
"""

from __future__ import annotations

import logging

__all__ = ["say_once"]

_RESOURCES = "opentelemetry.sdk.resources"
_PAIR = "Invalid key value resource attribute pair"
_BOOLEANS = "opentelemetry.sdk.environment_variables._internal"


class _Once(logging.Filter):
    """Lets a record with these arguments through once, and none whose ``position``-th is blank."""

    def __init__(self, position: int) -> None:
        super().__init__()
        self._position = position
        self._said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        if not isinstance(record.args, tuple) or len(record.args) != 2:
            return True
        is_pair = record.name == _RESOURCES
        if is_pair and not str(record.msg).startswith(_PAIR):
            return True
        value = str(record.args[self._position])
        is_new = bool(value.strip()) and value not in self._said
        self._said.add(value)
        if is_pair:
            record.msg, record.args = "OTEL_RESOURCE_ATTRIBUTES: %r is ignored: write key=value, with commas", (value,)
        return is_new


def say_once() -> None:
    """Filter the SDK's loggers."""
    logging.getLogger(_RESOURCES).addFilter(_Once(0))
    logging.getLogger(_BOOLEANS).addFilter(_Once(1))
