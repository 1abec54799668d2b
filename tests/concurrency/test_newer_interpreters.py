"""What CPython 3.14 brings: threads that inherit the context of their starter, and pools of interpreters."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from concurrency.conftest import Recorded
from concurrency.test_calls import ids
from opentelemetry.trace import get_current_span

from nanospan import TracerProvider, concurrency
from nanospan.processor import BatchSpanProcessor

HERE = Path(__file__).parent
INHERITING = bool(getattr(sys.flags, "thread_inherit_context", False))

needs_3_14 = pytest.mark.skipif(sys.version_info < (3, 14), reason="needs CPython 3.14")


@needs_3_14
@pytest.mark.skipif(INHERITING, reason="threads of this interpreter inherit the context as it is")
@pytest.mark.slow("runs three files of tests again")
def test_where_threads_inherit_the_context_the_same_holds() -> None:
    """As by default on a free-threaded interpreter."""
    files = [HERE / name for name in ("test_calls.py", "test_instrumented.py", Path(__file__).name)]
    pytest_again = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", *files]
    command = [sys.executable, "-X", "thread_inherit_context=1", *pytest_again]
    run = subprocess.run(command, cwd=HERE.parents[1], capture_output=True, text=True, timeout=900, check=False)
    assert run.returncode == 0, run.stdout


@pytest.mark.skipif(not INHERITING, reason="threads of this interpreter do not inherit the context")
@pytest.mark.parametrize("instrumented", [False, True])
def test_a_thread_inherits_and_one_that_lasts_does_not(recorded: Recorded, instrumented: bool) -> None:
    found: dict[str, Any] = {}

    def note(name: str) -> Callable[[], None]:
        return lambda: found.update({name: ids(get_current_span())})

    made = concurrency.instrument_threads(exclude=["lasting"]) if instrumented else None
    try:
        lasting = note("lasting")
        lasting.__module__ = "lasting"
        with recorded.tracer.start_as_current_span("request") as span:
            threads = [threading.Thread(target=note("plain")), threading.Thread(target=lasting)]
            for thread in threads:
                thread.start()
                thread.join()
    finally:
        if made is not None:
            made.undo()
    assert found == {"plain": ids(span), "lasting": (0, 0) if instrumented else ids(span)}


def test_the_export_thread_does_not_keep_the_span_in_which_it_was_started(recorded: Recorded) -> None:
    class Exporter:
        found: Any = None

        def export(self, spans: Any) -> Any:
            self.found = get_current_span()

        def force_flush(self, timeout_millis: int = 30000) -> bool:
            return True

        def shutdown(self) -> None: ...

    exporter: Any = Exporter()
    with recorded.tracer.start_as_current_span("request") as span:
        processor = BatchSpanProcessor(exporter, schedule_delay_millis=10)
    request = weakref.ref(span)
    del span
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    recorded._exporter.clear()
    gc.collect()
    assert request() is None
    provider.shutdown()


def by_submit(pool: Any) -> list[int]:
    return [future.result() for future in [pool.submit(pow, number, 2) for number in range(4)]]


def by_map(pool: Any) -> list[int]:
    return list(pool.map(pow, range(4), [2] * 4))


def by_loop(pool: Any) -> list[int]:
    async def run() -> list[int]:
        loop = asyncio.get_running_loop()
        return list(await asyncio.gather(*(loop.run_in_executor(pool, pow, number, 2) for number in range(4))))

    return asyncio.run(run())


def by_helpers(pool: Any) -> list[int]:
    async def run() -> list[int]:
        loop = asyncio.get_running_loop()
        return [await concurrency.run_in_executor(loop, pool, pow, number, 2) for number in (2, 3)]

    first = [concurrency.submit(pool, pow, 0, 2).result(), *concurrency.map(pool, pow, [1], [2])]
    return first + asyncio.run(run())


@needs_3_14
@pytest.mark.parametrize("by", [by_submit, by_map, by_loop, by_helpers])
def test_a_pool_of_interpreters_runs_its_tasks_as_without(recorded: Recorded, by: Callable[[Any], list[int]]) -> None:
    """contrib's instrumentation submits a closure there, which no other interpreter takes."""
    from concurrent.futures import InterpreterPoolExecutor

    requests, callbacks = [], []
    # The helpers need no instrumentation.
    made = None if by is by_helpers else concurrency.instrument_threads()
    try:
        with InterpreterPoolExecutor(2) as pool:
            for request in ("first", "second"):
                with recorded.tracer.start_as_current_span(request) as span:
                    assert by(pool) == [0, 1, 4, 9]
                requests.append(weakref.ref(span))
                del span
            recorded._exporter.clear()
            gc.collect()
            assert [request() for request in requests] == [None, None]
            with recorded.tracer.start_as_current_span("registers") as span:
                pool.submit(pow, 2, 3).add_done_callback(lambda _: callbacks.append(ids(get_current_span())))
        assert made is None or callbacks == [ids(span)]
    finally:
        if made is not None:
            made.undo()
