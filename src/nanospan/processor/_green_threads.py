"""Programs whose threads gevent or eventlet has made greenlets: several take turns on one thread of the system.

There a wait outside Python stops all of them. Nothing is imported here: a program that has patched itself has the library.
"""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable
from typing import Any

__all__ = ["end_in_children", "green_sleep"]

_parents_only: weakref.WeakSet[Any] = weakref.WeakSet()


def green_sleep() -> Callable[[float], Any] | None:
    """The sleep, in seconds, that lets other greenlets run, if a thread that is started now will be one; else None."""
    gevent_monkey = sys.modules.get("gevent.monkey")
    if gevent_monkey is not None and gevent_monkey.is_module_patched("threading"):
        return sys.modules["gevent"].sleep
    eventlet_patcher = sys.modules.get("eventlet.patcher")
    if eventlet_patcher is not None and eventlet_patcher.is_monkey_patched("thread"):
        return sys.modules["eventlet"].sleep
    return None


def end_in_children() -> None:
    """Have the greenlet that calls this ended in every forked child, where greenlets live on as threads do not.

    Only gevent's: in the child of an eventlet program it would go on with what it did for the parent.
    """
    if (gevent := sys.modules.get("gevent")) is not None:
        _parents_only.add(gevent.getcurrent())


def _after_fork_in_child() -> None:
    if not _parents_only:
        return
    gevent = sys.modules["gevent"]
    for greenlet in list(_parents_only):
        if greenlet is not gevent.getcurrent():
            # Not at once: the hub of the child is not ready. It will do this before it looks at any socket.
            gevent.kill(greenlet)
    _parents_only.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)
