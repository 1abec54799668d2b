"""Signals that end the process at once, because nobody handles them.

Servers such as uvicorn shut down in order at SIGTERM, put the default action back and raise the signal again, which skips
exit handlers.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from nanospan._endings.last_send import send_now

__all__ = ["SIGNALS", "default_actions", "send_before_unhandled_signals"]

SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def send_before_unhandled_signals() -> None:
    """Send before the default action of `SIGNALS`, where that is in force; only in the main thread, as Python requires.

    A handler that the application sets replaces this one, as it replaces the default action.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for number in SIGNALS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _send_and_end)


@contextmanager
def default_actions() -> Iterator[None]:
    """The default action within, for a wait in C code that no handler of Python's can interrupt."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    replaced = [number for number in SIGNALS if signal.getsignal(number) is _send_and_end]
    for number in replaced:
        signal.signal(number, signal.SIG_DFL)
    try:
        yield
    finally:
        for number in replaced:
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, _send_and_end)


def _send_and_end(number: int, frame: FrameType | None) -> None:
    # Before sending: a second signal ends the process at once.
    signal.signal(number, signal.SIG_DFL)
    send_now()
    os.kill(os.getpid(), number)
    # Only the first process of a container gets here: the kernel has no default action for it.
    signal.signal(number, _send_and_end)
