"""Task queues and functions as a service, hooked where their processes are about to be killed, or stopped for a while.

`nanospan._endings.immediate_exits` serves the ends of most of them.
"""

from __future__ import annotations

import functools
import logging
import time
from types import ModuleType
from typing import Any

from nanospan._endings.after_import import after_import
from nanospan._endings.last_send import LIMIT_SECONDS, send_now
from nanospan._endings.patience import send_with_patience
from nanospan._endings.unhandled_signals import default_actions

__all__ = ["send_before_workers_end"]

logger = logging.getLogger(__name__)


def send_before_workers_end() -> None:
    """Send when a process of Celery's prefork pool ends, and before AWS Lambda freezes its runtime."""
    after_import("celery.signals", _hook_celery)
    after_import("awslambdaric.lambda_runtime_client", _hook_lambda)


def _hook_celery(module: ModuleType) -> None:
    """A process of the pool sends this signal of Celery's own when it ends, in order or by SIGTERM.

    It calls ``os._exit()`` a second later, and is killed if the main process has ended by then.
    """
    process_shutdown = getattr(module, "worker_process_shutdown", None)
    if process_shutdown is None:
        logger.debug("celery.signals has no worker_process_shutdown in the installed release")
        return
    process_shutdown.connect(_in_pool_process, weak=False)


def _in_pool_process(**_: object) -> None:
    send_with_patience(send_now)


def _hook_lambda(module: ModuleType) -> None:
    """Lambda freezes the process when the runtime asks for the next event; by then the answer is with the caller."""
    client = getattr(module, "LambdaRuntimeClient", None)
    wait_next_invocation = getattr(client, "wait_next_invocation", None)
    if client is None or wait_next_invocation is None:
        logger.debug("awslambdaric has no LambdaRuntimeClient.wait_next_invocation in the installed release")
        return
    if hasattr(wait_next_invocation, "__wrapped__"):
        return
    deadline = float("inf")
    """Of the event under way, in s since 1970: Lambda counts the time until the next request."""

    @functools.wraps(wait_next_invocation)
    def send_and_wait(self: Any, *arguments: Any, **named: Any) -> Any:
        nonlocal deadline
        left = (deadline - time.time()) / 2
        if left > 0:
            send_with_patience(send_now, min(LIMIT_SECONDS, left))
        with default_actions():
            event = wait_next_invocation(self, *arguments, **named)
        deadline = _seconds(getattr(event, "deadline_time_in_ms", None))
        return event

    client.wait_next_invocation = send_and_wait


def _seconds(millis: object) -> float:
    try:
        return float(str(millis)) / 1e3
    except ValueError:
        return float("inf")
