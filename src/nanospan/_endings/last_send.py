"""Sends what is queued within a bounded time, from wherever an end of the process is noticed."""

from __future__ import annotations

# The originals: gevent and eventlet replace them later, and a green thread cannot run while a signal handler waits for it.
from _thread import allocate_lock, start_new_thread
from collections.abc import Callable

from nanospan._common.clock import monotonic
from nanospan._compat.sdk import serving_tracer_provider
from nanospan.processor._at_exit import end_all, flush_all
from nanospan.processor._green_threads import green_sleep

__all__ = ["LIMIT_SECONDS", "end_now", "send_now"]

LIMIT_SECONDS = 5.0
"""Orchestrators kill a process some 10 to 30 s after SIGTERM."""


def send_now(seconds: float = LIMIT_SECONDS, *, or_here: bool = False) -> bool:
    """Send the spans that ended before the call; returns whether that was done within ``seconds``.

    It works from a signal handler: another thread sends, since the interrupted code may hold the locks that other packages'
    processors take. Where the interpreter, which is ending, starts no thread, this one waits for nanospan's processors, for
    which it needs no such lock. With ``or_here``, for calls from anywhere else, this thread sends all if no other can: in an
    exit handler, or where the export thread is a greenlet of this one.
    """
    deadline = monotonic() + seconds

    def send() -> None:
        flush_all(seconds)
        flush = getattr(serving_tracer_provider(), "force_flush", None)
        if flush is not None:  # the SDK's own processors, and other packages'
            flush(max(1, int((deadline - monotonic()) * 1e3)))

    return _in_another_thread(send, seconds, or_here)


def end_now(seconds: float = LIMIT_SECONDS, *, or_here: bool = False) -> bool:
    """As `send_now`, for a process that ends for certain: the traces that tail sampling holds are decided too."""
    return _in_another_thread(lambda: end_all(seconds), seconds, or_here)


def _in_another_thread(send: Callable[[], object], seconds: float, or_here: bool) -> bool:
    done = allocate_lock()
    done.acquire()

    def send_and_tell() -> None:
        try:
            send()
        except Exception:  # a processor of anyone's; the process is ending
            pass
        finally:
            done.release()

    if or_here and green_sleep() is not None:
        send_and_tell()
        return True
    try:
        start_new_thread(send_and_tell, ())
    except RuntimeError:
        if not or_here:
            return flush_all(seconds)
        send_and_tell()
        return True
    return done.acquire(timeout=seconds)
