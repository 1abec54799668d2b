"""Calls in threads, pools, loops and processes have the Context of whoever made them, and leave none behind."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import inspect
import itertools
import multiprocessing
import pickle
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import pytest
from concurrency.conftest import Recorded
from concurrency.work import fails, seen
from opentelemetry import baggage, context, trace
from opentelemetry.trace import INVALID_SPAN, get_current_span

from nanospan import concurrency

WORKERS = 8


def ids(span: trace.Span) -> tuple[int, int]:
    own = span.get_span_context()
    return own.trace_id, own.span_id


# --- every way to hand a call to a thread --------------------------------------------------------------------------------


def by_submit(pool: Executor, items: list[int]) -> list[Any]:
    return [future.result() for future in [concurrency.submit(pool, seen, item, more="m") for item in items]]


def by_map(pool: Executor, items: list[int]) -> list[Any]:
    return list(concurrency.map(pool, functools.partial(seen, more="m"), items))


def by_wrap(pool: Executor, items: list[int]) -> list[Any]:
    call = concurrency.wrap(functools.partial(seen, more="m"))
    # A worker that a plain pool starts would keep the context of this moment where threads inherit it.
    return list(contextvars.Context().run(pool.map, call, items))


def by_loop(pool: Executor, items: list[int]) -> list[Any]:
    async def run() -> list[Any]:
        loop = asyncio.get_running_loop()
        call = functools.partial(seen, more="m")
        return await asyncio.gather(*(concurrency.run_in_executor(loop, pool, call, item) for item in items))

    return asyncio.run(run())


def by_the_pools_own(pool: Executor, items: list[int]) -> list[Any]:
    return [future.result() for future in [pool.submit(seen, item, more="m") for item in items]]


WAYS: dict[str, tuple[Callable[[], Executor], Callable[[Executor, list[int]], list[Any]]]] = {
    "submit": (lambda: ThreadPoolExecutor(WORKERS), by_submit),
    "map": (lambda: ThreadPoolExecutor(WORKERS), by_map),
    "wrap": (lambda: ThreadPoolExecutor(WORKERS), by_wrap),
    "run_in_executor": (lambda: ThreadPoolExecutor(WORKERS), by_loop),
    "ContextThreadPoolExecutor": (lambda: concurrency.ContextThreadPoolExecutor(WORKERS), by_the_pools_own),
}


@pytest.mark.parametrize("way", WAYS)
def test_each_task_has_its_own_request_and_the_workers_keep_none(recorded: Recorded, way: str) -> None:
    make, run = WAYS[way]
    items = list(range(3 * WORKERS))
    requests = []
    with make() as pool:
        for request in ("first", "second"):
            with recorded.tracer.start_as_current_span(request) as span:
                token = context.attach(baggage.set_baggage("who", request))
                assert run(pool, items) == [(item, "m", *ids(span), False, request) for item in items]
                context.detach(token)
            requests.append(weakref.ref(span))
            del span, token  # a token holds the Context that was current
        # A task of no request sees none.
        assert run(pool, items) == [(item, "m", 0, 0, False, None) for item in items]
        # Neither does the worker itself, where the way leaves a plain submit.
        if way != "ContextThreadPoolExecutor":
            assert by_the_pools_own(pool, items) == [(item, "m", 0, 0, False, None) for item in items]
        recorded._exporter.clear()
        gc.collect()
        assert [request() for request in requests] == [None, None]


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
@pytest.mark.parametrize("by", ["submit", "map", "ContextProcessPoolExecutor", "Pool", "Process"])
def test_a_process_has_the_request_as_a_remote_parent(recorded: Recorded, method: str, by: str) -> None:
    processes = multiprocessing.get_context(method)
    items = list(range(4))

    def run() -> list[Any]:
        if by == "Pool":
            with processes.Pool(2) as pool:
                return pool.map(concurrency.wrap(functools.partial(seen, more="m")), items)
        if by == "Process":
            receiver, sender = processes.Pipe(duplex=False)
            process = processes.Process(target=concurrency.wrap(_send), args=(sender, items[0]))
            process.start()
            found = receiver.recv()
            process.join()
            return [found]
        if by == "ContextProcessPoolExecutor":
            with concurrency.ContextProcessPoolExecutor(2, mp_context=processes) as own:
                return by_the_pools_own(own, items)
        with ProcessPoolExecutor(2, mp_context=processes) as executor:
            return {"submit": by_submit, "map": by_map}[by](executor, items)

    for request in ("first", "second"):
        with recorded.tracer.start_as_current_span(request) as span:
            token = context.attach(baggage.set_baggage("who", request))
            found = run()
            context.detach(token)
        assert found == [(item, "m", *ids(span), True, request) for item in items[: len(found)]]


def _send(connection: Any, item: int) -> None:
    connection.send(seen(item, more="m"))


# --- details ----------------------------------------------------------------------------------------------------------


def test_a_call_in_a_thread_with_a_context_of_its_own_sees_its_own_alone(recorded: Recorded) -> None:
    """As the workers of a free-threaded pool, and those that contrib's instrumentation starts, have."""
    call, found = concurrency.wrap(seen), []

    def stale() -> None:
        with recorded.tracer.start_as_current_span("stale"):
            before = concurrency.stats()["stale_cleared"]
            found.append(call())
            assert concurrency.stats()["stale_cleared"] == before + 1
            found.append(seen())

    thread = threading.Thread(target=stale)
    thread.start()
    thread.join()
    assert found[0] == (None, None, 0, 0, False, None)
    assert found[1][2:4] == ids(recorded.one("stale"))  # type: ignore[arg-type]


