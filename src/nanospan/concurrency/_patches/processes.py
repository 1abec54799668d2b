"""`multiprocessing.Process`: `run` has the Context of `start`, with the span as a remote one, by every start method."""

from __future__ import annotations

import multiprocessing.process
from collections.abc import Callable
from typing import Any

from nanospan._native.context import ContextCall
from nanospan.concurrency._patches.patch import Patch

__all__ = ["process_patches"]


def _start(original: Callable[..., Any], process: Any, *args: Any, **kwargs: Any) -> Any:
    # A forked child has a copy of the call, others unpickle it with the process, of which `run` is then the class's own.
    call = ContextCall(process.run)
    if not call.context:
        return original(process, *args, **kwargs)
    vars(process)["run"] = call
    try:
        return original(process, *args, **kwargs)
    finally:
        vars(process).pop("run", None)


def process_patches() -> list[Patch]:
    return [Patch(multiprocessing.process.BaseProcess, "start", _start)]
