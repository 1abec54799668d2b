"""Calls that cannot be interrupted, in a thread of their own, so that the wait for them ends in time."""

from __future__ import annotations

import contextvars
import os
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from nanospan._common.clock import monotonic
from nanospan._common.threads import start_without_signals

__all__ = ["BoundedCall"]

T = TypeVar("T")


class BoundedCall(Generic[T]):
    """``function()`` in a daemon thread, with the context of the caller, which suppresses tracing.

    Where no thread starts, which is while the interpreter ends and at the limit of threads, the constructor calls it.
    """

    def __init__(self, function: Callable[[], T], name: str) -> None:
        self._function = function
        self._context = contextvars.copy_context()
        self._process = os.getpid()
        self._done = threading.Event()
        self._result: T
        self._error: BaseException | None = None
        self._ended = 0.0
        try:
            start_without_signals(threading.Thread(target=self._run, name=name, daemon=True))
        except RuntimeError:
            self._run()

    def _run(self) -> None:
        try:
            self._result = self._context.run(self._function)
        except BaseException as error:
            self._error = error
        self._ended = monotonic()
        self._done.set()

    def wait(self, timeout: float | None) -> bool:
        """Whether the call has ended within ``timeout`` seconds; None for no limit."""
        return self._done.wait(timeout)

    def result(self) -> T:
        """What the call that has ended returned or raised."""
        if self._error is not None:
            raise self._error
        return self._result

    def is_fresh(self, age: float) -> bool:
        """Whether the call goes on, or has ended at most ``age`` seconds ago. False in a forked child, which has no thread
        for it.
        """
        if self._process != os.getpid():
            return False
        return not self._done.is_set() or monotonic() - self._ended <= age
