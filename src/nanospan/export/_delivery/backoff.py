"""The time of a retry: backoff, ``Retry-After``, and the common deadline of all attempts.

urllib3's Retry is not used: it sleeps with time.sleep, which shutdown cannot interrupt; it has no common deadline for all
attempts; and it waits for a Retry-After that exceeds the remaining time.
"""

from __future__ import annotations

import math
import random
import time
from datetime import UTC
from email.utils import parsedate_to_datetime

from nanospan._common.clock import monotonic

__all__ = ["FREE_INTERRUPTIONS", "MAX_ATTEMPTS", "Deadline", "backoff_seconds", "retry_after_seconds"]

MAX_ATTEMPTS = 6
"""Attempts per request, without the immediate retry over a new connection."""

FREE_INTERRUPTIONS = 4
"""Interruptions by this process after which a request is repeated at once; later ones count as attempts."""

_JITTER = 0.2


def backoff_seconds(retry: int) -> float:
    """Seconds to wait before retry number ``retry`` (from 0): 1, 2, 4, ... times a factor of 0.8 to 1.2."""
    return float(2**retry) * random.uniform(1 - _JITTER, 1 + _JITTER)


def retry_after_seconds(value: str | None, now: float | None = None) -> float | None:
    """The delay in seconds of a ``Retry-After`` header (RFC 9110, 10.2.3), at least 0.

    ``value`` is a number of seconds or an HTTP date; ``now`` is a Unix time in seconds. None for an unusable value.
    """
    if value is None:
        return None
    text = value.strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except (TypeError, ValueError, IndexError, OverflowError):
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = moment.timestamp() - (time.time() if now is None else now)
    return max(seconds, 0.0) if math.isfinite(seconds) else None


class Deadline:
    """The end of an operation on the monotonic clock; ``timeout`` in seconds, None for no end."""

    __slots__ = ("_end",)

    def __init__(self, timeout: float | None) -> None:
        self._end = None if timeout is None else monotonic() + timeout

    def remaining(self) -> float | None:
        """Remaining seconds, at least 0; None without a deadline."""
        return None if self._end is None else max(self._end - monotonic(), 0.0)

    @property
    def passed(self) -> bool:
        """Whether the deadline has passed."""
        return self.remaining() == 0.0

    def allows(self, wait: float) -> bool:
        """Whether time remains after a wait of ``wait`` seconds."""
        left = self.remaining()
        return left is None or wait < left
