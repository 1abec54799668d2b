"""What happened to messages' trace context, as counters; and the guard that keeps failures from the application."""

from __future__ import annotations

import logging
import os
import threading
from typing import TypedDict

from nanospan._common.log import WindowedLog

__all__ = ["Stats", "count", "log_failure", "stats"]


class Stats(TypedDict):
    """Counts of this process since it started."""

    fields_left_out: int
    """Fields that did not fit into a message, or that no message can carry."""
    links_left_out: int
    """Links over the limit of links of a span."""
    links_merged: int
    """Messages of a batch whose link another message of the same span has already."""
    malformed: int
    """Fields of received messages that could not be used."""
    foreign_detach: int
    """Operations that ended in another task or thread than they began in."""
    failures: int
    """Exceptions inside nanospan, or raised by headers, a propagator or a tracer; the application did not get them."""


_counts: Stats = {
    "fields_left_out": 0,
    "links_left_out": 0,
    "links_merged": 0,
    "malformed": 0,
    "foreign_detach": 0,
    "failures": 0,
}
_lock = threading.RLock()  # the collector may close a generator, and end its scope, while it is held
_log = WindowedLog(logging.getLogger("nanospan.messaging"))


def _renew_lock() -> None:
    global _lock
    _lock = threading.RLock()  # the thread that held it does not exist in the child


os.register_at_fork(after_in_child=_renew_lock)


def count(name: str, number: int = 1) -> None:
    with _lock:
        _counts[name] += number  # type: ignore[literal-required]


def log_failure(what: str) -> None:
    """Count the current exception, and log it with its traceback at most once in a window of 20 seconds.

    What is logged never fails the application either.
    """
    try:
        count("failures")
        _log.log(logging.ERROR, what, "Exception in %s; the message goes on without it", what, exc_info=True)
    except Exception:  # such as a logging handler's
        pass


def stats() -> Stats:
    """The counts of this process, all of which stay 0 where nothing is lost."""
    with _lock:
        return _counts.copy()
