"""`threading.Thread` and what derives from it: `run` has the Context of `start`."""

from __future__ import annotations

import contextvars
import functools
import threading
import types
from collections.abc import Callable, Iterable
from typing import Any

from nanospan._native.context import capture_once
from nanospan.concurrency._patches.patch import Patch

__all__ = ["WORKERS", "thread_patch"]

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


def _module(thread: threading.Thread) -> str:
    """Where the code of a thread is defined."""
    target = getattr(thread, "_target", None)
    return str(getattr(target, "__module__", None) or "") if target is not None else type(thread).__module__


def is_worker(thread: threading.Thread, excluded: tuple[str, ...]) -> bool:
    """Whether a thread belongs to one of the packages, by its target or its class."""
    module = _module(thread)
    return any(module == package or module.startswith(f"{package}.") for package in excluded)


def _of_the_thread(run: Callable[..., Any]) -> Callable[..., Any] | None:
    """The function of a bound ``run``, which is called with the thread first; None if it is not bound."""
    function: Callable[..., Any] | None = getattr(run, "__func__", None)
    if function is None or type(run) is types.MethodType:
        return function

    # A wrapper of wrapt, whose __func__ is what it wraps: called through that, the wrapper would be left out.
    @functools.wraps(function)
    def through(_: threading.Thread, *args: Any, **kwargs: Any) -> Any:
        return run(*args, **kwargs)

    return through


def thread_patch(exclude: Iterable[str] = ()) -> Patch:
    """``exclude``: packages whose threads are left alone, besides `WORKERS`."""
    excluded = (*WORKERS, *exclude)

    def start(original: Callable[..., Any], thread: threading.Thread, *args: Any, **kwargs: Any) -> Any:
        # Thread(context=...) is the application's own choice.
        if is_worker(thread, excluded) or isinstance(getattr(thread, "_context", None), contextvars.Context):
            return original(thread, *args, **kwargs)
        run = thread.run
        function = _of_the_thread(run)
        call = capture_once(run if function is None else function)
        if not call.context:
            return original(thread, *args, **kwargs)
        # `run` of every subclass and of every other patch is called through it; Sentry's asks it for __func__. The call lets
        # go of the Context when it begins.
        vars(thread)["run"] = call if function is None else types.MethodType(call, thread)
        try:
            return original(thread, *args, **kwargs)
        except BaseException:
            vars(thread).pop("run", None)
            raise

    return Patch(threading.Thread, "start", start)
