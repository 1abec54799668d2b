"""Threads to which the kernel gives none of the process's signals."""

from __future__ import annotations

import signal
import threading

__all__ = ["start_without_signals"]

# Faults belong to the thread that caused them; timers of CPU time to the one that a profiler wants to see.
_KEPT = ("SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGTRAP", "SIGABRT", "SIGSYS", "SIGPROF", "SIGVTALRM")


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
