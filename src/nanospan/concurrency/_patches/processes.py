"""`multiprocessing.Process`: `run` has the Context of `start`, with the span as a remote one, by every start method."""

from __future__ import annotations

import multiprocessing.process
from collections.abc import Callable, Iterable
from typing import Any

from nanospan._native.context import ContextCall, in_empty_context
from nanospan.concurrency._patches.patch import Patch
from nanospan.concurrency._patches.threads import is_worker

__all__ = ["process_patches"]

_MISSING: Any = object()

WORKERS = ("concurrent.futures", "joblib", "loky", "multiprocessing.managers", "multiprocessing.pool")
"""Packages whose processes outlive the call that starts them: see `nanospan.concurrency._patches.threads.WORKERS`."""


def process_patches(exclude: Iterable[str] = ()) -> list[Patch]:
    """``exclude``: packages whose processes are left alone, besides `WORKERS`."""
    excluded = (*WORKERS, *exclude)

    def start(original: Callable[..., Any], process: Any, *args: Any, **kwargs: Any) -> Any:
        if is_worker(process, excluded):
            return in_empty_context(original, process, *args, **kwargs)  # a fork has all that its parent has
        # A forked child has a copy of the call, others unpickle it with the process, of which `run` is then the class's own.
        call = ContextCall(process.run)
        if not call.context:
            return original(process, *args, **kwargs)
        own = vars(process)
        before = own.get("run", _MISSING)
        own["run"] = call
        try:
            return original(process, *args, **kwargs)
        finally:
            if before is _MISSING:
                own.pop("run", None)
            else:
                own["run"] = before

    return [Patch(multiprocessing.process.BaseProcess, "start", start)]
