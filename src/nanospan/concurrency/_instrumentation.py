"""`instrument_threads`: the Context is carried without a change to the code that starts threads and submits tasks."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection
from typing import Any, Protocol

from nanospan._common.arguments import check_bool, check_texts
from nanospan._common.environment import boolean_variable
from nanospan.concurrency._patches.greenlets import GreenletPatch
from nanospan.concurrency._patches.pools import pool_patches
from nanospan.concurrency._patches.processes import process_patches
from nanospan.concurrency._patches.threads import thread_patch
from nanospan.concurrency._patches.tokens import TokenPatch

__all__ = ["Instrumentation", "ThreadingInstrumentor", "instrument_threads"]

logger = logging.getLogger(__name__)

SWITCH = "OTEL_PYTHON_NANOSPAN_THREADS"


class _Undoable(Protocol):
    def apply(self) -> bool: ...
    def undo(self) -> bool: ...


class Instrumentation:
    """What `instrument_threads` has replaced. As a context manager it is undone at the end."""

    def __init__(self, patches: list[_Undoable]) -> None:
        self._patches = patches

    def undo(self) -> None:
        """Put everything back. A replacement that another package has wrapped since stays, and calls through."""
        global _active
        with _lock:
            if _active is self:
                _active = None
                for patch in reversed(self._patches):
                    patch.undo()

    def __enter__(self) -> Instrumentation:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.undo()


_lock = threading.Lock()
_active: Instrumentation | None = None
_made: dict[tuple[bool, bool, tuple[str, ...]], list[_Undoable]] = {}
"""By their arguments. Replacements that could not be taken out are used again, not laid over each other."""


def instrument_threads(*, processes: bool = True, greenlets: bool = True, exclude: Collection[str] = ()) -> Instrumentation:
    """Carry the OpenTelemetry Context to threads, timers, tasks and callbacks of pools, child processes and greenlets.

    Replaces methods of `threading.Thread`, `concurrent.futures`, `multiprocessing.pool` and, with ``processes``, of
    `multiprocessing.Process` and `ProcessPoolExecutor`; with ``greenlets``, gevent's Greenlet if gevent is loaded. Pool
    workers start with an empty Context, each task has its own, nothing holds it after the task. Tokens of another context
    that `opentelemetry.context.detach` is given are counted, and not logged. A second call returns the first one's object.
    ``exclude``: packages whose threads and processes outlive the request that starts them, and are left alone.

    Raises TypeError for wrong arguments.
    """
    global _active
    check_bool("processes", processes)
    check_bool("greenlets", greenlets)
    key = (processes, greenlets, () if exclude == () else check_texts("exclude", exclude))
    with _lock:
        if _active is None:
            if (patches := _made.get(key)) is None:
                threads = thread_patch(key[2])
                patches = _made[key] = [TokenPatch(), threads, *pool_patches(threads, processes=processes)]
                if processes:
                    patches += process_patches(key[2])
                if greenlets:
                    patches.append(GreenletPatch())
            for patch in patches:
                patch.apply()
            _active = Instrumentation(patches)
        return _active


class ThreadingInstrumentor:
    """The entry point ``nanospan_threading`` of ``opentelemetry_instrumentor``.

    Calls `instrument_threads` where ``OTEL_PYTHON_NANOSPAN_THREADS`` is true, and changes nothing otherwise.
    """

    def instrument(self, **_: Any) -> None:
        if boolean_variable(logger, SWITCH):
            instrument_threads()

    def uninstrument(self, **_: Any) -> None:
        if _active is not None:
            _active.undo()
