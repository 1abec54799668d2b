"""Greenlets and threads by each way of gevent, with and without monkey patching: prints whose Context each had."""

from __future__ import annotations

import sys

if "monkey" in sys.argv:
    from gevent import monkey

    monkey.patch_all()

import contextvars
import gc
import json
import threading
import weakref
from collections.abc import Callable
from typing import Any

import gevent
import gevent.pool
import gevent.threadpool
from gevent import Greenlet, spawn  # before instrument_threads, as applications do
from opentelemetry.trace import get_current_span

import nanospan
from nanospan import concurrency

tracer = nanospan.TracerProvider(shutdown_on_exit=False).get_tracer("greenlets")
constructor_before, threads_before = vars(Greenlet)["__init__"], gevent.threadpool.ThreadPool.spawn


class Plain(Greenlet):
    """A subclass that exists before."""


class WithConstructor(Greenlet):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.own = True


class WithRun(Greenlet):
    def _run(self) -> str:
        return current()


class WithContext(Greenlet):
    """It chooses the Context of its greenlets."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.gr_context = contextvars.Context()


def current(_: Any = None) -> str:
    gevent.sleep(0)
    return getattr(get_current_span(), "name", "none")


def in_a_thread(_: Any = None) -> str:
    return getattr(get_current_span(), "name", "none")


def found() -> dict[str, str]:
    pool, group = gevent.pool.Pool(2), gevent.pool.Group()
    threads: list[str] = []
    thread = threading.Thread(target=lambda: threads.append(current()))
    made_since = type("MadeSince", (gevent.Greenlet,), {})
    greenlets = {
        "spawn": gevent.spawn(current),
        "spawn, imported before": spawn(current),
        "spawn_later": gevent.spawn_later(0, current),
        "Greenlet": gevent.Greenlet(current),
        "Greenlet.spawn": gevent.Greenlet.spawn(current),
        "Plain": Plain(current),
        "Plain.spawn": Plain.spawn(current),
        "WithConstructor": WithConstructor(current),
        "WithRun": WithRun(),
        "MadeSince": made_since(current),
        "Pool": pool.spawn(current),
        "Group": group.spawn(current),
    }
    assert all(isinstance(one, gevent.Greenlet) and isinstance(one, Greenlet) for one in greenlets.values())
    for name in ("Greenlet", "Plain", "WithConstructor", "WithRun", "MadeSince"):
        greenlets[name].start()
    thread.start()
    gevent.joinall(list(greenlets.values()))
    thread.join()
    results = {name: greenlet.value for name, greenlet in greenlets.items()}
    results["map"] = pool.map(current, [1])[0]
    results["Thread"] = threads[0]
    return results | in_threads(gevent.get_hub().threadpool)


def in_threads(pool: Any) -> dict[str, str]:
    with gevent.threadpool.ThreadPoolExecutor(1) as executor:
        return {
            "threadpool.spawn": pool.spawn(in_a_thread).get(),
            "threadpool.spawn(func=)": pool.spawn(func=in_a_thread).get(),
            "threadpool.apply": pool.apply(in_a_thread),
            "threadpool.apply_async": pool.apply_async(in_a_thread).get(),
            "threadpool.map": pool.map(in_a_thread, [1])[0],
            "threadpool.imap": next(iter(pool.imap_unordered(in_a_thread, [1]))),
            "ThreadPoolExecutor": executor.submit(in_a_thread).result(),
        }


def held_by_a_worker() -> bool:
    """Whether anything holds the span of a request whose task has run."""
    with tracer.start_as_current_span("request") as span:
        gevent.get_hub().threadpool.apply(in_a_thread)
        gevent.spawn(in_a_thread).join()
        held = weakref.ref(span)
    del span
    gevent.get_hub().threadpool.apply(int)  # the worker's last task is another one
    gevent.sleep(0)
    gc.collect()
    return held() is not None


def replaced_over() -> Callable[[], bool]:
    """A replacement of the application's over ours: the answer of the function is whether it was left there."""
    ours = gevent.threadpool.ThreadPool.spawn

    def spawn(*arguments: Any, **named: Any) -> Any:
        return ours(*arguments, **named)

    gevent.threadpool.ThreadPool.spawn = spawn
    return lambda: gevent.threadpool.ThreadPool.spawn is spawn


with concurrency.instrument_threads():
    with tracer.start_as_current_span("request"):
        inside = found()
        chosen = WithContext(current)
        chosen.start()
        chosen.join()
    outside = found()
    held = held_by_a_worker()
assert vars(Greenlet)["__init__"] is constructor_before
assert gevent.threadpool.ThreadPool.spawn is threads_before
with tracer.start_as_current_span("request"):
    undone = found()
with concurrency.instrument_threads():
    is_left = replaced_over()
assert is_left()
with tracer.start_as_current_span("request"):
    left = found()
with concurrency.instrument_threads(), tracer.start_as_current_span("request"):
    again = found()
report = {"inside": inside, "outside": outside, "undone": undone, "left": left, "again": again}
print(json.dumps({**report, "chosen": chosen.value, "held": held}))
