"""Calls that end the program at once: ``os._exit()``, with which forked children end, and ``os.exec*()``.

Celery's and RQ's worker processes, Airflow's task runner and multiprocessing's children end by ``os._exit()``. Celery and
Dramatiq restart themselves by ``os.execv()``.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable
from typing import Any

from nanospan._endings.last_send import LIMIT_SECONDS, end_now, send_now
from nanospan._endings.patience import send_with_patience
from nanospan.processor._at_exit import through_interrupts

__all__ = ["send_before_immediate_exits"]


def send_before_immediate_exits() -> None:
    """Send before these calls. A process in which nothing is queued calls on at once, as most forked children do."""
    _precede("_exit", end_now, BaseException)  # a forked child must not go on with its parent's code
    # The other functions of the family call these two.
    _precede("execv", send_now, Exception)
    _precede("execve", send_now, Exception)


def _precede(name: str, send: Callable[..., bool], suppressed: type[BaseException]) -> None:
    """``suppressed``: what does not keep the call from coming, of what sending and the handlers of signals raise."""
    call = getattr(os, name)
    if getattr(call, "_nanospan_sends", False):
        return

    @functools.wraps(call)
    def send_and_call(*arguments: Any, **named: Any) -> Any:
        with contextlib.suppress(suppressed):
            through_interrupts(functools.partial(send_with_patience, send), LIMIT_SECONDS)
        return call(*arguments, **named)

    send_and_call._nanospan_sends = True  # type: ignore[attr-defined]
    setattr(os, name, send_and_call)
