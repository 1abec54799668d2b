"""The last send at the end of the interpreter, for processors that nobody has shut down by then.

Usually the provider's exit handler has. It cannot where the owner of a processor calls it through a thread pool: the
interpreter ends the pools before it runs exit handlers.
"""

from __future__ import annotations

import atexit
import logging
import weakref
from collections.abc import Callable
from typing import Protocol

from nanospan._common.clock import monotonic

__all__ = ["at_first", "end_all", "flush_all", "is_anything_unsent", "send_at_exit", "through_interrupts"]

logger = logging.getLogger(__name__)

LIMIT_SECONDS = 30.0
"""Of all processors together, as of the shutdown of one."""

INTERRUPTED_SECONDS = 5.0
"""What is left of it when the user presses Ctrl-C again."""

MAX_INTERRUPTS = 20


class EndsAtExit(Protocol):
    def end_at_exit(self, timeout: float) -> None: ...
    def flush_at_end(self, timeout: float) -> bool: ...
    def has_unsent(self) -> bool: ...


_workers: weakref.WeakSet[EndsAtExit] = weakref.WeakSet()
_first: list[Callable[[], None]] = []


def send_at_exit(worker: EndsAtExit) -> None:
    """Call ``worker.end_at_exit(seconds)`` when the interpreter ends; keeps a weak reference."""
    _workers.add(worker)
    # Handlers run in the reverse order: before that of the provider, which is made before its processors.
    atexit.unregister(_call_first)
    atexit.register(_call_first)


def at_first(prepare: Callable[[], None]) -> None:
    """Call ``prepare()`` before the exit handlers of providers shut the processors down that exist by then."""
    if prepare not in _first:
        _first.append(prepare)


def _call_first() -> None:
    for prepare in _first:
        try:
            prepare()
        except Exception:
            logger.debug("Exception before the last spans are sent", exc_info=True)


def flush_all(timeout: float) -> bool:
    """Export what every processor of this process has queued, within ``timeout`` s together. True if all of it was sent."""
    deadline = monotonic() + timeout
    sent = True
    for worker in list(_workers):
        sent = worker.flush_at_end(max(0.0, deadline - monotonic())) and sent
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


def through_interrupts(send: Callable[[float], object], timeout: float) -> None:
    """Call ``send(seconds)``, at the end of the process, again when the handler of a signal raises in the middle of it.

    A process may get its signal twice: from the terminal or the service manager, which send it to the whole group, and from
    its parent. The first such exception leaves `INTERRUPTED_SECONDS`, and is raised in the end.
    """
    deadline = monotonic() + timeout
    interrupts: list[BaseException] = []
    while True:
        try:
            send(max(0.0, deadline - monotonic()))
            break
        except Exception:
            raise
        except BaseException as interrupt:
            interrupts.append(interrupt)
            deadline = min(deadline, monotonic() + INTERRUPTED_SECONDS)
            if len(interrupts) == MAX_INTERRUPTS:
                break
    if interrupts:
        raise interrupts[0]


def _send_all() -> None:
    through_interrupts(end_all, LIMIT_SECONDS)


# Registered at the import, so that it runs after the handlers of providers that are made later. Several times: what the
# handler of a signal raises when a call begins, before it can catch that, ends only this call.
for _ in range(3):
    atexit.register(_send_all)
