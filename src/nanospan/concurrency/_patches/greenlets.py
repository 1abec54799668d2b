"""gevent: each greenlet begins with the Context of whoever made it, each task of a pool of threads runs with its caller's.

`gevent.Greenlet` is an extension type, whose methods Python code cannot replace. Its constructor is replaced all the same,
natively: another class in its place would miss subclasses that exist, functions that were imported before, such as
`gevent.spawn`, and would not be what `isinstance` is asked for.
"""

from __future__ import annotations

import contextvars
import functools
import importlib
import logging
import sys
from collections.abc import Callable
from typing import Any

from opentelemetry.context import get_current

from nanospan._native.context import attach_context, capture_once, replace_on_type
from nanospan.concurrency._patches.patch import Patch

__all__ = ["GreenletPatch"]

logger = logging.getLogger("nanospan.concurrency")


class GreenletPatch:
    """Replaces the constructor of `gevent.Greenlet`, and `gevent.threadpool.ThreadPool.spawn`, if gevent is loaded."""

    def __init__(self) -> None:
        self._active = False
        self._greenlet: type | None = None
        self._before: Any = None
        self._own: Any = None
        self._threads: Patch | None = None

    def apply(self) -> bool:
        """False if gevent is not loaded, or both are replaced already."""
        if "gevent" not in sys.modules or self._active:
            return False
        self._active = True
        # The modules that define them: another package may have put a class of its own in the place of gevent.Greenlet.
        if self._threads is None:
            self._threads = Patch(importlib.import_module("gevent.threadpool").ThreadPool, "spawn", _spawn_thread)
        self._threads.apply()
        if self._own is None:
            self._greenlet = importlib.import_module("gevent.greenlet").Greenlet
            self._before = vars(self._greenlet)["__init__"]
            self._own = self._with_context(self._before)
            replace_on_type(self._greenlet, "__init__", self._own)
        return True

    def undo(self) -> bool:
        """Put back what nobody has replaced since; what stays calls through."""
        if not self._active:
            return True
        self._active = False
        complete = self._threads is None or self._threads.undo()
        if self._greenlet is None or vars(self._greenlet).get("__init__") is not self._own:
            return False
        replace_on_type(self._greenlet, "__init__", self._before)
        self._greenlet = self._before = self._own = None
        return complete

    def _with_context(self, original: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(original)
        def __init__(greenlet: Any, *args: Any, **kwargs: Any) -> None:
            original(greenlet, *args, **kwargs)
            current = get_current() if self._active else None
            if not current:
                return
            own = contextvars.Context()
            own.run(attach_context, current)
            try:
                if greenlet.gr_context is None:  # else a subclass has chosen one
                    greenlet.gr_context = own
            except Exception:  # it runs already, and its constructor was called again
                logger.debug("the Context of a greenlet could not be set", exc_info=True)

        return __init__


def _spawn_thread(original: Callable[..., Any], pool: Any, /, *args: Any, **kwargs: Any) -> Any:
    """``spawn`` of a pool of threads, which `apply` and the `map`s call; its first parameter is ``func``."""
    if args and callable(args[0]):
        args = (capture_once(args[0]), *args[1:])
    elif callable(kwargs.get("func")):
        kwargs["func"] = capture_once(kwargs["func"])
    return original(pool, *args, **kwargs)
