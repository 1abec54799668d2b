"""Children of multiprocessing, which end past the exit handlers of their parent, and before CPython 3.13 past all."""

from __future__ import annotations

import logging
import os
import sys
import weakref
from typing import Protocol

__all__ = ["shut_down_at_end_of_child"]

logger = logging.getLogger(__name__)

_LAST = -100
"""After what others have asked for, and after the child's own children have been waited for."""


class EndsInChildren(Protocol):
    def end_in_child(self) -> None: ...


def shut_down_at_end_of_child(worker: EndsInChildren) -> None:
    """Calls ``worker.end_in_child()`` when a child of multiprocessing ends by itself: this process, or one that it forks.

    Nothing is imported here: a process that multiprocessing has started has its modules. ``worker`` is held weakly.
    """
    util, process = sys.modules.get("multiprocessing.util"), sys.modules.get("multiprocessing.process")
    if util is None or process is None:
        return
    # A child forgets all finalizers, then calls these functions. Those of the fork server import the program before that.
    util.register_after_fork(worker, _in_child)
    if process.parent_process() is not None:
        _in_child(worker)


# A child that was spawned, and not forked since, runs its exit handlers after this, and they end spans too.
_SPAWNED_PROCESS = os.getpid() if "--multiprocessing-fork" in sys.orig_argv else None


def _in_child(worker: EndsInChildren) -> None:
    if os.getpid() == _SPAWNED_PROCESS:
        return
    weak = weakref.ref(worker)

    def shut_down() -> None:
        if (strong := weak()) is not None:
            try:
                strong.end_in_child()
            except Exception:
                logger.exception("Exception at the end of a child process")

    sys.modules["multiprocessing.util"].Finalize(None, shut_down, exitpriority=_LAST)
