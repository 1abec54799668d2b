"""Pools of threads and of processes: a task has the Context of its submission, a worker none.

Whatever starts workers runs in an empty Context, so that neither the workers, nor the threads that manage them, nor the
instrumentations of others can capture that of the first task. An interpreter of its own cannot load nanospan:
`InterpreterPoolExecutor` is left alone.
"""

from __future__ import annotations

import multiprocessing.pool
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

from opentelemetry.context import Context, attach, get_current

from nanospan._native.context import ContextCall, detach_context
from nanospan.concurrency._calls import is_of_interpreters
from nanospan.concurrency._patches.patch import Patch

__all__ = ["in_empty_context", "pool_patches"]

_EMPTY = Context()


def in_empty_context(original: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    if not get_current():
        return original(*args, **kwargs)
    token = attach(_EMPTY)
    try:
        return original(*args, **kwargs)
    finally:
        detach_context(token)


def _submit(original: Callable[..., Any], pool: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
    if is_of_interpreters(pool) or not callable(fn):
        return original(pool, fn, *args, **kwargs)
    return in_empty_context(original, pool, ContextCall(fn, once=True), *args, **kwargs)


def _add_done_callback(original: Callable[..., Any], future: Any, fn: Any) -> Any:
    return original(future, ContextCall(fn, once=True) if callable(fn) else fn)


def _carried(arguments: tuple[Any, ...], named: dict[str, Any], callbacks: tuple[int, ...]) -> tuple[Any, ...]:
    """The arguments with the callbacks, which stand at these places or bear these names, in the current Context."""
    for name in ("callback", "error_callback"):
        if callable(named.get(name)):
            named[name] = ContextCall(named[name], once=True)
    if len(arguments) > min(callbacks, default=len(arguments)):
        return tuple(
            ContextCall(one, once=True) if place in callbacks and callable(one) else one
            for place, one in enumerate(arguments)
        )
    return arguments


def _pool_call(once: bool, *callbacks: int) -> Callable[..., Any]:
    def call(original: Callable[..., Any], pool: Any, func: Any, /, *args: Any, **kwargs: Any) -> Any:
        if callable(func):
            func = ContextCall(func, once=once)
        return original(pool, func, *_carried(args, kwargs, callbacks), **kwargs)

    return call


def pool_patches(*, processes: bool) -> list[Patch]:
    """The pools of `concurrent.futures` and `multiprocessing.pool`."""
    pool = multiprocessing.pool.Pool
    patches = [
        Patch(ThreadPoolExecutor, "submit", _submit),
        Patch(Future, "add_done_callback", _add_done_callback),
        # ThreadPool derives from Pool, of processes; both start workers and threads here. `apply` calls apply_async.
        Patch(pool, "__init__", in_empty_context),
    ]
    for owner in (pool,) if processes else (multiprocessing.pool.ThreadPool,):
        patches += [
            Patch(owner, "apply_async", _pool_call(True, 2, 3)),
            Patch(owner, "map_async", _pool_call(False, 2, 3)),
            Patch(owner, "starmap_async", _pool_call(False, 2, 3)),
            *(Patch(owner, name, _pool_call(False)) for name in ("map", "starmap", "imap", "imap_unordered")),
        ]
    if processes:
        patches.append(Patch(ProcessPoolExecutor, "submit", _submit))
    return patches
