"""``dramatiq_parts.py <function>``: one property of `nanospan.messaging.tasks.dramatiq`, with a worker in this process."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import dramatiq
from dramatiq import Worker, pipeline
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AsyncIO
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from nanospan import TracerProvider
from nanospan.messaging import stats
from nanospan.messaging.tasks.dramatiq import TracingMiddleware, instrument

exporter = InMemorySpanExporter()
provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(SimpleSpanProcessor(exporter))
tracer = provider.get_tracer("parts")
inside: list[Any] = []


def a_broker(url: str | None = None) -> tuple[RedisBroker, TracingMiddleware]:
    broker = RedisBroker(url=url or os.environ["BROKER"])
    broker.add_middleware(AsyncIO())
    tracing = instrument(broker, tracer_provider=provider)
    dramatiq.set_broker(broker)
    return broker, tracing


def drain(broker: RedisBroker) -> None:
    worker = Worker(broker, worker_timeout=50, worker_threads=2)
    worker.start()
    broker.join("default", timeout=30_000)
    worker.join()
    worker.stop()


def spans(kind: SpanKind | None = None) -> list[ReadableSpan]:
    return [span for span in exporter.get_finished_spans() if kind is None or span.kind is kind]


def delayed() -> None:
    """A message with a delay has one producer span, and its run links to it, not to the hop inside the worker."""
    broker, tracing = a_broker()
    actor = dramatiq.actor(lambda: inside.append(trace.get_current_span()), actor_name="now", broker=broker)
    with tracer.start_as_current_span("caller") as caller:
        message = actor.message()
        broker.enqueue(message, delay=100)
        assert trace.get_current_span() is caller
    drain(broker)
    (send,), (process,) = spans(SpanKind.PRODUCER), spans(SpanKind.CONSUMER)
    assert send.name == "send default"
    assert [link.context.span_id for link in process.links] == [send.context.span_id]
    assert inside[0].get_span_context() == process.context
    assert not tracing._delayed
    assert not tracing._running


def retries_and_pipelines() -> None:
    """What other middleware hands over belongs to the span of the message before."""
    broker, _ = a_broker()

    @dramatiq.actor(broker=broker, max_retries=1, min_backoff=1, max_backoff=1)
    def fails() -> None:
        raise KeyError("no")

    @dramatiq.actor(broker=broker)
    def adds(*numbers: int) -> int:
        inside.append(numbers)
        return sum(numbers)

    fails.send()
    pipeline([adds.message(1, 2), adds.message(3)], broker=broker).run()
    drain(broker)
    assert (3, 3) in inside or (3, 3) in [tuple(sorted(numbers)) for numbers in inside], inside
    sends = {span.context.span_id: span for span in spans(SpanKind.PRODUCER)}
    processes = spans(SpanKind.CONSUMER)
    assert len(sends) == len(processes) == 4, (len(sends), len(processes))
    for process in processes:
        (link,) = process.links
        assert link.context.span_id in sends
        assert process.parent is None
    consumers = {span.context.span_id for span in processes}
    assert sum(span.parent is not None and span.parent.span_id in consumers for span in sends.values()) == 2
    failed = [span for span in processes if span.attributes["dramatiq.actor_name"] == "fails"]
    assert [span.attributes["error.type"] for span in failed] == ["KeyError"] * 2


def skipped() -> None:
    """A message that is skipped ends its span."""
    broker, tracing = a_broker()
    actor = dramatiq.actor(lambda: inside.append(1), actor_name="old", broker=broker, max_age=1)
    actor.send()
    time.sleep(0.05)  # the message grows older than one millisecond
    drain(broker)
    (process,) = spans(SpanKind.CONSUMER)
    assert process.attributes["dramatiq.skipped"] is True
    assert not inside
    assert not tracing._running


def asynchronous() -> None:
    """An actor of asyncio runs in its span too."""
    broker, _ = a_broker()

    @dramatiq.actor(broker=broker)
    async def later() -> None:
        inside.append(trace.get_current_span().get_span_context())

    later.send()
    drain(broker)
    assert inside == [span.context for span in spans(SpanKind.CONSUMER)]


def refused() -> None:
    """A send that fails ends its span, with the error, and leaves nothing current."""
    broker, _ = a_broker("redis://127.0.0.1:9")
    actor = dramatiq.actor(lambda *_: None, actor_name="now", broker=broker)
    with tracer.start_as_current_span("caller") as caller:
        for argument in (1, object()):
            before = len(spans())
            try:
                actor.send(argument)
            except Exception as error:
                (send,) = spans()[before:]
                assert send.attributes["error.type"].endswith(type(error).__qualname__), send.attributes
            else:
                raise AssertionError("the broker does not run, and nothing was raised")
            assert trace.get_current_span() is caller
    assert stats()["failures"] == 0


def once_and_undone() -> None:
    """Twice is once; `undo` leaves everything as it was; wrong arguments raise."""
    broker, tracing = a_broker()
    assert instrument(broker) is tracing
    assert broker.middleware[0] is tracing
    actor = dramatiq.actor(lambda: None, actor_name="now", broker=broker)
    actor.send()
    tracing.undo()
    tracing.undo()
    actor.send()
    assert len(spans()) == 1
    assert tracing not in broker.middleware
    assert "enqueue" not in vars(broker)
    for arguments, options in (((1,), {}), ((broker,), {"relation": "no"}), ((broker,), {"other": 1})):
        try:
            instrument(*arguments, **options)
        except (TypeError, ValueError):
            continue
        raise AssertionError(f"{options} was taken")


if __name__ == "__main__":
    globals()[sys.argv[1]]()
