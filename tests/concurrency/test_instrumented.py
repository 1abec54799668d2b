"""Under `instrument_threads` code that knows nothing of it keeps the Context, and no worker keeps one."""

from __future__ import annotations

import asyncio
import functools
import gc
import itertools
import multiprocessing
import multiprocessing.pool
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import pytest
from concurrency.conftest import Recorded
from concurrency.test_calls import WORKERS, by_the_pools_own, ids
from concurrency.work import seen
from opentelemetry import baggage, context
from opentelemetry.context.contextvars_context import ContextVarsRuntimeContext
from opentelemetry.trace import get_current_span

from nanospan import TracerProvider, concurrency

Run = Callable[[Any, list[int]], list[Any]]


@pytest.fixture
def instrumented() -> Iterator[concurrency.Instrumentation]:
    with concurrency.instrument_threads() as made:
        yield made


def in_threads(_: Any, items: list[int]) -> list[Any]:
    found: dict[int, Any] = {}
    threads = [threading.Thread(target=lambda item=item: found.update({item: seen(item, more="m")})) for item in items]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [found[item] for item in items]


class OwnRun(threading.Thread):
    def __init__(self, item: int) -> None:
        super().__init__()
        self.item = item

    def run(self) -> None:
        self.found = seen(self.item, more="m")


def in_subclasses(_: Any, items: list[int]) -> list[Any]:
    threads = [OwnRun(item) for item in items]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [thread.found for thread in threads]


def in_timers(_: Any, items: list[int]) -> list[Any]:
    found: dict[int, Any] = {}
    timers = [threading.Timer(0, lambda item=item: found.update({item: seen(item, more="m")})) for item in items]
    for timer in timers:
        timer.start()
    for timer in timers:
        timer.join()
    return [found[item] for item in items]


def by_executor_map(pool: Executor, items: list[int]) -> list[Any]:
    return list(pool.map(functools.partial(seen, more="m"), items))


def by_loop(pool: Executor, items: list[int]) -> list[Any]:
    async def run() -> list[Any]:
        loop = asyncio.get_running_loop()
        call = functools.partial(seen, more="m")
        return await asyncio.gather(*(loop.run_in_executor(pool, call, item) for item in items))

    return asyncio.run(run())


def by_pool(how: str) -> Run:
    def run(pool: Any, items: list[int]) -> list[Any]:
        call = functools.partial(seen, more="m")
        if how == "apply_async":
            return [one.get() for one in [pool.apply_async(call, (item,)) for item in items]]
        if how == "apply":
            return [pool.apply(seen, (item,), {"more": "m"}) for item in items]
        if how in ("starmap", "starmap_async"):
            found = getattr(pool, how)(call, [(item,) for item in items])
        else:
            found = getattr(pool, how)(call, items)
        found = found.get() if how.endswith("_async") else found
        return sorted(found) if how == "imap_unordered" else list(found)

    return run


def by_name(pool: Any, items: list[int]) -> list[Any]:
    call = functools.partial(seen, more="m")
    first, *others = items
    return [
        pool.apply_async(func=call, args=(first,)).get(),
        *pool.map(func=call, iterable=others[:1]),
        *pool.imap(iterable=others[1:], func=call),
    ]


class Nothing(AbstractContextManager[None]):
    def __exit__(self, *exc_info: object) -> None: ...


POOL_CALLS = ("apply", "apply_async", "map", "map_async", "starmap", "starmap_async", "imap", "imap_unordered")
IN_PROCESS: dict[str, tuple[Callable[[], Any], Run]] = {
    "Thread": (Nothing, in_threads),
    "subclass of Thread": (Nothing, in_subclasses),
    "Timer": (Nothing, in_timers),
    "ThreadPoolExecutor.submit": (lambda: ThreadPoolExecutor(WORKERS), by_the_pools_own),
    "ThreadPoolExecutor.map": (lambda: ThreadPoolExecutor(WORKERS), by_executor_map),
    "run_in_executor": (lambda: ThreadPoolExecutor(WORKERS), by_loop),
    "ThreadPool, func by name": (lambda: multiprocessing.pool.ThreadPool(WORKERS), by_name),
    **{f"ThreadPool.{how}": (lambda: multiprocessing.pool.ThreadPool(WORKERS), by_pool(how)) for how in POOL_CALLS},
}


@pytest.mark.parametrize("boundary", IN_PROCESS)
def test_each_task_has_its_own_request_and_the_workers_keep_none(
    recorded: Recorded, instrumented: concurrency.Instrumentation, boundary: str
) -> None:
    make, run = IN_PROCESS[boundary]
    items = list(range(2 * WORKERS))
    requests = []
    with recorded.tracer.start_as_current_span("makes the pool"):
        pool = make()
    with pool:
        for request in ("first", "second"):
            with recorded.tracer.start_as_current_span(request) as span:
                token = context.attach(baggage.set_baggage("who", request))
                assert run(pool, items) == [(item, "m", *ids(span), False, request) for item in items]
                context.detach(token)
            requests.append(weakref.ref(span))
            del span, token
        assert run(pool, items) == [(item, "m", 0, 0, False, None) for item in items]
        recorded._exporter.clear()
        # While the workers live.
        gc.collect()
        assert [request() for request in requests] == [None, None]