def test_callbacks_have_the_context_of_their_registration(recorded: Recorded) -> None:
    released = threading.Event()
    found: list[tuple[int, int]] = []
    with concurrency.ContextThreadPoolExecutor(1) as pool:
        with recorded.tracer.start_as_current_span("submits"):
            future = pool.submit(released.wait)
        with recorded.tracer.start_as_current_span("registers") as span:
            future.add_done_callback(lambda _: found.append(ids(get_current_span())))
        released.set()
    assert found == [ids(span)]


def test_all_variables_are_carried_only_when_asked(recorded: Recorded) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")
    variable.set("of the request")

    def both() -> tuple[str, tuple[int, int]]:
        return variable.get(), ids(get_current_span())

    with recorded.tracer.start_as_current_span("request") as span:
        own, every = concurrency.wrap(both), concurrency.wrap(both, carry="all")
    with ThreadPoolExecutor(WORKERS) as pool:
        # Many at once: one context could be entered only once.
        barrier = threading.Barrier(WORKERS)
        waits = concurrency.wrap(lambda: (barrier.wait(), both())[1], carry="all")
        assert contextvars.Context().run(pool.submit, own).result() == ("none", ids(span))
        assert pool.submit(every).result() == ("of the request", ids(span))
        futures = [pool.submit(waits) for _ in range(WORKERS)]
        assert {future.result()[0] for future in futures} == {"of the request"}


def test_a_wrapped_coroutine_function_runs_in_the_captured_context(recorded: Recorded) -> None:
    async def work() -> tuple[int, int]:
        await asyncio.sleep(0)
        return ids(get_current_span())

    class Handler:
        async def __call__(self) -> tuple[int, int]:
            return await work()

    assert isinstance(concurrency.wrap(Handler)(), Handler)
    with recorded.tracer.start_as_current_span("request") as span:
        for function, carry in itertools.product((work, Handler()), ("span", "all")):
            wrapped: Any = concurrency.wrap(function, carry=carry)  # type: ignore[call-overload]
            assert inspect.iscoroutinefunction(wrapped)
            with ThreadPoolExecutor(1) as pool:
                assert pool.submit(asyncio.run, wrapped()).result() == ids(span)


def test_what_is_wrapped_stays_itself() -> None:
    def documented(one: int, two: int = 2) -> int:
        """It has a docstring."""
        return one + two

    wrapped = concurrency.wrap(documented)
    assert (wrapped.__name__, wrapped.__doc__) == ("documented", "It has a docstring.")
    assert inspect.signature(wrapped) == inspect.signature(documented)
    assert wrapped(1) == 3
    assert wrapped(1, two=3) == 4


def test_exceptions_are_the_functions(recorded: Recorded) -> None:
    with ThreadPoolExecutor(1) as pool, recorded.tracer.start_as_current_span("request"):
        with pytest.raises(LookupError, match="of the task"):
            concurrency.submit(pool, fails).result()
        assert pool.submit(seen).result()[2:4] == (0, 0)


def test_a_call_that_leaves_a_span_attached_is_counted_and_cleared(recorded: Recorded) -> None:
    before = concurrency.stats()["scope_left"]
    with ThreadPoolExecutor(1) as pool:
        with recorded.tracer.start_as_current_span("request"):
            concurrency.submit(pool, lambda: context.attach(trace.set_span_in_context(INVALID_SPAN))).result()
        assert pool.submit(context.get_current).result() == {}
    assert concurrency.stats()["scope_left"] == before + 1


def test_a_pickle_holds_ids_and_baggage(recorded: Recorded) -> None:
    with recorded.tracer.start_as_current_span("request") as span:
        token = context.attach(baggage.set_baggage("who", "me"))
        calls = [concurrency.wrap(seen), concurrency.wrap(seen, carry="all")]
        context.detach(token)
    for call in calls:
        assert pickle.loads(pickle.dumps(call))(1, more=2) == (1, 2, *ids(span), True, "me")
    assert pickle.loads(pickle.dumps(concurrency.wrap(seen)))() == (None, None, 0, 0, False, None)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: concurrency.wrap(1), "fn must be callable, not 1"),  # type: ignore[arg-type]
        (lambda: concurrency.wrap(seen, carry="both"), 'carry must be "span" or "all", not \'both\''),  # type: ignore[arg-type]
        (lambda: concurrency.submit(ThreadPoolExecutor(1), None), "fn must be callable, not None"),  # type: ignore[arg-type]
    ],
)
def test_wrong_arguments(wrong: Callable[[], Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        wrong()


def test_a_foreign_runtime_context(recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    """OTEL_PYTHON_CONTEXT: the Context lies elsewhere, and the API's functions are asked."""

    class Elsewhere:
        def __init__(self) -> None:
            self.local = threading.local()

        def attach(self, context: Any) -> Any:
            before = self.get_current()
            self.local.context = context
            return before

        def get_current(self) -> Any:
            return getattr(self.local, "context", context.Context())

        def detach(self, token: Any) -> None:
            self.local.context = token

    assert concurrency.wrap(seen)(1)[2:4] == (0, 0)  # with the API's own, which is found again only where it has changed
    monkeypatch.setattr(context, "_RUNTIME_CONTEXT", Elsewhere())
    with ThreadPoolExecutor(1) as pool:
        with recorded.tracer.start_as_current_span("request") as span:
            assert concurrency.submit(pool, seen, 1).result()[2:4] == ids(span)
        assert concurrency.submit(pool, seen, 1).result()[2:4] == (0, 0)
        assert pool.submit(seen, 1).result()[2:4] == (0, 0)
