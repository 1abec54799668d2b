"""The shapes of test_reported.py, with what its argument names: "stock", "contrib" or "nanospan". Prints an answer for each.

"stock" is the SDK's provider alone, "contrib" has the threading instrumentation beside it, and "nanospan" is nanospan's
provider with `instrument_threads`, and with an explicit helper where nothing else can know.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import json
import logging
import multiprocessing
import multiprocessing.pool
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import anyio.to_thread
from asgiref.sync import async_to_sync, sync_to_async
from fastapi import Depends, FastAPI
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import TracerProvider as StockProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import get_current_span
from starlette.concurrency import run_in_threadpool

from nanospan import TracerProvider, concurrency

MODE = sys.argv[1] if len(sys.argv) > 1 else "stock"
WITH_NANOSPAN = MODE == "nanospan"

exporter = InMemorySpanExporter()
provider = (TracerProvider if WITH_NANOSPAN else StockProvider)(shutdown_on_exit=False)
provider.add_span_processor(SimpleSpanProcessor(exporter))
tracer = provider.get_tracer("reported")


class Complaints(logging.Handler):
    count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += record.getMessage() == "Failed to detach context"


complaints = Complaints()
logging.getLogger("opentelemetry.context").addHandler(complaints)
logging.getLogger("opentelemetry.context").propagate = False


def name_of(span: Any) -> str:
    return getattr(span, "name", "none") if span.get_span_context().is_valid else "none"


def current() -> str:
    return name_of(get_current_span())


def trace_id(_: Any = None) -> int:
    return get_current_span().get_span_context().trace_id


# --- tokens of another context: each of these holds three ---


@contextmanager
def held() -> Iterator[None]:
    """The three ways in which a token is held: nanospan's or the SDK's span, the API's use_span, the API's attach."""
    with tracer.start_as_current_span("span"), trace.use_span(trace.NonRecordingSpan(trace.INVALID_SPAN_CONTEXT)):
        token = context.attach(baggage.set_baggage("who", "request"))
        try:
            yield
        finally:
            context.detach(token)


def generator() -> Iterator[int]:
    with held():
        yield from range(3)


async def async_generator() -> AsyncIterator[int]:
    with held():
        for number in range(3):
            yield number


def detaching(run: Callable[[], Any]) -> Callable[[], Any]:
    def answer() -> dict[str, Any]:
        before, counted = complaints.count, concurrency.stats()["foreign_detach"]
        seen = contextvars.copy_context().run(lambda: (run(), current())[1])
        gc.collect()
        return {
            "complaints": complaints.count - before,
            "counted": concurrency.stats()["foreign_detach"] - counted,
            "current": seen,
        }

    return answer


async def closed_by_another_task() -> None:
    numbers = async_generator()
    # Each of the two runs in a task, and so in a copy of the context.
    await asyncio.create_task(_next(numbers))
    await asyncio.create_task(_close(numbers))


async def _next(numbers: Any) -> None:
    await numbers.__anext__()


async def _close(numbers: Any) -> None:
    await numbers.aclose()


async def left_to_the_loop() -> None:
    async def first() -> None:
        async for _ in async_generator():
            break  # which does not close it

    await asyncio.create_task(first())
    gc.collect()
    await asyncio.sleep(0)  # the loop closes it in a task of its own


def collected() -> None:
    numbers = generator()
    contextvars.copy_context().run(next, numbers)
    del numbers
    gc.collect()


app = FastAPI()


def dependency() -> Iterator[None]:
    with held():
        yield


@app.get("/dependency")
def with_dependency(_: None = Depends(dependency)) -> str:
    return "answered"


@app.get("/stream")
def stream() -> StreamingResponse:
    return StreamingResponse(str(number) for number in generator())


def fetched(path: str, text: str) -> Callable[[], None]:
    def run() -> None:
        with TestClient(app) as client:
            assert text in client.get(path).text

    return run


# --- whose the spans are ---


def long_lived_task() -> dict[str, Any]:
    """A connection's writer, which the first request starts, and every other request uses."""
    exporter.clear()

    async def requests() -> None:
        queue: asyncio.Queue[str | None] = asyncio.Queue()

        async def write() -> None:
            while (item := await queue.get()) is not None:
                with tracer.start_as_current_span(f"write {item}"):
                    pass

        writer: asyncio.Task[None] | None = None
        for request in ("first", "second", "third"):
            with tracer.start_as_current_span(request):
                if writer is None and WITH_NANOSPAN:
                    writer = concurrency.spawn_detached(write(), name="writer", tracer=tracer)
                elif writer is None:
                    writer = asyncio.create_task(write())
                await queue.put(request)
        await queue.put(None)
        assert writer is not None
        await writer

    asyncio.run(requests())
    spans = {span.name: span for span in exporter.get_finished_spans()}
    first = spans["first"].context.trace_id
    linked = [link.context.trace_id for span in spans.values() for link in span.links]
    return {
        "of the first request": sorted(name for name, span in spans.items() if span.context.trace_id == first),
        "linked to it": linked == [first],
    }


