"""Servers that end their process by a signal after an orderly shutdown, or do not end it, hooked where they begin to.

`nanospan._endings.unhandled_signals` serves most of them. A gunicorn worker of uvicorn's class puts the default action of
its signals back when it starts.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import signal
from _thread import allocate_lock, start_new_thread  # the originals, see `nanospan._endings.last_send`
from contextlib import suppress
from types import ModuleType
from typing import Any

from nanospan._endings.after_import import after_import
from nanospan._endings.last_send import send_now

__all__ = ["send_before_servers_end"]

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 1.0
"""Between two sends of a process that will be killed at a time it does not know."""


def send_before_servers_end() -> None:
    """Send when uvicorn's server, in whichever process manager, has finished its requests and its lifespan.

    Send too from the moment at which gunicorn tells a worker to end that may not.
    """
    after_import("uvicorn.server", _hook_uvicorn)
    after_import("gunicorn.workers.base", _hook_gunicorn)
    after_import("gunicorn.workers.gthread", _hook_gunicorn_threads)


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


def _hook_gunicorn(module: ModuleType) -> None:
    """Hook what uvicorn's worker does at SIGQUIT, which gunicorn sends at SIGINT and SIGQUIT.

    The worker notes the signal and serves on, and is killed when gunicorn's graceful timeout, 30 s, is over.
    """
    worker = getattr(module, "Worker", None)
    handle_exit = getattr(worker, "handle_exit", None)
    if worker is None or not callable(handle_exit) or hasattr(handle_exit, "__wrapped__"):
        return

    @functools.wraps(handle_exit)
    def handle_exit_and_send(self: Any, number: int, frame: Any) -> None:
        handle_exit(self, number, frame)
        if number == signal.SIGQUIT and not getattr(self, "_nanospan_sends", False):
            self._nanospan_sends = True
            _send_until_the_end()

    worker.handle_exit = handle_exit_and_send


def _hook_gunicorn_threads(module: ModuleType) -> None:
    """Hook what the worker with threads does at SIGQUIT and SIGINT.

    It takes a lock of its thread pool, and blocks where the signal has interrupted it in a call that holds that lock.
    """
    worker = getattr(module, "ThreadWorker", None)
    handle_quit = getattr(worker, "handle_quit", None)
    if worker is None or not callable(handle_quit) or hasattr(handle_quit, "__wrapped__"):
        return

    @functools.wraps(handle_quit)
    def send_and_handle_quit(self: Any, number: int, frame: Any) -> None:
        if not getattr(self, "_nanospan_sends", False):
            self._nanospan_sends = True
            _send_until_the_end()
        handle_quit(self, number, frame)

    worker.handle_quit = send_and_handle_quit


def _send_until_the_end() -> None:
    """Send now and every `PAUSE_SECONDS` from now on, in another thread."""

    def send() -> None:
        pause = allocate_lock()
        pause.acquire()
        while True:
            send_now()
            pause.acquire(timeout=PAUSE_SECONDS)

    with suppress(RuntimeError):  # no more threads: the interpreter is ending, and its exit handlers send
        start_new_thread(send, ())
