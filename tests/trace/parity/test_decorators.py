"""``start_as_current_span`` as a decorator: a span for every call, which ends where the SDK's ends."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import INVALID_SPAN, StatusCode, get_current_span
from support.parity.implementation import Implementation
from support.parity.pipeline import Recorder


def names(recorder: Recorder) -> list[str]:
    return [span.name for span in recorder.ended]


def test_a_function(implementation: Implementation) -> None:
    recorder = Recorder()
    tracer = implementation.tracer(recorder)

    @tracer.start_as_current_span("decorated", attributes={"a": 1})
    def work(number: int, *, factor: int = 2) -> int:
        """Multiplies."""
        assert get_current_span().name == "decorated"
        assert recorder.ended == []
        return number * factor

    assert recorder.started == []
    assert work(21) == 42
    assert (work.__name__, work.__doc__) == ("work", "Multiplies.")
    assert list(inspect.signature(work).parameters) == ["number", "factor"]
    assert names(recorder) == ["decorated"]
    assert dict(recorder.ended[0].attributes) == {"a": 1}
    assert get_current_span() is INVALID_SPAN


def test_every_call_has_a_span_of_its_own(implementation: Implementation) -> None:
    recorder = Recorder()

    @implementation.tracer(recorder).start_as_current_span("call")
    def work(depth: int) -> None:
        if depth:
            work(depth - 1)

    work(2)
    work(0)
    assert len(recorder.ended) == 4
    assert len({span.context.span_id for span in recorder.ended}) == 4
    innermost, middle, outermost, _ = recorder.ended
    assert innermost.parent == middle.context
    assert middle.parent == outermost.context


def test_one_decorator_for_two_functions(implementation: Implementation) -> None:
    recorder = Recorder()
    decorate = implementation.tracer(recorder).start_as_current_span("shared")
    first = decorate(lambda: get_current_span().get_span_context().span_id)
    second = decorate(lambda: get_current_span().get_span_context().span_id)
    assert len({first(), second(), first()}) == 3
    assert len(recorder.ended) == 3


def test_a_method(implementation: Implementation) -> None:
    recorder = Recorder()
    tracer = implementation.tracer(recorder)

    class Worker:
        @tracer.start_as_current_span("method")
        def work(self) -> Worker:
            return self

        @staticmethod
        @tracer.start_as_current_span("static")
        def still() -> str:
            return "still"

    worker = Worker()
    assert worker.work() is worker
    assert Worker.still() == "still"
    assert names(recorder) == ["method", "static"]


def test_a_function_that_raises(implementation: Implementation) -> None:
    recorder = Recorder()

    @implementation.tracer(recorder).start_as_current_span("failing")
    def work() -> None:
        raise ValueError("message")

    with pytest.raises(ValueError, match="message"):
        work()
    assert recorder.ended[0].status.status_code is StatusCode.ERROR
    assert [event.name for event in recorder.ended[0].events] == ["exception"]
    assert get_current_span() is INVALID_SPAN


def test_a_coroutine_function(implementation: Implementation) -> None:
    """The span is open for as long as the coroutine runs."""
    recorder = Recorder()

    @implementation.tracer(recorder).start_as_current_span("coroutine")
    async def work(number: int) -> int:
        span = get_current_span()
        await asyncio.sleep(0)
        assert get_current_span() is span
        assert span.is_recording()
        return number + 1

    assert inspect.iscoroutinefunction(work)
    assert work.__name__ == "work"
    coroutine = work(1)
    assert recorder.started == []
    assert asyncio.run(_give_back(coroutine)) == 2
    assert names(recorder) == ["coroutine"]


async def _give_back(awaitable):
    return await awaitable


def test_coroutines_beside_each_other(implementation: Implementation) -> None:
    recorder = Recorder()

    @implementation.tracer(recorder).start_as_current_span("coroutine")
    async def work(waits: int) -> int:
        for _ in range(waits):
            await asyncio.sleep(0)
        return get_current_span().get_span_context().span_id

    async def main() -> list[int]:
        return await asyncio.gather(*(work(waits) for waits in (5, 1, 3)))

    identifiers = asyncio.run(main())
    assert len(set(identifiers)) == 3
    assert sorted(span.context.span_id for span in recorder.ended) == sorted(identifiers)
    assert all(span.parent is None for span in recorder.ended)


def test_a_coroutine_that_is_cancelled(implementation: Implementation) -> None:
    recorder = Recorder()

    @implementation.tracer(recorder).start_as_current_span("cancelled")
    async def work() -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert names(recorder) == ["cancelled"]
    assert recorder.ended[0].events == ()
    assert recorder.ended[0].status.status_code is StatusCode.UNSET


def test_a_coroutine_that_raises(implementation: Implementation) -> None:
    recorder = Recorder()

    @implementation.tracer(recorder).start_as_current_span("failing", record_exception=False)
    async def work() -> None:
        await asyncio.sleep(0)
        raise ValueError("message")

    with pytest.raises(ValueError, match="message"):
        asyncio.run(work())
    assert recorder.ended[0].events == ()
    assert recorder.ended[0].status.description == "ValueError: message"


def test_a_generator_function(implementation: Implementation) -> None:
    """The SDK's span covers the call that makes the generator, not the iteration."""
    recorder = Recorder()

    @implementation.tracer(recorder).start_as_current_span("generator")
    def work() -> Iterator[bool]:
        yield get_current_span() is INVALID_SPAN

    iterator = work()
    assert names(recorder) == ["generator"]
    assert list(iterator) == [True]
    assert len(recorder.ended) == 1


def test_an_async_generator_function(implementation: Implementation) -> None:
    recorder = Recorder()

    @implementation.tracer(recorder).start_as_current_span("generator")
    async def work() -> AsyncIterator[bool]:
        yield get_current_span() is INVALID_SPAN

    async def main() -> list[bool]:
        iterator = work()
        assert names(recorder) == ["generator"]
        return [value async for value in iterator]

    assert asyncio.run(main()) == [True]
    assert len(recorder.ended) == 1


def test_not_ended_on_exit(implementation: Implementation) -> None:
    recorder = Recorder()

    @implementation.tracer(recorder).start_as_current_span("open", end_on_exit=False)
    def work() -> None:
        pass

    work()
    assert recorder.ended == []
    assert recorder.started[0].is_recording()


def test_in_threads(implementation: Implementation) -> None:
    recorder = Recorder()

    @implementation.tracer(recorder).start_as_current_span("call")
    def work(_: int) -> int:
        return get_current_span().get_span_context().span_id

    with ThreadPoolExecutor(4) as pool:
        identifiers = list(pool.map(work, range(200)))
    assert len(set(identifiers)) == 200
    assert sorted(span.context.span_id for span in recorder.ended) == sorted(identifiers)


def test_a_sampled_out_decorator(implementation: Implementation) -> None:
    @implementation.tracer(sampler=ALWAYS_OFF).start_as_current_span("dropped")
    def work() -> int:
        return get_current_span().get_span_context().span_id

    assert work() != work() != 0


def test_what_a_call_took_is_not_shared(implementation: Implementation) -> None:
    """The arguments are used for every call: attributes that change after the first call show in the second."""
    recorder = Recorder()
    attributes = {"n": 1}

    @implementation.tracer(recorder).start_as_current_span("call", attributes=attributes)
    def work() -> None:
        pass

    work()
    attributes["n"] = 2
    work()
    assert [span.attributes["n"] for span in recorder.ended] == [1, 2]