def in_process(method: str, items: list[int]) -> list[Any]:
    processes = multiprocessing.get_context(method)
    found = []
    for item in items[:1]:
        receiver, sender = processes.Pipe(duplex=False)
        process = processes.Process(target=_send, args=(sender, item))
        process.start()
        found.append(receiver.recv())
        process.join()
    return found


def _send(connection: Any, item: int) -> None:
    connection.send(seen(item, more="m"))


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
@pytest.mark.parametrize(
    "boundary", ["Process", "ProcessPoolExecutor", *(f"Pool.{how}" for how in ("apply", "map", "imap"))]
)
def test_a_process_has_its_own_request(
    recorded: Recorded, instrumented: concurrency.Instrumentation, method: str, boundary: str
) -> None:
    processes = multiprocessing.get_context(method)
    items = list(range(4))
    pool: Any = Nothing()
    with recorded.tracer.start_as_current_span("makes the pool"):
        if boundary == "ProcessPoolExecutor":
            pool = ProcessPoolExecutor(2, mp_context=processes)
        elif boundary.startswith("Pool."):
            pool = processes.Pool(2)
    with pool:
        for request in ("first", "second", None):
            with recorded.tracer.start_as_current_span(request or "unused") as span:
                token = context.attach(baggage.set_baggage("who", request) if request else context.Context())
                if boundary == "Process":
                    found = in_process(method, items)
                elif boundary == "ProcessPoolExecutor":
                    found = by_the_pools_own(pool, items) + by_executor_map(pool, items)
                else:
                    found = by_pool(boundary.partition(".")[2])(pool, items)
                context.detach(token)
            expected = (*ids(span), True, request) if request else (0, 0, False, None)
            assert [one[2:] for one in found] == [expected] * len(found)
            assert [one[0] for one in found] == (items * 2)[: len(found)] or boundary == "Process"


def test_callbacks_have_the_context_of_their_registration(
    recorded: Recorded, instrumented: concurrency.Instrumentation
) -> None:
    """contrib's instrumentation gives them that of the worker's first task."""
    released = threading.Event()
    found: dict[str, tuple[int, int]] = {}

    def note(name: str) -> Callable[[Any], None]:
        return lambda _: found.update({name: ids(get_current_span())})

    with ThreadPoolExecutor(1) as pool, multiprocessing.pool.ThreadPool(1) as threads:
        with recorded.tracer.start_as_current_span("first"):
            pool.submit(seen).result()
            future: Future[Any] = pool.submit(released.wait)
        with recorded.tracer.start_as_current_span("registers") as span:
            future.add_done_callback(note("future"))
            threads.apply_async(seen, (), {}, note("positional")).wait()
            threads.map_async(seen, [1], callback=note("named")).wait()
            failed = threads.apply_async(int, ("x",), error_callback=note("error"))
            failed.wait()
        released.set()
    with pytest.raises(ValueError, match="invalid literal"):
        failed.get()
    assert found == dict.fromkeys(("future", "positional", "named", "error"), ids(span))


def collected(*args: Any, **kwargs: Any) -> Any:
    return args, kwargs, ids(get_current_span())


