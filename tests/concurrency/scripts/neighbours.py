"""nanospan's replacements with those of another package, made and undone in the order of the first argument.

The argument is a list of steps: +nanospan, -nanospan, +contrib, -contrib, +sentry, +ddtrace. After each a line of JSON tells
whose Context a task, a thread and a callback had, and what the worker holds.
"""

from __future__ import annotations

import gc
import json
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from opentelemetry import trace
from opentelemetry.trace import get_current_span

import nanospan
from nanospan import concurrency

tracer = nanospan.TracerProvider(shutdown_on_exit=False).get_tracer("neighbours")
made: dict[str, Any] = {}


def step(name: str) -> None:
    if name == "+nanospan":
        made["nanospan"] = concurrency.instrument_threads()
    elif name == "-nanospan":
        made.pop("nanospan").undo()
    elif name in ("+contrib", "-contrib"):
        from opentelemetry.instrumentation.threading import ThreadingInstrumentor

        (ThreadingInstrumentor().instrument if name[0] == "+" else ThreadingInstrumentor().uninstrument)()
    elif name == "+sentry":
        import sentry_sdk
        from sentry_sdk.integrations.threading import ThreadingIntegration

        sentry_sdk.init(default_integrations=False, integrations=[ThreadingIntegration()])
    elif name == "+ddtrace":
        import ddtrace

        ddtrace.patch(futures=True)


def current() -> str:
    span = get_current_span()
    return getattr(span, "name", "none") if span is not trace.INVALID_SPAN else "none"


def found() -> dict[str, Any]:
    released = threading.Event()
    callbacks: list[str] = []
    spans = []
    with ThreadPoolExecutor(1) as pool:
        with tracer.start_as_current_span("first") as span:
            tasks = [pool.submit(current).result()]
            spans.append(weakref.ref(span))
        with tracer.start_as_current_span("second") as span:
            tasks.append(pool.submit(current).result())
            future = pool.submit(released.wait)
            future.add_done_callback(lambda _: callbacks.append(current()))
            spans.append(weakref.ref(span))
            threads: list[str] = []
            thread = threading.Thread(target=lambda: threads.append(current()))
            thread.start()
            thread.join()
        released.set()
        future.result()
        tasks.append(pool.submit(current).result())
        del span, thread, future
        gc.collect()
        held = [one is not None and one().name for one in spans if one() is not None]
    return {"tasks": tasks, "thread": threads, "callbacks": callbacks, "held": held}


def methods() -> dict[str, str]:
    owners = {"Thread.start": threading.Thread.start, "submit": ThreadPoolExecutor.submit}
    return {name: f"{type(method).__module__}.{getattr(method, '__module__', '')}" for name, method in owners.items()}


def is_wrapped_by_ddtrace() -> bool:
    """Whether ddtrace's wrapper is called, which it has put into the code of a function."""
    if "ddtrace" not in sys.modules:
        return False
    from ddtrace.internal.wrapping import is_wrapped

    function = vars(ThreadPoolExecutor)["submit"]
    while not is_wrapped(function) and (inner := getattr(function, "__wrapped__", None)) is not None:
        function = inner
    return bool(is_wrapped(function))


before = (threading.Thread.start, ThreadPoolExecutor.submit)
for name in sys.argv[1].split():
    step(name)
    print(
        json.dumps(
            {
                "step": name,
                **found(),
                "ddtrace": is_wrapped_by_ddtrace(),
                "as_before": before == (threading.Thread.start, ThreadPoolExecutor.submit),
            }
        )
    )
