"""`threading.Thread` and what derives from it: `run` has the Context of `start`."""

from __future__ import annotations

import contextvars
import functools
import threading
import types
from collections.abc import Callable, Iterable
from typing import Any

from nanospan._native.context import capture_once, in_empty_context
from nanospan.concurrency._empty import THREADS_INHERIT
from nanospan.concurrency._patches.patch import Patch

__all__ = ["WORKERS", "is_worker", "thread_patch"]

_MISSING: Any = object()

WORKERS = (
    "anyio",
    "asgiref",
    "concurrent.futures",
    "gevent",
    "grpc",
    "multiprocessing",
    "nanospan",
    "opentelemetry",
    "sentry_sdk",
    "ddtrace",
    "trio",
)
"""Packages whose threads outlive the call that starts them: a Context that they kept would be that of whoever came first.

Tasks that they run are carried by other patches, or by the packages themselves.
"""


def _module(work: object) -> str:
    """Where the code of a thread or process is defined."""
    target = getattr(work, "_target", None)
    if target is None:
        return type(work).__module__
    try:
        return str(getattr(target, "__module__", None) or "")
    except Exception:  # of a proxy that is not bound
        return ""


def is_worker(work: object, excluded: tuple[str, ...]) -> bool:
    """Whether a thread or process belongs to one of the packages, by its target or its class."""
    module = _module(work)
    return any(module == package or module.startswith(f"{package}.") for package in excluded)


def _of_the_thread(thread: threading.Thread, run: Callable[..., Any]) -> Callable[..., Any] | None:
    """The function of a bound ``run``, which is called with the thread first; None if it is not bound."""
    function: Callable[..., Any] | None = getattr(run, "__func__", None)
    if function is None or (type(run) is types.MethodType and run.__self__ is thread):
        return function

    # A method of another object, or a wrapper of wrapt, whose __func__ is what it wraps: called through that, the object or
    # the wrapper would be left out.
    @functools.wraps(function)
    def through(_: threading.Thread, *args: Any, **kwargs: Any) -> Any:
        return run(*args, **kwargs)

    return through


def thread_patch(exclude: Iterable[str] = ()) -> Patch:
    """``exclude``: packages whose threads are left alone, besides `WORKERS`."""
    excluded = (*WORKERS, *exclude)

    def start(original: Callable[..., Any], thread: threading.Thread, *args: Any, **kwargs: Any) -> Any:
        # Thread(context=...) is the application's own choice.
        if isinstance(getattr(thread, "_context", None), contextvars.Context):
            return original(thread, *args, **kwargs)
        if is_worker(thread, excluded):
            if THREADS_INHERIT:
                return in_empty_context(original, thread, *args, **kwargs)
            return original(thread, *args, **kwargs)
        run = thread.run
        function = _of_the_thread(thread, run)
        own = vars(thread)
        before = own.get("run", _MISSING)

        def put_back() -> None:
            # Otherwise the thread would hold itself, and could not be started again after another `__init__`.
            if own.get("run") is not replacement:
                return
            if before is _MISSING:
                own.pop("run", None)
            else:
                own["run"] = before

        def once(*arguments: Any, **named: Any) -> Any:
            put_back()
            return (run if function is None else function)(*arguments, **named)

        call = capture_once(once)
        if not call.context:
            return original(thread, *args, **kwargs)
        # `run` of every subclass and of every other patch is called through it; Sentry's asks it for __func__. The call lets
        # go of the Context when it begins.
        replacement = own["run"] = call if function is None else types.MethodType(call, thread)
        try:
            return original(thread, *args, **kwargs)
        except BaseException:
            put_back()
            raise

    return Patch(threading.Thread, "start", start)
