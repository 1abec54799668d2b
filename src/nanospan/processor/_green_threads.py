"""Support for gevent and eventlet, which replace threads by greenlets that share one system thread.

A native wait would block all greenlets. The libraries are read from `sys.modules`: a patched program has imported them.
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
    """The cooperative sleep function (seconds) if new threads are greenlets; else None."""
    gevent_monkey = sys.modules.get("gevent.monkey")
    if gevent_monkey is not None and gevent_monkey.is_module_patched("threading"):
        gevent_sleep: Callable[[float], Any] = sys.modules["gevent"].sleep
        return gevent_sleep
    eventlet_patcher = sys.modules.get("eventlet.patcher")
    if eventlet_patcher is not None and eventlet_patcher.is_monkey_patched("thread"):
        eventlet_sleep: Callable[[float], Any] = sys.modules["eventlet"].sleep
        return eventlet_sleep
    return None


def end_in_children() -> None:
    """Kill the calling greenlet in every forked child. Unlike a thread, a greenlet survives a fork.

    gevent only; a greenlet of eventlet goes on in the child with the work of the parent.
    """
    if (gevent := sys.modules.get("gevent")) is not None:
        _parents_only.add(gevent.getcurrent())


def _after_fork_in_child() -> None:
    if not _parents_only:
        return
    gevent = sys.modules["gevent"]
    for greenlet in list(_parents_only):
        if greenlet is not gevent.getcurrent():
            # Deferred, because the hub of the child is not ready; it runs this before it polls sockets.
            gevent.kill(greenlet)
    _parents_only.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)
