"""Monotonic time for deadlines and log windows."""

from __future__ import annotations

from time import CLOCK_MONOTONIC, clock_gettime

__all__ = ["monotonic"]


def monotonic() -> float:
    """Seconds since an arbitrary start, as `time.monotonic`, but also where tools for tests have replaced that.

    A deadline that began under a frozen clock would never pass, or pass at once, when the clock goes on.
    """
    return clock_gettime(CLOCK_MONOTONIC)