@pytest.mark.parametrize("switch", ["instrumented", "workers see it", "undone beneath another", "explicit"])
def test_a_task_gets_its_arguments(recorded: Recorded, switch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few and many are handed on in two ways."""
    made = concurrency.instrument_threads()
    if switch == "undone beneath another":
        ours = ThreadPoolExecutor.submit
        monkeypatch.setattr(ThreadPoolExecutor, "submit", lambda *args, **kwargs: ours(*args, **kwargs))
        made.undo()
    elif switch == "workers see it":
        start = threading.Thread.start
        monkeypatch.setattr(threading.Thread, "start", lambda thread: start(thread))
    with made, ThreadPoolExecutor(1) as pool, recorded.tracer.start_as_current_span("request") as span:
        submit: Any = functools.partial(concurrency.submit, pool) if switch == "explicit" else pool.submit
        for count, kwargs in itertools.product((0, 1, 6, 7, 20), ({}, {"fn": 1, "function": 2, "self": 3})):
            carried = (0, 0) if switch == "undone beneath another" else ids(span)
            assert submit(collected, *range(count), **kwargs).result() == (tuple(range(count)), kwargs, carried)
    monkeypatch.undo()
    made.undo()


def test_the_functions_of_the_api_are_not_called(
    instrumented: concurrency.Instrumentation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where its runtime context is the API's own: contrib's tests replace ``attach`` and ``detach``, and count the calls."""
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("tests")
    calls: list[str] = []
    start = threading.Thread.start
    # Another package's, under which a pool starts its workers in an empty Context.
    monkeypatch.setattr(threading.Thread, "start", lambda thread: start(thread))
    for name in ("attach", "detach"):
        monkeypatch.setattr(context, name, lambda _, name=name: calls.append(name))

    async def work() -> tuple[int, int]:
        return ids(get_current_span())

    with tracer.start_as_current_span("request") as span:
        with ThreadPoolExecutor(1) as pool, multiprocessing.pool.ThreadPool(1) as threads:
            assert pool.submit(seen).result()[2:4] == threads.apply(seen)[2:4] == ids(span)
        assert asyncio.run(concurrency.wrap(work)()) == ids(span)
        with concurrency.detached(tracer=tracer) as detached:
            assert get_current_span() is detached
    assert calls == []


def test_threads_of_a_package_that_lives_long_are_left_alone(recorded: Recorded) -> None:
    with concurrency.instrument_threads(exclude=["concurrency.test_calls"]):
        with recorded.tracer.start_as_current_span("request") as span:
            found: list[Any] = []
            excluded = functools.partial(lambda: found.append(ids(get_current_span())))
            excluded.__module__ = "concurrency.test_calls.inner"  # type: ignore[attr-defined]
            for target in (excluded, lambda: found.append(ids(get_current_span()))):
                thread = threading.Thread(target=target)
                thread.start()
                thread.join()
        assert found == [(0, 0), ids(span)]


def test_it_is_idempotent_and_leaves_nothing_behind() -> None:
    def attributes() -> dict[str, Any]:
        owners = (threading.Thread, ThreadPoolExecutor, ProcessPoolExecutor, Future, multiprocessing.pool.Pool,
                  multiprocessing.pool.ThreadPool, multiprocessing.process.BaseProcess)  # fmt: skip
        return {f"{owner.__name__}.{name}": value for owner in owners for name, value in vars(owner).items()}

    before = attributes()
    first = concurrency.instrument_threads()
    assert concurrency.instrument_threads() is first
    assert attributes() != before
    first.undo()
    first.undo()
    assert attributes() == before
    with concurrency.instrument_threads(processes=False):
        assert attributes()["ProcessPoolExecutor.submit"] is before["ProcessPoolExecutor.submit"]
    assert attributes() == before


def test_a_thread_that_cannot_be_started_is_as_before(recorded: Recorded, instrumented: concurrency.Instrumentation) -> None:
    thread = threading.Thread(target=seen)
    with recorded.tracer.start_as_current_span("request"):
        thread.start()
        thread.join()
        with pytest.raises(RuntimeError, match="threads can only be started once"):
            thread.start()
    assert "run" not in vars(thread)


class ByClass(threading.Thread):
    found: list[Any]

    @classmethod
    def run(cls) -> None:  # type: ignore[override]
        cls.found = [ids(get_current_span())]


class OfAnother:
    def __init__(self) -> None:
        self.found: list[Any] = []

    def run(self) -> None:
        self.found.append(ids(get_current_span()))


class Unbound:
    """As werkzeug's LocalProxy outside of a request."""

    found: list[Any]

    @property
    def __module__(self) -> str:  # type: ignore[override]
        raise RuntimeError("working outside of a request")

    def __call__(self) -> None:
        self.found = [ids(get_current_span())]


def test_whatever_run_is_it_is_called_as_without_and_put_back(
    recorded: Recorded, instrumented: concurrency.Instrumentation
) -> None:
    other, proxy, function = OfAnother(), Unbound(), OfAnother()
    by_class, assigned, targeted, plain = ByClass(), threading.Thread(), threading.Thread(target=proxy), threading.Thread()
    assigned.run = bound = other.run  # type: ignore[method-assign]
    plain.run = inner = lambda: other.run.__func__(function)  # type: ignore[attr-defined, method-assign]
    with recorded.tracer.start_as_current_span("request") as span:
        for thread in (by_class, assigned, targeted, plain):
            thread.start()
            thread.join()
        with pytest.raises(RuntimeError, match="only be started once"):
            assigned.start()
    assert [one.found for one in (by_class, other, proxy, function)] == [[ids(span)]] * 4
    assert (vars(assigned)["run"], vars(plain)["run"]) == (bound, inner)
    assert "run" not in vars(by_class) and "run" not in vars(targeted)


def test_a_thread_is_freed_when_it_has_ended_and_can_be_made_anew(
    recorded: Recorded, instrumented: concurrency.Instrumentation
) -> None:
    found: list[Any] = []
    with recorded.tracer.start_as_current_span("request") as span:
        thread = threading.Thread(target=lambda: found.append(ids(get_current_span())))
        for _ in range(2):
            thread.start()
            thread.join()
            thread.__init__(target=lambda: found.append(ids(get_current_span())))  # type: ignore[misc]
        del thread
        gc.collect()
        gc.disable()  # it must not be part of a cycle
        try:
            thread = threading.Thread(target=int)
            thread.start()
            thread.join()
            freed = weakref.ref(thread)
            del thread
            assert freed() is None
        finally:
            gc.enable()
    assert found == [ids(span)] * 2


def test_run_of_a_process_is_put_back(recorded: Recorded, instrumented: concurrency.Instrumentation) -> None:
    process = multiprocessing.get_context("fork").Process()
    process.run = run = lambda: None  # type: ignore[method-assign]
    with recorded.tracer.start_as_current_span("request"):
        process.start()
        process.join()
    assert (process.exitcode, process.run) == (0, run)


def test_processes_of_a_pool_of_another_package_are_left_alone(recorded: Recorded) -> None:
    """loky's and joblib's, whose workers are plain processes: each would keep the Context of the first request."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    target = functools.partial(_send, sender, 1)
    target.__module__ = "joblib.externals.loky.process_executor"  # type: ignore[attr-defined]
    with concurrency.instrument_threads(), recorded.tracer.start_as_current_span("request"):
        process = multiprocessing.get_context("fork").Process(target=target)
        process.start()
        process.join()
    assert receiver.recv()[2:] == (0, 0, False, None)


def test_a_wrapper_of_run_by_another_package_is_not_passed_by(
    recorded: Recorded, instrumented: concurrency.Instrumentation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """wrapt's have the ``__func__`` of what they wrap."""
    calls: list[str] = []

    class Wrapper:
        def __init__(self, function: Callable[..., Any], thread: Any = None) -> None:
            self.__func__, self.thread = function, thread

        def __get__(self, thread: Any, owner: type) -> Wrapper:
            return Wrapper(self.__func__, thread)

        def __call__(self) -> None:
            calls.append("wrapper")
            self.__func__(self.thread)

    monkeypatch.setattr(threading.Thread, "run", Wrapper(threading.Thread.run))
    with recorded.tracer.start_as_current_span("request") as span:
        assert in_threads(None, [1]) == [(1, "m", *ids(span), False, None)]
    assert calls == ["wrapper"]


@pytest.mark.thread_unsafe(reason="changes a class of the API")
@pytest.mark.parametrize("way", ["carried", "started_empty"])
def test_attach_and_detach_of_the_api_are_called_by_others_alone(
    recorded: Recorded, instrumented: concurrency.Instrumentation, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Whoever replaces them counts calls of its own. contrib's tests do."""
    calls: list[str] = []
    if way == "started_empty":  # the workers would see the Context through the `Thread.start` of another package
        start = threading.Thread.start
        monkeypatch.setattr(threading.Thread, "start", functools.wraps(start)(lambda thread: start(thread)))

    def counted(name: str) -> Callable[..., Any]:
        before = getattr(ContextVarsRuntimeContext, name)
        return lambda *arguments: calls.append(name) or before(*arguments)

    with recorded.tracer.start_as_current_span("request") as span, monkeypatch.context() as patched:
        for name in ("attach", "detach"):
            patched.setattr(ContextVarsRuntimeContext, name, counted(name))
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(seen, 1, more="m").result() == (1, "m", *ids(span), False, None)
    assert not calls


@pytest.mark.parametrize("wrong", [{"processes": 1}, {"greenlets": None}, {"exclude": "name"}, {"exclude": [1]}])
def test_wrong_arguments(wrong: dict[str, Any]) -> None:
    with pytest.raises((TypeError, ValueError), match=next(iter(wrong))):
        concurrency.instrument_threads(**wrong)


@pytest.mark.slow("100,000 tasks")
def test_no_wrong_parent_in_a_crowd(recorded: Recorded, instrumented: concurrency.Instrumentation) -> None:
    wrong: list[Any] = []
    requests: list[weakref.ref[Any]] = []

    def request(number: int) -> None:
        for round_ in range(125):
            with recorded.tracer.start_as_current_span(f"{number}.{round_}") as span:
                futures = [pool.submit(lambda: ids(get_current_span())) for _ in range(100)]
                wrong.extend(found for found in (future.result() for future in futures) if found != ids(span))
            requests.append(weakref.ref(span))

    with ThreadPoolExecutor(4) as pool:
        clients = [threading.Thread(target=request, args=(number,)) for number in range(8)]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
        assert wrong == []
        assert [pool.submit(context.get_current).result() for _ in range(16)] == [{}] * 16
        recorded._exporter.clear()
        gc.collect()
        assert (len(requests), [span() for span in requests if span() is not None]) == (1000, [])
