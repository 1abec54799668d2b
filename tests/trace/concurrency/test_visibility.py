"""The active span in everything that carries a context, or does not: copies, tasks, threads and executors."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from opentelemetry import context
from opentelemetry.sdk.trace import Tracer
from opentelemetry.trace import INVALID_SPAN, get_current_span
from support.parity.implementation import Implementation
from support.parity.pipeline import Recorder

import nanospan


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def tracer(implementation: Implementation, recorder: Recorder) -> Tracer:
    return implementation.tracer(recorder)


def test_a_copied_context_keeps_the_span(tracer: Tracer) -> None:
    with tracer.start_as_current_span("span") as span:
        copied = contextvars.copy_context()
    assert get_current_span() is INVALID_SPAN
    assert copied.run(get_current_span) is span
    assert copied.run(lambda: tracer.start_span("child")).parent == span.get_span_context()


def test_what_happens_in_a_copy_stays_there(tracer: Tracer) -> None:
    manager = tracer.start_as_current_span("left open")
    copied = contextvars.copy_context()
    span = copied.run(manager.__enter__)
    assert get_current_span() is INVALID_SPAN
    assert copied.run(get_current_span) is span
    copied.run(manager.__exit__, None, None, None)
    assert copied.run(get_current_span) is INVALID_SPAN


def test_the_variable_of_the_api_holds_it(tracer: Tracer) -> None:
    """Who reads the ContextVar itself sees what ``opentelemetry.context`` shows."""
    with tracer.start_as_current_span("span") as span:
        (variable,) = (one for one in contextvars.copy_context() if one.name == "current_context")
        assert variable.get() is context.get_current()
        assert span in variable.get().values()


def test_tasks_inherit_and_keep_to_themselves(tracer: Tracer, recorder: Recorder) -> None:
    async def child(number: int) -> None:
        with tracer.start_as_current_span(f"child {number}") as span:
            await asyncio.sleep(0)
            assert get_current_span() is span

    async def main() -> None:
        with tracer.start_as_current_span("parent") as parent:
            tasks = [asyncio.create_task(child(number)) for number in range(5)]
            await asyncio.sleep(0)
            assert get_current_span() is parent
        await asyncio.gather(*tasks)

    asyncio.run(main())
    parent = next(span for span in recorder.ended if span.name == "parent")
    assert sum(span.parent == parent.context for span in recorder.ended) == 5


@pytest.mark.parametrize("way", ["to_thread", "call_soon"])
def test_where_the_context_goes_along(tracer: Tracer, way: str) -> None:
    async def main() -> Any:
        with tracer.start_as_current_span("span") as span:
            if way == "to_thread":
                return await asyncio.to_thread(get_current_span), span
            seen: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            asyncio.get_running_loop().call_soon(lambda: seen.set_result(get_current_span()))
            return await seen, span

    seen, span = asyncio.run(main())
    assert seen is span


THREADS_INHERIT = bool(getattr(sys.flags, "thread_inherit_context", 0))
"""So it is by default with the free-threaded interpreters from 3.14."""


@pytest.mark.skipif(THREADS_INHERIT, reason="threads of this interpreter inherit the context")
@pytest.mark.parametrize("way", ["run_in_executor", "submit", "thread"])
def test_where_it_does_not(tracer: Tracer, way: str) -> None:
    with tracer.start_as_current_span("span"), ThreadPoolExecutor(1) as pool:
        if way == "submit":
            seen = pool.submit(get_current_span).result()
        elif way == "thread":
            found: list[Any] = []
            thread = threading.Thread(target=lambda: found.append(get_current_span()))
            thread.start()
            thread.join()
            (seen,) = found
        else:

            async def main() -> Any:
                return await asyncio.get_running_loop().run_in_executor(pool, get_current_span)

            seen = asyncio.run(main())
    assert seen is INVALID_SPAN


def test_a_context_carried_by_hand(tracer: Tracer) -> None:
    with tracer.start_as_current_span("span") as span, ThreadPoolExecutor(1) as pool:
        assert pool.submit(contextvars.copy_context().run, get_current_span).result() is span
        current = context.get_current()

        def work() -> Any:
            token = context.attach(current)
            try:
                with tracer.start_as_current_span("child") as child:
                    return child.parent
            finally:
                context.detach(token)

        assert pool.submit(work).result() == span.get_span_context()


def test_ended_in_another_thread(tracer: Tracer, recorder: Recorder) -> None:
    with tracer.start_as_current_span("span", end_on_exit=False) as span:
        thread = threading.Thread(target=span.end)
        thread.start()
        thread.join()
    assert [one.name for one in recorder.ended] == ["span"]
    assert not span.is_recording()


# --- left in another context ------------------------------------------------------------------------------------------


def _complaints(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int, str]]:
    return [(record.name, record.levelno, record.getMessage()) for record in caplog.records]


def _failed_to_detach(tracer: Tracer) -> list[tuple[str, int, str]]:
    """What is said of a token of another context: by nanospan nothing, it counts it (`nanospan.concurrency.stats`)."""
    return (
        [] if isinstance(tracer, nanospan.Tracer) else [("opentelemetry.context", logging.ERROR, "Failed to detach context")]
    )


def test_left_in_another_context(tracer: Tracer, recorder: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    manager = tracer.start_as_current_span("span")
    contextvars.copy_context().run(manager.__enter__)
    assert not manager.__exit__(None, None, None)
    assert _complaints(caplog) == _failed_to_detach(tracer)
    assert [span.name for span in recorder.ended] == ["span"]


def test_left_in_another_context_by_an_exception(
    tracer: Tracer, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    manager = tracer.start_as_current_span("span")
    contextvars.copy_context().run(manager.__enter__)
    error = ValueError("message")
    assert not manager.__exit__(ValueError, error, None)
    assert _complaints(caplog) == _failed_to_detach(tracer)
    assert [event.attributes["exception.message"] for event in recorder.ended[0].events] == ["message"]


def test_an_async_generator_closed_by_the_loop(tracer: Tracer, recorder: Recorder, caplog: pytest.LogCaptureFixture) -> None:
    async def numbers() -> AsyncIterator[int]:
        with tracer.start_as_current_span("generator"):
            for number in range(10):
                yield number

    async def main() -> None:
        async for number in numbers():
            if number == 1:
                break

    asyncio.run(main())
    gc.collect()
    assert [span.name for span in recorder.ended] == ["generator"]
    assert recorder.ended[0].events == ()
    assert _complaints(caplog) in ([], _failed_to_detach(tracer))


def test_a_generator_finished_in_another_context(
    tracer: Tracer, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    def numbers() -> Iterator[int]:
        with tracer.start_as_current_span("generator"):
            yield 1

    generator = numbers()
    contextvars.copy_context().run(next, generator)
    assert list(generator) == []
    assert [span.name for span in recorder.ended] == ["generator"]
    assert _complaints(caplog) == _failed_to_detach(tracer)
    assert get_current_span() is INVALID_SPAN


def test_a_generator_holds_its_span_active_between_steps(tracer: Tracer) -> None:
    """Python's generators share the context of their caller; nothing is hidden from it."""

    def numbers() -> Iterator[int]:
        with tracer.start_as_current_span("generator"):
            yield 1

    generator = numbers()
    next(generator)
    assert get_current_span().name == "generator"
    assert list(generator) == []
    assert get_current_span() is INVALID_SPAN


def test_never_left(tracer: Tracer, recorder: Recorder) -> None:
    """A manager that is dropped while it is entered: its generator is closed, which ends the span."""

    def enter() -> None:
        tracer.start_as_current_span("dropped").__enter__()

    logging.disable(logging.CRITICAL)
    try:
        contextvars.copy_context().run(enter)
        gc.collect()
    finally:
        logging.disable(logging.NOTSET)
    assert [span.name for span in recorder.ended] == ["dropped"]


def test_left_out_of_order(tracer: Tracer, recorder: Recorder) -> None:
    """Each puts back what it found: the SDK's order of contexts, whatever it is."""

    def body() -> None:
        first, second = tracer.start_as_current_span("first"), tracer.start_as_current_span("second")
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert get_current_span() is INVALID_SPAN
        second.__exit__(None, None, None)
        assert get_current_span().get_span_context() == recorder.ended[0].context

    contextvars.copy_context().run(body)
