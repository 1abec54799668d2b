"""Threads of nanospan's own: without the process's signals, and without the context of whoever starts them."""

from __future__ import annotations

import contextvars
import signal
import sys
import threading
from collections.abc import Callable

__all__ = ["lasting_thread", "start_without_signals"]

# Faults belong to the thread that caused them; timers of CPU time to the one that a profiler wants to see.
_KEPT = ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGABRT", "SIGSYS", "SIGPROF", "SIGVTALRM")


def lasting_thread(target: Callable[[], object], name: str) -> threading.Thread:
    """A daemon thread, not started, with an empty context, also where threads inherit that of their starter.

    A thread that outlives the request which starts it would hold that request's span, and make it the parent of its own.
    """
    if sys.version_info >= (3, 14):
        return threading.Thread(target=target, name=name, daemon=True, context=contextvars.Context())
    return threading.Thread(target=target, name=name, daemon=True)


def start_without_signals(thread: threading.Thread) -> None:
    """Start ``thread``, which only runs code that starts no programs: they would inherit the blocked signals.

    A program that blocks a signal in its own threads, to wait for it with `signal.sigwait` or until it has set its handlers,
    would otherwise get it through this thread. Raises RuntimeError as `Thread.start`.
    """
    if not hasattr(signal, "pthread_sigmask"):
        thread.start()
        return
    kept = {getattr(signal, name) for name in _KEPT if hasattr(signal, name)}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - kept)
    try:
        thread.start()  # which inherits them
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
