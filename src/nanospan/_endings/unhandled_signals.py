"""Signals that end the process at once, because nobody handles them.

Servers such as uvicorn shut down in order at SIGTERM, put the default action back and raise the signal again, which skips
exit handlers. Event loops put it back when they close, and the signal may come again before the exit handlers have run.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType, ModuleType
from typing import Any

from nanospan._endings.after_import import after_import
from nanospan._endings.last_send import LIMIT_SECONDS, send_now
from nanospan.processor._at_exit import at_first, through_interrupts

__all__ = ["SIGNALS", "default_actions", "send_before_unhandled_signals"]

SIGNALS = (signal.SIGTERM, signal.SIGHUP)


def send_before_unhandled_signals() -> None:
    """Send before the default action of `SIGNALS`, where that is in force; only in the main thread, as Python requires.

    A handler that the application sets replaces this one, as it replaces the default action.
    """
    _replace_default_actions()
    after_import("asyncio.unix_events", functools.partial(_hook_loop, "SelectorEventLoop"))
    after_import("uvloop", functools.partial(_hook_loop, "Loop"))
    at_first(_replace_default_actions)
    at_first(_block_signals_of_uwsgi)


def _replace_default_actions() -> None:
    if threading.current_thread() is not threading.main_thread():
        return
    for number in SIGNALS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _send_and_end)


def _hook_loop(name: str, module: ModuleType) -> None:
    """Replace the default action again where the loop, at the latest when it closes, has taken its own handler away."""
    loop = getattr(module, name, None)
    remove = getattr(loop, "remove_signal_handler", None)
    if loop is None or remove is None or hasattr(remove, "__wrapped__"):
        return

    @functools.wraps(remove)
    def remove_and_replace(self: Any, *arguments: Any, **named: Any) -> Any:
        removed = remove(self, *arguments, **named)
        if removed:
            _replace_default_actions()
        return removed

    loop.remove_signal_handler = remove_and_replace


def _block_signals_of_uwsgi() -> None:
    """uWSGI's C handler calls ``exit()`` at every signal: another one in the middle of the exit handlers ends them."""
    if "uwsgi" in sys.modules:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGQUIT, *SIGNALS})


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


_ending = 0
"""The process in which `_send_and_end` is under way."""


def _send_and_end(number: int, frame: FrameType | None) -> None:
    """End the process by the signal, within `LIMIT_SECONDS`.

    Further signals do not shorten that: a service manager sends one to the whole group, and a parent that has got it sends
    another to its children.
    """
    global _ending
    if _ending == os.getpid():
        return
    _ending = os.getpid()
    try:
        with suppress(BaseException):  # what handlers of other signals raise: it is this one that ends the process
            through_interrupts(send_now, LIMIT_SECONDS)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
        # Only the first process of a container gets here: the kernel has no default action for it.
        signal.signal(number, _send_and_end)
    finally:
        _ending = 0
