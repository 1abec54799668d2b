"""Settings of the batch span processor: constructor arguments, ``OTEL_BSP_*`` variables, defaults.

An argument takes precedence over the variable, and the variable over the default. An invalid argument raises ValueError or
TypeError with its name; an invalid variable counts as unset, with one warning.
(Specification: configuration/sdk-environment-variables.md, Batch Span Processor.)
"""

from __future__ import annotations

import logging
import math
import sys
from dataclasses import dataclass

from nanospan._common.arguments import check_integer, check_number
from nanospan._common.environment import integer_variable, variable_text

__all__ = ["MAX_REQUEST_BYTES", "MAX_REQUEST_SPANS", "QueueSettings", "resolve_settings"]

logger = logging.getLogger(__name__)

DEFAULT_MAX_QUEUE_SIZE = 2048
DEFAULT_SCHEDULE_DELAY_MILLIS = 5000
DEFAULT_EXPORT_TIMEOUT_MILLIS = 30000
DEFAULT_WAKE_SPANS = 512
DEFAULT_MAX_QUEUE_BYTES = 64 << 20

MAX_SPANS = 2**31 - 1
"""Maximum size of the native queues. A larger number means the same: ``max_queue_bytes`` and memory end before."""

MIN_QUEUE_BYTES = 64 << 10
MAX_QUEUE_BYTES = 8 << 30
MAX_MILLIS = 10**12
"""Stands for any longer time and for no limit: 31 years, which fits into 64 bits in nanoseconds."""

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
    """Maximum time of one export with its retries, in milliseconds; MAX_MILLIS for no limit."""
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
        "max_queue_size", max_queue_size, "OTEL_BSP_MAX_QUEUE_SIZE", DEFAULT_MAX_QUEUE_SIZE, 1, sys.maxsize
    )
    return QueueSettings(
        max_queue_size=min(queue_size, MAX_SPANS),
        schedule_delay_millis=_schedule_delay(schedule_delay_millis),
        max_export_batch_size=_batch_size(max_export_batch_size, max_queue_size, queue_size),
        export_timeout_millis=_export_timeout(export_timeout_millis),
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
    if argument is not None:
        return check_integer(name, argument, minimum, maximum)
    value = integer_variable(logger, variable, minimum, maximum, str(default))
    return default if value is None else value


def _batch_size(argument: int | None, queue_argument: int | None, queue_size: int) -> int | None:
    variable = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"
    if argument is None:
        size = integer_variable(logger, variable, 1, queue_size, "no cap")
    else:
        size = check_integer("max_export_batch_size", argument, 1, sys.maxsize)
        if size > queue_size:
            text = variable_text("OTEL_BSP_MAX_QUEUE_SIZE")
            if queue_argument is not None or not text:
                raise ValueError(f"max_export_batch_size must be at most max_queue_size ({queue_size}), not {size}")
            # The conflict comes from a variable, so that the application still starts.
            logger.warning(
                "OTEL_BSP_MAX_QUEUE_SIZE=%r is less than the argument max_export_batch_size=%d: write that or more; "
                "a request carries at most %d spans",
                text,
                size,
                queue_size,
            )
            size = queue_size
    return None if size is None else min(size, MAX_SPANS)


def _schedule_delay(argument: float | None) -> float:
    """The variable and a configuration file may say 0, no delay, which is 1 ms; the SDK's class refuses 0 as argument."""
    if argument is not None:
        accepted = "a number of milliseconds above 0"
        check_number("schedule_delay_millis", argument, 0, math.inf, above=True, accepted=accepted)
        return min(argument, MAX_MILLIS)
    delay = _milliseconds("OTEL_BSP_SCHEDULE_DELAY", DEFAULT_SCHEDULE_DELAY_MILLIS)
    return max(1, delay)


def _export_timeout(argument: float | None) -> float:
    """0 is no limit."""
    if argument is None:
        timeout: float = _milliseconds("OTEL_BSP_EXPORT_TIMEOUT", DEFAULT_EXPORT_TIMEOUT_MILLIS)
    else:
        accepted = "a number of milliseconds, 0 (no limit) or more"
        check_number("export_timeout_millis", argument, 0, math.inf, accepted=accepted)
        timeout = argument
    return MAX_MILLIS if timeout == 0 else min(timeout, MAX_MILLIS)


def _milliseconds(variable: str, default: int) -> int:
    value = integer_variable(logger, variable, 0, sys.maxsize, str(default), unit=" of milliseconds")
    return default if value is None else min(value, MAX_MILLIS)
