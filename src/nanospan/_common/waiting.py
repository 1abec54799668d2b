"""Waiting for another thread, with a bound, and usable after a fork."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from nanospan._common.clock import monotonic

__all__ = ["Waiters"]

SLICE_SECONDS = 0.05
"""A waiting thread looks again at least this often: a thread that changes the state may miss that somebody began to wait."""


class Waiters:
    """Threads that wait for a state of some object, and are woken together by whoever changes it.

    After a fork the child starts anew: the thread that held the lock, or waited, may not exist there.
    """

    def __init__(self) -> None:
        self._start_anew()

    def _start_anew(self) -> None:
        self._pid = os.getpid()
        self._waiting = 0
        self._changed = threading.Condition()  # reentrant: a signal handler may end a span while its thread waits here

    def wait_until(self, done: Callable[[], bool], seconds: float) -> bool:
        """Wait until ``done()``, at most ``seconds``. Returns whether it is done."""
        if self._pid != os.getpid():
            self._start_anew()
        deadline = monotonic() + seconds
        with self._changed:
            self._waiting += 1
            try:
                while not done():
                    remaining = deadline - monotonic()
                    if remaining <= 0:
                        return False
                    self._changed.wait(min(remaining, SLICE_SECONDS))
                return True
            finally:
                self._waiting -= 1

    def wake(self) -> None:
        """Let the waiting threads look again. Costs one comparison while nobody waits."""
        if self._waiting and self._pid == os.getpid():
            with self._changed:
                self._changed.notify_all()
