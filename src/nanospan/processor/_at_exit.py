"""The last send at the end of the interpreter, for processors that nobody has shut down by then.

Usually the provider's exit handler has. It cannot where the owner of a processor calls it through a thread pool: the
interpreter ends the pools before it runs exit handlers.
"""

from __future__ import annotations

import atexit
import logging
import weakref
from typing import Protocol

from nanospan._common.clock import monotonic

__all__ = ["end_all", "flush_all", "is_anything_unsent", "send_at_exit"]

logger = logging.getLogger(__name__)

LIMIT_SECONDS = 30.0
"""Of all processors together, as of the shutdown of one."""


class EndsAtExit(Protocol):
    def end_at_exit(self, timeout: float) -> None: ...
    def flush(self, timeout: float) -> bool: ...
    def has_unsent(self) -> bool: ...


_workers: weakref.WeakSet[EndsAtExit] = weakref.WeakSet()


def send_at_exit(worker: EndsAtExit) -> None:
    """Call ``worker.end_at_exit(seconds)`` when the interpreter ends; keeps a weak reference."""
    _workers.add(worker)


def flush_all(timeout: float) -> bool:
    """Export what every processor of this process has queued, within ``timeout`` s together. True if all of it was sent."""
    deadline = monotonic() + timeout
    sent = True
    for worker in list(_workers):
        sent = worker.flush(max(0.0, deadline - monotonic())) and sent
    return sent


def is_anything_unsent() -> bool:
    """Whether a processor holds spans of this process. It takes no lock, and starts nothing in a forked child."""
    return any(worker.has_unsent() for worker in list(_workers))


def end_all(timeout: float) -> None:
    """Send what every processor has queued, and decide on the traces that it holds, within ``timeout`` s together."""
    deadline = monotonic() + timeout
    for worker in list(_workers):
        try:
            worker.end_at_exit(max(0.0, deadline - monotonic()))
        except Exception:
            logger.exception("Exception while the last spans were sent")


# Registered at the import, so that it runs after the handlers of providers that are made later.
@atexit.register
def _send_all() -> None:
    end_all(LIMIT_SECONDS)