def background_task() -> dict[str, Any]:
    """It goes on after the handler that started it."""

    async def request() -> None:
        over = asyncio.Event()

        async def background() -> None:
            await over.wait()
            tracer.start_span("query").end()

        with tracer.start_as_current_span("request"):
            with tracer.start_as_current_span("handler"):
                task = asyncio.create_task(background())
            over.set()
            await task

    logging.getLogger("nanospan.concurrency").addHandler(logging.NullHandler())
    with concurrency.detect() as detection:
        asyncio.run(request())
        return {"noticed": {name: count for name, count in detection.stats()["signals"].items() if count}}


def pool_of_threads() -> list[str]:
    with tracer.start_as_current_span("makes the pool"):
        pool = multiprocessing.pool.ThreadPool(1)
    with pool:
        found = []
        for request in ("first", "second"):
            with tracer.start_as_current_span(request):
                found.append(pool.apply(current))
        return found


def callback() -> str:
    found: list[str] = []
    released = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        with tracer.start_as_current_span("first"):
            pool.submit(current).result()
        with tracer.start_as_current_span("registers"):
            future = pool.submit(released.wait)
            future.add_done_callback(lambda _: found.append(current()))
        released.set()
    return found[0]


def thread_pool_executor() -> dict[str, Any]:
    with ThreadPoolExecutor(1) as pool:
        return asyncio.run(in_requests(lambda: asyncio.get_running_loop().run_in_executor(pool, current)))


async def in_requests(call: Callable[[], Awaitable[str]]) -> dict[str, Any]:
    """Whose Context two requests' calls and one outside had, and which requests the workers still hold."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    tasks, requests = [], []
    for request in ("first", "second"):
        with tracer.start_as_current_span(request) as span:
            tasks.append(await call())
        requests.append(weakref.ref(span))
        del span
    tasks.append(await call())
    exporter.clear()
    gc.collect()
    return {"tasks": tasks, "held": [name_of(span) for one in requests if (span := one()) is not None]}


def in_pool(kind: str) -> list[str]:
    fork = multiprocessing.get_context("fork")
    names = {0: "none"}
    found = []
    with tracer.start_as_current_span("makes the pool"):
        names[trace_id()] = "makes the pool"
        pool: Any = ProcessPoolExecutor(1, mp_context=fork) if kind == "ProcessPoolExecutor" else fork.Pool(1)
    with pool:
        for request in ("first", "second"):
            with tracer.start_as_current_span(request):
                names[trace_id()] = request
                found.append(pool.submit(trace_id).result() if kind == "ProcessPoolExecutor" else pool.apply(trace_id))
    return [names[one] for one in found]


CHILD = """
from opentelemetry import trace
from nanospan.concurrency import context_from_environ
print(trace.get_current_span(context_from_environ()).get_span_context().trace_id)
"""


def child_process() -> bool:
    with tracer.start_as_current_span("request"):
        environment = concurrency.environ_for_child() if WITH_NANOSPAN else dict(os.environ)
        child = subprocess.run([sys.executable, "-c", CHILD], env=environment, stdout=subprocess.PIPE, check=True)
        return int(child.stdout) == trace_id()


async def to_sync_and_back() -> str:
    async def inner() -> str:
        return current()

    return await sync_to_async(async_to_sync(inner), thread_sensitive=False)()


SHAPES: dict[str, Callable[[], Any]] = {
    "an async generator closed by another task": detaching(lambda: asyncio.run(closed_by_another_task())),
    "an async generator left to the loop": detaching(lambda: asyncio.run(left_to_the_loop())),
    "a generator closed by the garbage collector": detaching(collected),
    "a FastAPI dependency with yield": detaching(fetched("/dependency", "answered")),
    "a streaming response from a generator": detaching(fetched("/stream", "012")),
    "a long-lived task collects everybody's spans": long_lived_task,
    "a background task's children outlive their parent": background_task,
    "ThreadPool: every task has the pool maker's context": pool_of_threads,
    "a callback has the context of the worker's first task": callback,
    "a ThreadPoolExecutor's worker keeps its first request": thread_pool_executor,
    "anyio.to_thread: a worker keeps its first request": lambda: asyncio.run(
        in_requests(lambda: anyio.to_thread.run_sync(current))
    ),
    "run_in_threadpool: a worker keeps its first request": lambda: asyncio.run(
        in_requests(lambda: run_in_threadpool(current))
    ),
    "asgiref: a worker keeps its first request": lambda: asyncio.run(in_requests(to_sync_and_back)),
    "ProcessPoolExecutor: every task has the first submitter's context": lambda: in_pool("ProcessPoolExecutor"),
    "multiprocessing.Pool: every task has the pool maker's context": lambda: in_pool("Pool"),
    "a child process begins a trace of its own": child_process,
}

if __name__ == "__main__":
    if MODE == "contrib":
        from opentelemetry.instrumentation.threading import ThreadingInstrumentor

        ThreadingInstrumentor().instrument()
    elif WITH_NANOSPAN:
        concurrency.instrument_threads()
    print(json.dumps({name: shape() for name, shape in SHAPES.items()}))
