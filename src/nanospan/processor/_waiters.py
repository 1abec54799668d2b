"""Calls that wait for what the export thread does: from a signal handler too, in the middle of another wait."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from nanospan._common.clock import monotonic

__all__ = ["Waiters"]

RECHECK_SECONDS = 1.0
"""Without memory a notification is lost."""


class Waiters:
    """What `threading.Condition` does, without a lock that both sides take.

    A signal handler may interrupt a call that holds such a lock, and wait for a thread that needs it.
    """

    def __init__(self) -> None:
        self._locks: list[threading.Lock] = []

    def wait(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Return True once ``condition()`` holds; it is called at once and after each `notify`. False after ``seconds``."""
        deadline = monotonic() + seconds
        lock = threading.Lock()  # looked up here: gevent and eventlet replace it
        lock.acquire()
        try:
            self._locks.append(lock)
            # What changes from now on is notified of; what has changed before is seen.
            while not condition():
                if (left := deadline - monotonic()) <= 0:
                    return False
                lock.acquire(True, min(left, RECHECK_SECONDS))
            return True
        finally:
            with suppress(ValueError):  # interrupted before it was there
                self._locks.remove(lock)

    def notify(self) -> None:
        """Let each wait look at its condition, which has changed before this call."""
        for lock in self._locks.copy():
            with suppress(RuntimeError):  # notified already, and not awake yet
                lock.release()
