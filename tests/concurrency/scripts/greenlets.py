"""Greenlets by each way of gevent, with and without monkey patching: prints whose Context each had."""

from __future__ import annotations

import sys

if "monkey" in sys.argv:
    from gevent import monkey

    monkey.patch_all()

import json
import threading
from typing import Any

import gevent
import gevent.pool
from opentelemetry.trace import get_current_span

import nanospan
from nanospan import concurrency

tracer = nanospan.TracerProvider(shutdown_on_exit=False).get_tracer("greenlets")
spawn_before, class_before = gevent.spawn, gevent.Greenlet


def current(_: Any = None) -> str:
    gevent.sleep(0)
    return getattr(get_current_span(), "name", "none")


def found() -> dict[str, str]:
    pool, group = gevent.pool.Pool(2), gevent.pool.Group()
    threads: list[str] = []
    thread = threading.Thread(target=lambda: threads.append(current()))
    greenlets = {
        "spawn": gevent.spawn(current),
        "spawn_later": gevent.spawn_later(0, current),
        "Greenlet": gevent.Greenlet(current),
        "Greenlet.spawn": gevent.Greenlet.spawn(current),
        "Pool": pool.spawn(current),
        "Group": group.spawn(current),
    }
    greenlets["Greenlet"].start()
    thread.start()
    gevent.joinall(list(greenlets.values()))
    thread.join()
    results = {name: greenlet.value for name, greenlet in greenlets.items()}
    results["map"] = pool.map(current, [1])[0]
    results["Thread"] = threads[0]
    return results


with concurrency.instrument_threads():
    with tracer.start_as_current_span("request"):
        inside = found()
    outside = found()
assert (gevent.spawn, gevent.Greenlet) == (spawn_before, class_before)
with tracer.start_as_current_span("request"):
    undone = found()
print(json.dumps({"inside": inside, "outside": outside, "undone": undone}))
