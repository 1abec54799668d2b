"""What the carried calls of this process have met."""

from __future__ import annotations

from typing import TypedDict

from nanospan._native.context import context_counts
from nanospan.concurrency._detection import lost

__all__ = ["Stats", "stats"]


class Stats(TypedDict):
    """Counts since the process began, or since its fork."""

    carried: int
    """Calls with a Context that was not the thread's own."""
    empty: int
    """Calls from an empty Context in a thread with an empty one: nothing to do."""
    stale_cleared: int
    """Calls from an empty Context in a thread that had another one, which they did not see."""
    foreign_detach: int
    """Spans left in another context than the one they entered, as by a generator that the garbage collector closes; with
    `instrument_threads`, `nanospan.install` or nanospan's configurator also what others attach, and detach there."""
    scope_left: int
    """Calls that left another Context attached, which was taken off."""
    lost: dict[str, int]
    """The signals that the running `detect` has seen; empty if none runs."""


def stats() -> Stats:
    """What has been counted so far in this process."""
    counts = context_counts()
    return Stats(
        carried=counts["carried"],
        empty=counts["empty"],
        stale_cleared=counts["stale_cleared"],
        foreign_detach=counts["foreign_detach"],
        scope_left=counts["scope_left"],
        lost=lost(),
    )
