"""Sends what is queued within a bounded time, from wherever an end of the process is noticed."""

from __future__ import annotations

# The originals: gevent and eventlet replace them later, and a green thread cannot run while a signal handler waits for it.
from _thread import allocate_lock, start_new_thread

from nanospan._common.clock import monotonic
from nanospan._compat.sdk import global_tracer_provider
from nanospan.processor._at_exit import flush_all

__all__ = ["LIMIT_SECONDS", "send_now"]

LIMIT_SECONDS = 5.0
"""Orchestrators kill a process some 10 to 30 s after SIGTERM."""


def send_now(seconds: float = LIMIT_SECONDS) -> bool:
    """Send the spans that ended before the call; returns whether that was done within ``seconds``.

    It works from a signal handler: another thread sends, since the interrupted code may hold the locks that sending takes.
    """
    done = allocate_lock()
    done.acquire()
    deadline = monotonic() + seconds

    def send() -> None:
        try:
            flush_all(seconds)
            flush = getattr(global_tracer_provider(), "force_flush", None)
            if flush is not None:  # the SDK's own processors, and other packages'
                flush(max(1, int((deadline - monotonic()) * 1e3)))
        except Exception:  # a processor of anyone's; the process is ending
            pass
        finally:
            done.release()

    try:
        start_new_thread(send, ())
    except RuntimeError:  # no more threads: the interpreter is ending, and its exit handlers send
        return False
    return done.acquire(timeout=seconds)
