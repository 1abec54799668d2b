"""``taskiq_parts.py <function>``: one property of `nanospan.messaging.tasks.taskiq`, with a receiver in this process."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from taskiq import SimpleRetryMiddleware, TaskiqMessage, TaskiqMiddleware
from taskiq.api import run_receiver_task
from taskiq.serializers import JSONSerializer
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

from nanospan import TracerProvider
from nanospan.messaging import stats
from nanospan.messaging.tasks.taskiq import TracingMiddleware, instrument

exporter = InMemorySpanExporter()
provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(SimpleSpanProcessor(exporter))
tracer = provider.get_tracer("parts")
inside: list[Any] = []


def a_broker(url: str | None = None) -> tuple[ListQueueBroker, TracingMiddleware]:
    broker = ListQueueBroker(url or os.environ["BROKER"]).with_middlewares(SimpleRetryMiddleware(default_retry_count=2))
    broker = broker.with_serializer(JSONSerializer())
    if url is None:
        broker = broker.with_result_backend(RedisAsyncResultBackend(os.environ["BROKER"], serializer=JSONSerializer()))
    return broker, instrument(broker, tracer_provider=provider)


def spans(kind: SpanKind | None = None) -> list[ReadableSpan]:
    return [span for span in exporter.get_finished_spans() if kind is None or span.kind is kind]


async def _run(broker: ListQueueBroker, *tasks: Any) -> None:
    await broker.startup()
    receiver = asyncio.ensure_future(run_receiver_task(broker))
    for task in tasks:
        sent = await task.kiq()
        while not await sent.is_ready():
            await asyncio.sleep(0.01)
    receiver.cancel()
    await asyncio.gather(receiver, return_exceptions=True)
    await broker.shutdown()


def both_kinds_of_functions() -> None:
    """A function with ``async`` and one in a thread run in their spans; a retry is handed over in the span of the run."""
    broker, tracing = a_broker()

    @broker.task(task_name="later")
    async def later() -> None:
        inside.append(trace.get_current_span().get_span_context())

    @broker.task(task_name="plain")
    def plain() -> None:
        inside.append(trace.get_current_span().get_span_context())

    @broker.task(task_name="fails", retry_on_error=True)
    async def fails() -> None:
        inside.append(trace.get_current_span().get_span_context())
        if len(inside) < 4:
            raise KeyError("no")

    async def main() -> None:
        with tracer.start_as_current_span("caller") as caller:
            await _run(broker, later, plain, fails)
            assert trace.get_current_span() is caller

    asyncio.run(main())
    processes = {span.context.span_id: span for span in spans(SpanKind.CONSUMER)}
    sends = {span.context.span_id: span for span in spans(SpanKind.PRODUCER)}
    assert {context.span_id for context in inside} == processes.keys()
    assert len(processes) == len(sends) == 4
    for process in processes.values():
        (link,) = process.links
        assert link.context.span_id in sends
    (retry,) = [span for span in sends.values() if span.attributes.get("taskiq.retries")]
    assert processes[retry.parent.span_id].attributes["error.type"] == "KeyError"
    assert not tracing._running


def refused() -> None:
    """A send that fails ends its span, with the error, and leaves nothing current: there, before, in middleware."""
    broker, _ = a_broker("redis://127.0.0.1:9")

    class Raising(TaskiqMiddleware):
        def pre_send(self, message: TaskiqMessage) -> TaskiqMessage:
            raise RuntimeError("of the application")

    @broker.task(task_name="x")
    async def x(value: Any) -> None: ...

    async def attempt(value: Any) -> None:
        try:
            await x.kiq(value)
        except Exception:
            return
        raise AssertionError("the broker does not run, and nothing was raised")

    async def main() -> None:
        with tracer.start_as_current_span("caller") as caller:
            for count, value in enumerate((1, object()), 1):
                await attempt(value)
                gc.collect()
                assert len(spans()) == count, (value, spans())
                assert trace.get_current_span() is caller
            broker.add_middlewares(Raising())
            await attempt(1)
            gc.collect()
            assert trace.get_current_span() is caller

    asyncio.run(main())
    gc.collect()
    sends = spans(SpanKind.PRODUCER)
    assert len(sends) == 3, sends
    assert all("error.type" in send.attributes for send in sends)
    assert stats()["failures"] == 0


def once_and_undone() -> None:
    """Twice is once; `undo` leaves everything as it was; wrong arguments raise; psutil is not needed."""
    assert "psutil" not in sys.modules
    broker, tracing = a_broker()
    assert instrument(broker) is tracing

    @broker.task(task_name="x")
    async def x() -> None: ...

    async def main() -> None:
        await x.kiq()
        tracing.undo()
        tracing.undo()
        await x.kiq()

    asyncio.run(main())
    assert len(spans()) == 1
    assert tracing not in broker.middlewares
    assert "kick" not in vars(broker)
    for arguments, options in (((1,), {}), ((broker,), {"relation": "no"}), ((broker,), {"other": 1})):
        try:
            instrument(*arguments, **options)
        except (TypeError, ValueError):
            continue
        raise AssertionError(f"{options} was taken")


if __name__ == "__main__":
    globals()[sys.argv[1]]()
