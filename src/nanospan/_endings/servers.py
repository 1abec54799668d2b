"""Servers that end their process by a signal after an orderly shutdown, hooked at that shutdown.

`nanospan._endings.unhandled_signals` serves most of them. A gunicorn worker of uvicorn's class puts the default action of
its signals back when it starts.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from types import ModuleType
from typing import Any

from nanospan._endings.after_import import after_import
from nanospan._endings.last_send import send_now

__all__ = ["send_before_servers_end"]

logger = logging.getLogger(__name__)


def send_before_servers_end() -> None:
    """Send when uvicorn's server, in whichever process manager, has finished its requests and its lifespan."""
    after_import("uvicorn.server", _hook_uvicorn)


def _hook_uvicorn(module: ModuleType) -> None:
    server = getattr(module, "Server", None)
    shutdown = getattr(server, "shutdown", None)
    if server is None or not asyncio.iscoroutinefunction(shutdown):
        logger.debug("uvicorn.server.Server has no shutdown() to wait for in the installed release")
        return
    if hasattr(shutdown, "__wrapped__"):
        return

    @functools.wraps(shutdown)
    async def shutdown_and_send(self: Any, *arguments: Any, **named: Any) -> None:
        try:
            await shutdown(self, *arguments, **named)
        finally:
            await asyncio.get_running_loop().run_in_executor(None, send_now)

    server.shutdown = shutdown_and_send
