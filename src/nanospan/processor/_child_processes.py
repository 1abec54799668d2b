"""Shutdown in children of multiprocessing, which skip their parent's exit handlers (before CPython 3.13, all of them)."""

from __future__ import annotations

import logging
import os
import sys
import weakref
from typing import Protocol

from nanospan.processor._at_exit import LIMIT_SECONDS, through_interrupts

__all__ = ["shut_down_at_end_of_child"]

logger = logging.getLogger(__name__)

_LAST = -100
"""Exit priority: after other finalizers, and after the child has joined its own children."""


class EndsInChildren(Protocol):
    def end_in_child(self, timeout: float) -> None: ...


def shut_down_at_end_of_child(worker: EndsInChildren) -> None:
    """Call ``worker.end_in_child(seconds)`` at the normal end of a child of multiprocessing.

    That is this process, or one that it forks. It reads `sys.modules` instead of importing: a process that multiprocessing
    started has its modules. It keeps a weak reference to ``worker``.
    """
    util, process = sys.modules.get("multiprocessing.util"), sys.modules.get("multiprocessing.process")
    if util is None or process is None:
        return
    # A child clears all finalizers and then calls these functions. A fork server imports the program before that.
    util.register_after_fork(worker, _in_child)
    if process.parent_process() is not None:
        _in_child(worker)


# A spawned child runs its exit handlers after its finalizers, and these handlers may end spans.
_SPAWNED_PROCESS = os.getpid() if "--multiprocessing-fork" in sys.orig_argv else None


def _in_child(worker: EndsInChildren) -> None:
    if os.getpid() == _SPAWNED_PROCESS:
        return
    weak = weakref.ref(worker)

    def shut_down() -> None:
        if (strong := weak()) is not None:
            try:
                through_interrupts(strong.end_in_child, LIMIT_SECONDS)
            except Exception:
                logger.exception("Exception at the end of a child process")

    sys.modules["multiprocessing.util"].Finalize(None, shut_down, exitpriority=_LAST)
