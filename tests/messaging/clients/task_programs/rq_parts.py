"""``rq_parts.py <function>``: one property of `nanospan.messaging.tasks.rq`, with a worker in this process."""

from __future__ import annotations

import os
import sys
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from redis import Redis
from rq import Queue, SimpleWorker
from rq.decorators import job
from rq.job import Job

from nanospan import TracerProvider
from nanospan.messaging import stats
from nanospan.messaging.tasks.rq import RqTracing, TracedJob, TracedQueue, wrap_queue

if __name__ == "__main__":  # jobs are found in the module of this name
    parts: Any = __import__("rq_parts")
    getattr(parts, sys.argv[1])()
    raise SystemExit

exporter = InMemorySpanExporter()
provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
connection = Redis.from_url(os.environ.get("BROKER", "redis://"))


class OwnQueue(Queue):
    """An application's."""


def add(*numbers: int) -> int:
    return sum(numbers)


def fail() -> None:
    raise KeyError("no")


def work(job_class: type[Job] = TracedJob) -> None:
    SimpleWorker(["default"], connection=connection, job_class=job_class).work(burst=True, logging_level="CRITICAL")


def spans(kind: SpanKind | None = None) -> list[ReadableSpan]:
    return [span for span in exporter.get_finished_spans() if kind is None or span.kind is kind]


def meta_alone() -> None:
    """The application's meta stays as it is, and the job's has the fields beside it; the class of the queue stays too."""
    given = {"own": [1]}
    plain = OwnQueue(connection=connection)
    queue = wrap_queue(plain)
    assert isinstance(queue, OwnQueue)
    assert type(plain) is OwnQueue
    assert queue.name == plain.name
    made = queue.enqueue("rq_parts.add", 1, 2, meta=given)
    many = queue.enqueue_many([Queue.prepare_data("rq_parts.add", (n,), meta=given) for n in range(3)])
    assert given == {"own": [1]}
    for one in (made, *many):
        assert Job.fetch(one.id, connection=connection).meta.keys() == {"own", "traceparent"}, one.meta
    dependent = queue.enqueue("rq_parts.add", 4, depends_on=made)
    work()
    for one in (made, *many, dependent):
        assert Job.fetch(one.id, connection=connection).is_finished
        assert one.meta.keys() <= {"own", "traceparent", "tracestate", "baggage"}
    sends = {span.context.span_id: span for span in spans(SpanKind.PRODUCER)}
    processes = spans(SpanKind.CONSUMER)
    assert len(processes) == len(sends) == 5
    assert {process.links[0].context.span_id for process in processes} == sends.keys()
    (batch,) = spans(SpanKind.CLIENT)
    assert len(batch.links) == batch.attributes["messaging.batch.message_count"] == 3
    assert all(process.attributes["rq.func_name"] == "rq_parts.add" for process in processes)


def decorator_and_failure() -> None:
    """The class is for what RQ makes itself; a job that fails has the error; other options are those of a class."""

    @job("default", connection=connection, queue_class=TracedQueue)
    def decorated() -> None: ...

    class Child(TracedJob):
        tracing = RqTracing(relation="parent")

    decorated.helper = None
    queue = wrap_queue(Queue(connection=connection))
    queue.enqueue(fail)
    work(Child)
    (send,), (process,) = spans(SpanKind.PRODUCER), spans(SpanKind.CONSUMER)
    assert process.parent.span_id == send.context.span_id
    assert process.attributes["error.type"] == "KeyError"
    assert decorated.delay().meta.keys() == {"traceparent"}


def other_workers() -> None:
    """A worker without the class runs the jobs; a worker with it runs jobs without a context, or with an unreadable one."""
    queue, plain = wrap_queue(Queue(connection=connection)), Queue(connection=connection)
    jobs = [queue.enqueue(add, 1)]
    work(Job)
    before = len(spans(SpanKind.CONSUMER))
    jobs += [plain.enqueue(add, 1), plain.enqueue(add, 1, meta={"traceparent": 5, "tracestate": b"\xff"})]
    work()
    assert [Job.fetch(one.id, connection=connection).return_value() for one in jobs] == [1] * 3
    assert before == 0
    assert [len(span.links) for span in spans(SpanKind.CONSUMER)] == [0, 0]


def refused() -> None:
    """A send that fails ends its span, with the error, and leaves nothing current."""
    queue = wrap_queue(Queue(connection=Redis(port=9)))
    with trace.get_tracer("parts").start_as_current_span("caller") as caller:
        for call in (
            lambda: queue.enqueue("rq_parts.add", 1),
            lambda: queue.enqueue_many([Queue.prepare_data("rq_parts.add")]),
        ):
            try:
                call()
            except Exception as error:
                assert spans()[-1].attributes["error.type"].endswith(type(error).__qualname__)
            else:
                raise AssertionError("the broker does not run, and nothing was raised")
            assert trace.get_current_span() is caller
    assert stats()["failures"] == 0
    for arguments, options in (((1,), {}), ((queue,), {}), ((Queue(connection=connection),), {"other": 1})):
        try:
            wrap_queue(*arguments, **options)
        except (TypeError, ValueError):
            continue
        raise AssertionError(f"{arguments} {options} was taken")
