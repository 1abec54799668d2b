"""Settings of the batch span processor: constructor arguments, ``OTEL_BSP_*`` variables, defaults.

An argument comes first, then the variable, then the default. A wrong argument raises ValueError or TypeError and names
the argument; a wrong variable is brought to the nearest sense with one warning.
(Specification: configuration/sdk-environment-variables.md, Batch Span Processor.)
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass

from nanospan._common.arguments import safe_repr

__all__ = ["MAX_REQUEST_BYTES", "MAX_REQUEST_SPANS", "QueueSettings", "resolve_settings"]

logger = logging.getLogger(__name__)

DEFAULT_MAX_QUEUE_SIZE = 2048
DEFAULT_SCHEDULE_DELAY_MILLIS = 5000
DEFAULT_EXPORT_TIMEOUT_MILLIS = 30000
DEFAULT_WAKE_SPANS = 512
DEFAULT_MAX_QUEUE_BYTES = 64 << 20

MAX_SPANS = 2**31 - 1
MIN_QUEUE_BYTES = 64 << 10
MAX_QUEUE_BYTES = 8 << 30
MAX_MILLIS = 10**12  # in nanoseconds still well within 64 bits

MAX_REQUEST_BYTES = (4 << 20) - (64 << 10)
"""Bytes of spans in one request. Receivers take 4 MiB by default (gRPC); the rest is room for resources and scopes."""

MAX_REQUEST_SPANS = 8192
"""Spans in one request when no cap is set. A real collector (rotel, at its defaults) acknowledges a request of more than
16,384 spans and drops it; beyond a few thousand a larger request saves nothing that can be measured."""


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """What the queue and its worker go by."""

    max_queue_size: int
    """Spans that may be queued; exact."""
    schedule_delay_millis: float
    """The longest that a span waits for its batch, in milliseconds."""
    max_export_batch_size: int | None
    """The most spans in one request; None for no cap but what receivers take."""
    export_timeout_millis: float
    """The longest that one export may take, with its retries, in milliseconds."""
    max_queue_bytes: int
    """Bytes that encoded spans may take in the queue."""

    @property
    def wake_spans(self) -> int:
        """Queued spans at which the worker is woken before its time: a full batch, or with no cap a quarter of the queue
        and at most 512."""
        if self.max_export_batch_size is not None:
            return self.max_export_batch_size
        return max(1, min(DEFAULT_WAKE_SPANS, self.max_queue_size // 4))


def resolve_settings(
    max_queue_size: int | None,
    schedule_delay_millis: float | None,
    max_export_batch_size: int | None,
    export_timeout_millis: float | None,
    max_queue_bytes: int | None,
) -> QueueSettings:
    """The settings of one processor; raises ValueError or TypeError for a wrong argument."""
    queue_size = _integer(
        "max_queue_size", max_queue_size, "OTEL_BSP_MAX_QUEUE_SIZE", DEFAULT_MAX_QUEUE_SIZE, 1, MAX_SPANS
    )
    return QueueSettings(
        max_queue_size=queue_size,
        schedule_delay_millis=_milliseconds(
            "schedule_delay_millis",
            schedule_delay_millis,
            "OTEL_BSP_SCHEDULE_DELAY",
            DEFAULT_SCHEDULE_DELAY_MILLIS,
        ),
        max_export_batch_size=_batch_size(max_export_batch_size, max_queue_size, queue_size),
        export_timeout_millis=_milliseconds(
            "export_timeout_millis",
            export_timeout_millis,
            "OTEL_BSP_EXPORT_TIMEOUT",
            DEFAULT_EXPORT_TIMEOUT_MILLIS,
        ),
        max_queue_bytes=_integer(
            "max_queue_bytes",
            max_queue_bytes,
            "OTEL_PYTHON_NANOSPAN_MAX_QUEUE_BYTES",
            DEFAULT_MAX_QUEUE_BYTES,
            MIN_QUEUE_BYTES,
            MAX_QUEUE_BYTES,
        ),
    )


def _integer(name: str, argument: int | None, variable: str, default: int, least: int, most: int) -> int:
    if argument is None:
        return _integer_from_environment(variable, default, least, most)
    _check_integer(name, argument, least, most)
    return argument


def _check_integer(name: str, argument: int, least: int, most: int) -> None:
    if isinstance(argument, bool) or not isinstance(argument, int):
        raise TypeError(f"{name} must be an integer, not {type(argument).__name__}")
    if not least <= argument <= most:
        raise ValueError(f"{name} must be an integer from {least} to {most}, not {safe_repr(argument)}")


def _integer_from_environment(variable: str, default: int, least: int, most: int) -> int:
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    try:
        value = int(text)
    except ValueError:
        logger.warning("%s=%r is not an integer; using %d", variable, text, default)
        return default
    return _clamp(variable, value, least, most)


def _clamp(variable: str, value: int, least: int, most: int) -> int:
    clamped = min(max(value, least), most)
    if clamped != value:
        logger.warning("%s=%d is out of range (%d to %d); using %d", variable, value, least, most, clamped)
    return clamped


def _batch_size(argument: int | None, queue_argument: int | None, queue_size: int) -> int | None:
    if argument is not None:
        _check_integer("max_export_batch_size", argument, 1, MAX_SPANS)
        if argument <= queue_size:
            return argument
        if queue_argument is None and os.environ.get("OTEL_BSP_MAX_QUEUE_SIZE", "").strip():
            # A variable made the queue smaller than the application's batches: no reason not to start.
            logger.warning("max_export_batch_size=%d is more than OTEL_BSP_MAX_QUEUE_SIZE; using %d", argument, queue_size)
            return queue_size
        raise ValueError(f"max_export_batch_size must be at most max_queue_size ({queue_size}), not {safe_repr(argument)}")
    variable = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"
    text = os.environ.get(variable, "").strip()
    if not text:
        return None
    try:
        return _clamp(variable, int(text), 1, queue_size)
    except ValueError:
        logger.warning("%s=%r is not an integer; using no cap", variable, text)
        return None


def _milliseconds(name: str, argument: float | None, variable: str, default: int) -> float:
    if argument is None:
        return _integer_from_environment(variable, default, 1, MAX_MILLIS)
    if isinstance(argument, bool) or not isinstance(argument, (int, float)):
        raise TypeError(f"{name} must be a number of milliseconds, not {type(argument).__name__}")
    if not 0 < argument <= MAX_MILLIS:
        raise ValueError(
            f"{name} must be a number of milliseconds above 0 and at most {MAX_MILLIS}, not {safe_repr(argument)}"
        )
    return argument
