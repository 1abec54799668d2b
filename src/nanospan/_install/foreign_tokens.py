"""`opentelemetry.context.detach` without its complaint about a token of another context.

A generator may be closed by another task, another thread or the garbage collector than it ran in, and a FastAPI dependency
with ``yield`` ends in another copy of the context than it began in. The token that was attached there cannot be used, and
need not be: that context is gone or will be. The API logs an error with a traceback for each.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext

from nanospan._native.context import note_foreign_detach

__all__ = ["quiet_foreign_tokens"]

_lock = threading.Lock()
_holders = 0
_replacement: Any = None
_before: Any = None


def quiet_foreign_tokens() -> Callable[[], None]:
    """Let ``detach`` count a token of another context, and log nothing, until what this returns is called.

    Several callers must all have called it until the method is as before. A token of another ContextVar, one that was used
    before, and what is no token are reported as ever. The count is in ``nanospan.concurrency.stats()``.
    """
    global _holders
    with _lock:
        _holders += 1
        # Where another package's lies over ours, that calls through.
        if _holders == 1 and vars(ContextVarsRuntimeContext).get("detach") is not _replacement:
            _replace()
    released = False

    def release() -> None:
        nonlocal released
        global _holders
        with _lock:
            if not released:
                released = True
                _holders -= 1
                if not _holders:
                    _put_back()

    return release


def _replace() -> None:
    global _replacement, _before
    original: Any = ContextVarsRuntimeContext.detach

    @functools.wraps(original)
    def detach(self: Any, token: Any) -> None:
        try:
            original(self, token)
        except ValueError:
            # Nobody holds it, and it is still there, where another package has replaced it since.
            if not _holders or not note_foreign_detach(token):
                raise

    _before, _replacement = original, detach
    ContextVarsRuntimeContext.detach = detach  # type: ignore[method-assign]


def _put_back() -> None:
    global _replacement, _before
    if vars(ContextVarsRuntimeContext).get("detach") is _replacement:
        ContextVarsRuntimeContext.detach = _before  # type: ignore[method-assign]
        _replacement = _before = None
