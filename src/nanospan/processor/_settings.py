"""Settings of the batch span processor: constructor arguments, ``OTEL_BSP_*`` variables, defaults.

An argument takes precedence over the variable, and the variable over the default. An invalid argument raises ValueError or
TypeError with its name; an invalid variable is clamped or ignored, with one warning.
(Specification: configuration/sdk-environment-variables.md, Batch Span Processor.)
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass

from nanospan._common.arguments import check_integer, check_number, safe_repr

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
MAX_MILLIS = 10**12  # fits into 64 bits in nanoseconds

MAX_REQUEST_BYTES = (4 << 20) - (64 << 10)
"""Maximum bytes of spans in one request: the default limit of gRPC receivers (4 MiB), less room for resources and scopes."""

MAX_REQUEST_SPANS = 8192
"""Maximum spans in one request if no cap is set. rotel with default settings acknowledges and drops requests of more than
16,384 spans. Above a few thousand spans, a larger request has no measurable benefit."""


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """Settings of the queue and its worker."""

    max_queue_size: int
    """Maximum number of queued spans; exact."""
    schedule_delay_millis: float
    """Maximum time a span waits for its batch, in milliseconds."""
    max_export_batch_size: int | None
    """Maximum spans in one request; None for no cap except MAX_REQUEST_SPANS."""
    export_timeout_millis: float
    """Maximum time of one export with its retries, in milliseconds."""
    max_queue_bytes: int
    """Maximum bytes of encoded spans in the queue."""

    @property
    def wake_spans(self) -> int:
        """Number of queued spans that wakes the worker early: a full batch, or without a cap a quarter of the queue, at most
        512."""
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
    """The settings of one processor. Raises ValueError or TypeError for an invalid argument."""
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


def _integer(name: str, argument: int | None, variable: str, default: int, minimum: int, maximum: int) -> int:
    if argument is None:
        return _integer_from_environment(variable, default, minimum, maximum)
    return check_integer(name, argument, minimum, maximum)


def _integer_from_environment(variable: str, default: int, minimum: int, maximum: int) -> int:
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    try:
        value = int(text)
    except ValueError:
        logger.warning("%s=%r is not an integer; using %d", variable, text, default)
        return default
    return _clamp(variable, value, minimum, maximum)


def _clamp(variable: str, value: int, minimum: int, maximum: int) -> int:
    clamped = min(max(value, minimum), maximum)
    if clamped != value:
        logger.warning("%s=%d is out of range (%d to %d); using %d", variable, value, minimum, maximum, clamped)
    return clamped


def _batch_size(argument: int | None, queue_argument: int | None, queue_size: int) -> int | None:
    if argument is not None:
        check_integer("max_export_batch_size", argument, 1, MAX_SPANS)
        if argument <= queue_size:
            return argument
        if queue_argument is None and os.environ.get("OTEL_BSP_MAX_QUEUE_SIZE", "").strip():
            # The conflict comes from a variable, so the application still starts.
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
    accepted = f"a number of milliseconds above 0 and at most {MAX_MILLIS}"
    check_number(name, argument, 0, MAX_MILLIS, above=True, accepted=accepted)
    return argument
