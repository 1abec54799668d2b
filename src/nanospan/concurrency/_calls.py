"""Functions that run in threads, executors and other processes with the Context of the caller."""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, Literal, ParamSpec, TypeVar, cast

from opentelemetry.context import get_current

from nanospan._common.arguments import safe_repr
from nanospan._native.context import ContextCall, attach_context, capture_once, detach_context, in_empty_context, submit_once
from nanospan.concurrency._empty import THREADS_INHERIT
from nanospan.concurrency._remote import reduce_call

__all__ = [
    "Carry",
    "ContextFuture",
    "ContextProcessPoolExecutor",
    "ContextThreadPoolExecutor",
    "call_in_context",
    "is_of_interpreters",
    "map",
    "run_in_executor",
    "submit",
    "wrap",
]

P = ParamSpec("P")
R = TypeVar("R")

Carry = Literal["span", "all"]
"""What a call carries: ``"span"``, the OpenTelemetry Context alone; ``"all"``, every context variable (`copy_context`)."""


class _Wrapped(ContextCall):
    """A call that looks like its function."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        functools.update_wrapper(self, function)


class _AllContextCall:
    """Calls ``function`` in a copy of the context of its creation: one copy a call, as two cannot enter one at once."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._captured = copy_context()
        functools.update_wrapper(self, function)
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._captured.copy().run(self._function, *args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        # Other variables need not be picklable, and mean nothing in another process.
        return reduce_call(ContextCall(self._function, self._captured.run(get_current)))


def call_in_context(function: Callable[P, R], *, carry: Carry = "span", once: bool = False) -> Callable[P, R]:
    """``function`` with the current Context. ``once``: for one call, after which it holds the Context no longer."""
    if not callable(function):
        raise TypeError(f"fn must be callable, not {safe_repr(function)}")
    if carry == "span":
        return cast(Callable[P, R], capture_once(function) if once else ContextCall(function))
    if carry == "all":
        return cast(Callable[P, R], _AllContextCall(function))
    raise ValueError(f'carry must be "span" or "all", not {safe_repr(carry)}')


def wrap(fn: Callable[P, R], *, carry: Carry = "span") -> Callable[P, R]:
    """``fn``, to be called with the Context that is current now: in whichever thread, as often as wanted, also at once.

    Of a coroutine function, or an object that is called as one, the coroutine runs with this Context; what a generator
    function gives runs with that of whoever iterates. In another process (the result can be pickled if ``fn``
    can) the current span is a remote one.

    Raises TypeError if ``fn`` is not callable, ValueError for another ``carry``.
    """
    if not callable(fn) or not (inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(type(fn).__call__)):
        if carry == "span" and callable(fn):
            return cast(Callable[P, R], _Wrapped(fn))
        return call_in_context(fn, carry=carry)
    if carry not in ("span", "all"):
        raise ValueError(f'carry must be "span" or "all", not {safe_repr(carry)}')
    call: Callable[..., Any] = fn
    captured = get_current()
    values = copy_context() if carry == "all" else None

    @functools.wraps(fn)
    async def run(*args: P.args, **kwargs: P.kwargs) -> Any:
        if values is not None:
            return await asyncio.get_running_loop().create_task(call(*args, **kwargs), context=values.copy())
        token = attach_context(captured)
        try:
            return await call(*args, **kwargs)
        finally:
            detach_context(token)

    return cast(Callable[P, R], run)


def is_of_interpreters(pool: object) -> bool:
    """Whether the tasks of a pool run in other interpreters, which cannot load nanospan."""
    if type(pool) is ThreadPoolExecutor:
        return False
    module = sys.modules.get("concurrent.futures.interpreter")
    return module is not None and isinstance(pool, module.InterpreterPoolExecutor)


def submit(pool: Executor, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
    """``pool.submit(fn, *args, **kwargs)`` with the current Context.

    For a pool of processes the span is a remote one there. `InterpreterPoolExecutor` gets ``fn`` as it is.
    """
    if type(pool) is not ThreadPoolExecutor and is_of_interpreters(pool):
        return in_empty_context(pool.submit, fn, *args, **kwargs) if THREADS_INHERIT else pool.submit(fn, *args, **kwargs)
    if not callable(fn):
        raise TypeError(f"fn must be callable, not {safe_repr(fn)}")
    if THREADS_INHERIT:
        return cast("Future[R]", in_empty_context(pool.submit, capture_once(fn), *args, **kwargs))
    return cast("Future[R]", submit_once(pool, fn, args, kwargs))


def map(
    pool: Executor,
    fn: Callable[..., R],
    *iterables: Iterable[Any],
    timeout: float | None = None,
    chunksize: int = 1,
) -> Iterator[R]:
    """``pool.map(fn, *iterables)`` with the current Context for each item."""
    call = fn if is_of_interpreters(pool) else call_in_context(fn)
    if not THREADS_INHERIT:
        return pool.map(call, *iterables, timeout=timeout, chunksize=chunksize)
    # The iterables, which can be generators, run in the caller's Context.
    columns = list(zip(*zip(*iterables, strict=False), strict=True)) or [()]
    return cast("Iterator[R]", in_empty_context(pool.map, call, *columns, timeout=timeout, chunksize=chunksize))


def run_in_executor(
    loop: asyncio.AbstractEventLoop, pool: Executor | None, fn: Callable[..., R], *args: Any
) -> asyncio.Future[R]:
    """``loop.run_in_executor(pool, fn, *args)`` with the current Context; ``pool`` None: the loop's own."""
    call = fn if pool is not None and is_of_interpreters(pool) else call_in_context(fn, once=True)
    if THREADS_INHERIT:
        return cast("asyncio.Future[R]", in_empty_context(loop.run_in_executor, pool, call, *args))
    return loop.run_in_executor(pool, call, *args)


class ContextFuture(Future[R]):
    """A future whose callbacks run with the Context of their registration, as those of asyncio do."""

    def add_done_callback(self, fn: Callable[[Future[R]], object]) -> None:
        super().add_done_callback(call_in_context(fn, once=True))


def _submitted(submit: Callable[..., Future[R]], fn: Callable[..., R], *args: Any, **kwargs: Any) -> Future[R]:
    call = call_in_context(fn, once=True)
    if THREADS_INHERIT:
        return cast("Future[R]", in_empty_context(submit, call, *args, **kwargs))
    return submit(call, *args, **kwargs)


class ContextThreadPoolExecutor(ThreadPoolExecutor):
    """A ThreadPoolExecutor whose tasks run with the Context of their submission.

    Callbacks of its futures run with that of their registration.
    """

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Schedule the call with the current Context."""
        future = _submitted(super().submit, fn, *args, **kwargs)
        # The base class makes the future. Both classes have the same layout.
        future.__class__ = ContextFuture
        return future


class ContextProcessPoolExecutor(ProcessPoolExecutor):
    """A ProcessPoolExecutor whose tasks run with the Context of their submission; the span is a remote one there."""

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Schedule the call with the current Context, as traceparent, tracestate and baggage."""
        future = _submitted(super().submit, fn, *args, **kwargs)
        future.__class__ = ContextFuture
        return future
