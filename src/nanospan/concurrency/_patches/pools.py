"""Pools of threads and of processes: a task has the Context of its submission, a worker none.

Whatever starts workers runs in an empty Context, so that neither the workers, nor the threads that manage them, nor the
instrumentations of others can capture that of the first task. An interpreter of its own cannot load nanospan: tasks of an
`InterpreterPoolExecutor` are left alone.
"""

from __future__ import annotations

import functools
import multiprocessing.pool
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from types import FunctionType
from typing import Any

from nanospan._native.context import ContextCall, SubmitSwitch, capture_once, in_empty_context
from nanospan.concurrency._calls import is_of_interpreters
from nanospan.concurrency._empty import THREADS_INHERIT
from nanospan.concurrency._patches.patch import Patch

__all__ = ["pool_patches"]


def _seen_by_new_threads(thread_start: Patch) -> Callable[[Any], bool]:
    """Whether a thread that a pool starts would see, or keep, the current Context.

    It would by the interpreter's own doing, or by the replacement that another package has made of `Thread.start`.
    """

    def is_seen(start: Any) -> bool:
        own = start is thread_start.replacement
        stock = type(start) is FunctionType and start.__code__.co_filename == threading.__file__
        return THREADS_INHERIT or not (own or stock)

    return is_seen


def _seen_by_new_processes(_: Any) -> bool:
    return True  # a forked process has it all


class SubmitPatch(Patch):
    """``submit`` of an executor: a native decision, because nothing else is called as often."""

    def __init__(self, owner: Any, is_seen: Callable[[Any], bool]) -> None:
        super().__init__(owner, "submit", _unused)
        self._switch = SubmitSwitch(owner, is_of_interpreters, is_seen)

    def _over(self, original: Any) -> Any:
        carried = self._switch.submit

        # A function of Python: ddtrace rewrites the bytecode of what it finds here.
        @functools.wraps(original)
        def submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
            return carried(original, self, fn, args, kwargs)

        return submit

    def apply(self) -> bool:
        done = super().apply()
        self._switch.active = self._active
        return done

    def undo(self) -> bool:
        self._switch.active = False
        return super().undo()


def _unused(*_: Any) -> None:
    raise AssertionError("submit decides")


def _add_done_callback(original: Callable[..., Any], future: Any, fn: Any) -> Any:
    return original(future, capture_once(fn) if callable(fn) else fn)


def _pool_call(once: bool, *callbacks: int) -> Callable[..., Any]:
    """Around a method of a pool whose first parameter is ``func``. ``callbacks``: the places of those, after the pool."""

    def call(original: Callable[..., Any], pool: Any, /, *args: Any, **kwargs: Any) -> Any:
        def carried(place: int | str, value: Any) -> Any:
            if not callable(value):
                return value
            if place in (0, "func"):
                return ContextCall(value, once=once)
            return ContextCall(value, once=True) if place in (*callbacks, "callback", "error_callback") else value

        named = {name: carried(name, value) for name, value in kwargs.items()}
        return original(pool, *(carried(place, value) for place, value in enumerate(args)), **named)

    return call


def pool_patches(thread_start: Patch, *, processes: bool) -> list[Patch]:
    """The pools of `concurrent.futures` and `multiprocessing.pool`. ``thread_start``: the replacement of `Thread.start`."""
    pool = multiprocessing.pool.Pool
    patches = [
        SubmitPatch(ThreadPoolExecutor, _seen_by_new_threads(thread_start)),
        Patch(Future, "add_done_callback", _add_done_callback),
        # ThreadPool derives from Pool, of processes; both start workers and threads here. `apply` calls apply_async.
        Patch(pool, "__init__", in_empty_context),
    ]
    for owner in (pool,) if processes else (multiprocessing.pool.ThreadPool,):
        patches += [
            Patch(owner, "apply_async", _pool_call(True, 3, 4)),
            Patch(owner, "map_async", _pool_call(False, 3, 4)),
            Patch(owner, "starmap_async", _pool_call(False, 3, 4)),
            *(Patch(owner, name, _pool_call(False)) for name in ("map", "starmap", "imap", "imap_unordered")),
        ]
    if processes:
        patches.append(SubmitPatch(ProcessPoolExecutor, _seen_by_new_processes))
    return patches
