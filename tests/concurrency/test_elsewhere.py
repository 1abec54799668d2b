"""Detached work, queues within a process, and environments of child processes."""

from __future__ import annotations

import asyncio
import gc
import json
import queue
import subprocess
import sys
import threading
import weakref
from typing import Any

import pytest
from concurrency.conftest import Recorded
from opentelemetry import baggage, context
from opentelemetry.trace import SpanKind, get_current_span

from nanospan import concurrency


def test_detached_is_a_root_with_a_link(recorded: Recorded) -> None:
    with recorded.tracer.start_as_current_span("request") as request:
        token = context.attach(baggage.set_baggage("who", "request"))
        with concurrency.detached("refresh", tracer=recorded.tracer, attributes={"a": 1}) as span:
            assert get_current_span() is span
            assert baggage.get_all() == {}
            with recorded.tracer.start_as_current_span("child"):
                pass
        assert get_current_span() is request
        context.detach(token)
    refresh = recorded.one("refresh")
    assert refresh.parent is None
    assert [link.context for link in refresh.links] == [request.get_span_context()]
    assert refresh.attributes == {"a": 1}
    assert recorded.one("child").parent == refresh.context
    with concurrency.detached(tracer=recorded.tracer):
        pass
    assert recorded.one("detached").links == ()


def test_a_spawned_task_outlives_its_request_and_holds_nothing_of_it(recorded: Recorded) -> None:
    async def main() -> None:
        go_on = asyncio.Event()

        async def refresh() -> str:
            await go_on.wait()
            with recorded.tracer.start_as_current_span("query"):
                return "done"

        with recorded.tracer.start_as_current_span("request") as request:
            task = concurrency.spawn_detached(refresh(), tracer=recorded.tracer)
        ids.append(request.get_span_context())
        alive = weakref.ref(request)
        del request
        recorded._exporter.clear()
        await asyncio.sleep(0)
        gc.collect()
        assert alive() is None
        go_on.set()
        assert await task == "done"

    ids: list[Any] = []
    asyncio.run(main())
    root = recorded.one(next(span.name for span in recorded.spans() if "refresh" in span.name))
    assert root.parent is None
    assert [link.context for link in root.links] == ids
    assert recorded.one("query").parent == root.context


def test_spawning_without_a_loop_closes_the_coroutine() -> None:
    async def work() -> None: ...

    coro = work()
    with pytest.raises(RuntimeError, match="no running event loop"):
        concurrency.spawn_detached(coro)
    assert coro.cr_frame is None


@pytest.mark.parametrize("kind", [queue.Queue, queue.LifoQueue, queue.PriorityQueue, queue.SimpleQueue])
def test_items_of_a_queue_link_to_whoever_put_them(recorded: Recorded, kind: Any) -> None:
    items = concurrency.carrying(kind())
    assert concurrency.carrying(items) is items
    putters = {}
    for number in (2, 1):
        with recorded.tracer.start_as_current_span(f"put {number}") as span:
            items.put(number)
        putters[number] = span.get_span_context()
    items.put_nowait(3)
    assert items.qsize() == 3

    def consume() -> None:
        for _ in range(2):
            with items.process("work", tracer=recorded.tracer, timeout=60) as (item, span):
                span.set_attribute("item", item)

    thread = threading.Thread(target=consume)
    thread.start()
    thread.join()
    for span in recorded.spans():
        if span.name == "work":
            assert span.parent is None
            assert span.kind is SpanKind.CONSUMER
            number = span.attributes["item"]
            assert [link.context for link in span.links] == ([putters[number]] if number in putters else [])
    taken = items.take(block=False)
    assert taken.span_context == putters.get(taken.item)
    with pytest.raises(queue.Empty):
        items.get_nowait()
    if kind is queue.PriorityQueue:
        assert taken.item == 3


def test_a_queue_keeps_no_span(recorded: Recorded) -> None:
    items: Any = concurrency.carrying(queue.Queue())
    with recorded.tracer.start_as_current_span("put") as span:
        items.put("item")
    alive = weakref.ref(span)
    recorded._exporter.clear()
    del span
    gc.collect()
    assert alive() is None
    assert items.get() == "item"


def test_items_that_were_put_past_the_wrapper(recorded: Recorded) -> None:
    inner: queue.Queue[str] = queue.Queue()
    inner.put("plain")
    assert concurrency.carrying(inner).take() == concurrency.Taken("plain", None)


def test_an_asyncio_queue(recorded: Recorded) -> None:
    async def main() -> None:
        items = concurrency.carrying(asyncio.Queue[str](2))
        with recorded.tracer.start_as_current_span("put") as span:
            await items.put("one")
            items.put_nowait("two")
        assert items.full()
        async with items.process("work", tracer=recorded.tracer) as (item, _):
            assert item == "one"
        assert recorded.one("work").links[0].context == span.get_span_context()
        taken = await items.take()
        assert (taken.item, taken.span_context) == ("two", span.get_span_context())
        await items.put("three")
        assert await items.get() == "three"

    asyncio.run(main())


def test_what_is_no_queue() -> None:
    with pytest.raises(TypeError, match="queue must be a queue of the modules queue or asyncio"):
        concurrency.carrying([])  # type: ignore[call-overload]


CHILD = """
import json, os
from nanospan import concurrency
from opentelemetry import baggage, trace
context = concurrency.context_from_environ()
span = trace.get_current_span(context).get_span_context()
print(json.dumps([span.trace_id, span.span_id, span.is_remote, baggage.get_baggage("who", context)]))
"""


def test_a_child_process_reads_its_environment(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACEPARENT", "00-11111111111111111111111111111111-2222222222222222-01")
    monkeypatch.setenv("TRACESTATE", "old=1")
    with recorded.tracer.start_as_current_span("request") as span:
        token = context.attach(baggage.set_baggage("who", "mé"))
        env = concurrency.environ_for_child()
        context.detach(token)
    assert "TRACESTATE" not in env  # of another trace
    run = subprocess.run([sys.executable, "-c", CHILD], env=env, capture_output=True, text=True, check=True)
    own = span.get_span_context()
    assert json.loads(run.stdout) == [own.trace_id, own.span_id, True, "mé"]

    assert {"TRACEPARENT", "TRACESTATE", "BAGGAGE"} & set(concurrency.environ_for_child()) == set()
    assert concurrency.environ_for_child({"A": "b", "TRACEPARENT": "stale"}) == {"A": "b"}
    found = get_current_span(concurrency.context_from_environ()).get_span_context()
    assert found.span_id == 0x2222222222222222
    assert found.trace_state.get("old") == "1"


@pytest.mark.parametrize("value", ["", "00-", "x" * 10_000, "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "\udcff"])
def test_what_cannot_be_read_is_no_context(value: str) -> None:
    environ = {"TRACEPARENT": value, "TRACESTATE": value, "BAGGAGE": value}
    assert not get_current_span(concurrency.context_from_environ(environ)).get_span_context().is_valid
