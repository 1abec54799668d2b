"""``celery_parts.py <function>``: one property of `nanospan.messaging.tasks.celery`, with a worker in this process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime, timedelta
from time import time_ns
from typing import Any

from celery import Celery, chain, chord, group, signals
from celery.beat import ScheduleEntry, Scheduler
from celery.contrib.testing.worker import start_worker
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from nanospan import TracerProvider
from nanospan.messaging import job_span, stats
from nanospan.messaging.tasks.celery import CeleryTracing, _broker_of, instrument

BROKER = os.environ["BROKER"]
exporter = InMemorySpanExporter()
provider = TracerProvider(shutdown_on_exit=False)
provider.add_span_processor(SimpleSpanProcessor(exporter))
tracer = provider.get_tracer("parts")


def an_app(broker: str = BROKER, **options: Any) -> tuple[Celery, CeleryTracing]:
    app = Celery("parts", broker=broker, backend=BROKER, set_as_current=False)
    app.conf.update(task_publish_retry=False, broker_connection_timeout=1)
    if os.environ.get("FOREIGN") == "contrib":
        from opentelemetry.instrumentation.celery import CeleryInstrumentor

        CeleryInstrumentor().instrument(tracer_provider=provider)
        tracing: Any = nullcontext()
    else:
        tracing = instrument(app, tracer_provider=provider, **options)

    @app.task(name="add")
    def add(*numbers: Any) -> int:
        return sum(numbers[0] if isinstance(numbers[0], list) else numbers)

    @app.task(name="headers", bind=True)
    def headers(self: Any) -> Any:
        return self.request.headers

    @app.task(name="explode")
    def explode() -> None:
        raise KeyError("no")

    return app, tracing


@contextmanager
def working(app: Celery) -> Iterator[None]:
    app.loader.import_module("celery.contrib.testing.tasks")
    with start_worker(app, pool="solo", perform_ping_check=False, loglevel="CRITICAL", shutdown_timeout=30):
        yield


def spans(kind: SpanKind | None = None, task: str | None = None) -> list[ReadableSpan]:
    return [
        span
        for span in exporter.get_finished_spans()
        if (kind is None or span.kind is kind) and (task is None or span.attributes["celery.task_name"] == task)
    ]


def linked(process: ReadableSpan) -> list[int]:
    return [link.context.span_id for link in process.links]


def canvases() -> None:
    """Each task of a chain, a group and a chord, with and without an eta, is linked to where it was handed over."""
    app, _ = an_app()
    add: Any = app.tasks["add"]
    soon = datetime.now(UTC) + timedelta(seconds=0.2)
    with working(app), tracer.start_as_current_span("caller") as caller:
        assert chain(add.s(1, 2), add.s(3), add.s(4))().get(timeout=30) == 10
        assert group(add.s(1, 1), add.s(2, 2)).apply_async().get(timeout=30) == [2, 4]
        assert chord([add.s(1, 1), add.s(2, 2)])(add.s()).get(timeout=30) == 6
        assert add.apply_async((5, 5), eta=soon).get(timeout=30) == 10
        called = add.apply_async((5, 5), link=add.s(1))
        assert called.get(timeout=30) == 10
        assert called.children[0].get(timeout=30) == 11
        assert trace.get_current_span() is caller
    sends = {span.context.span_id: span for span in spans(SpanKind.PRODUCER, "add")}
    processes = spans(SpanKind.CONSUMER, "add")
    assert len(sends) == len(processes) == 11, (len(sends), len(processes))
    for process in processes:
        (link,) = linked(process)
        send = sends[link]
        assert process.parent is None
        assert send.attributes["messaging.message.id"] == process.attributes["messaging.message.id"]
    # The later ones of a chain, the body of a chord and the callback were handed over by the task before.
    consumers = {process.context.span_id for process in processes}
    assert sum(send.parent.span_id in consumers for send in sends.values()) == 4


def foreign_task() -> None:
    """contrib #3002: the span of ``send_task`` of a task that this process does not know had no length."""
    app, _ = an_app()
    sent: list[int] = []
    with app.producer_pool.acquire(block=True) as producer:
        publish = producer.publish

        def noting(*args: Any, **kwargs: Any) -> Any:
            sent.append(time_ns())
            result = publish(*args, **kwargs)
            sent.append(time_ns())
            return result

        producer.publish = noting
        app.send_task("of.another.service", (1,), producer=producer)
        del producer.publish
    (send,) = spans()
    assert send.end_time >= sent[1], f"it ended {sent[1] - send.end_time} ns before the message was sent"
    assert send.start_time <= sent[0]
    assert send.name == "send celery"
    assert send.attributes["celery.task_name"] == "of.another.service"


def names() -> None:
    """contrib #609, #166: names and kinds of the conventions, and the task's where it is asked for."""
    for options, expected in (
        ({}, {"send celery", "process celery"}),
        ({"span_names": "task"}, {"send add", "process add"}),
    ):
        exporter.clear()
        app, tracing = an_app(**options)
        with tracing, working(app):
            app.tasks["add"].delay(1, 2).get(timeout=30)
        found = sorted(span.name for span in spans())
        assert found == sorted(expected), found
        for span in spans():
            assert span.attributes["messaging.system"] == "redis"
            assert span.attributes["messaging.destination.name"] == "celery"
            assert span.attributes["celery.task_name"] == "add", span.attributes


def relations() -> None:
    """contrib's default is the parent; here it has to be asked for."""
    for relation in ("link", "parent", "both"):
        exporter.clear()
        app, tracing = an_app(relation=relation)
        with tracing, working(app):
            app.tasks["add"].delay(1, 2).get(timeout=30)
        (send,), (process,) = spans(SpanKind.PRODUCER), spans(SpanKind.CONSUMER)
        assert (send.context.span_id in linked(process)) == (relation != "parent")
        assert (process.parent is not None) == (relation != "link")
        if process.parent is not None:
            assert process.parent.span_id == send.context.span_id


def refused() -> None:
    """A send that fails ends its span, with the error, and leaves nothing current; the exception is the same."""
    app, _ = an_app("redis://127.0.0.1:9")
    with tracer.start_as_current_span("caller") as caller:
        for call in (lambda: app.send_task("x"), lambda: app.tasks["add"].delay(1), lambda: app.send_task("x", (object(),))):
            before = len(spans())
            try:
                call()
            except Exception as error:
                (send,) = spans()[before:]
                assert send.attributes["error.type"].endswith(type(error).__qualname__), send.attributes
            else:
                raise AssertionError("the broker does not run, and nothing was raised")
            assert trace.get_current_span() is caller
    assert stats()["failures"] == 0


def nested_headers() -> None:
    """ddtrace's and sentry's headers inside ``headers["headers"]`` stay; they are read if there are no others."""
    carried = {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01", "x-datadog-trace-id": "1", "sentry-trace": "2"}
    app, tracing = an_app()
    with working(app):
        app.tasks["headers"].apply_async(headers={"headers": dict(carried), "own": [1]}).get(timeout=30)
        before = len(spans())
        got = app.tasks["headers"].apply_async(headers={"headers": dict(carried)}).get(timeout=30)
        assert got == carried, got
        (send, process) = sorted(spans()[before:], key=lambda span: span.start_time)
        assert linked(process) == [send.context.span_id]
        signals.before_task_publish.disconnect(tracing._handlers[signals.before_task_publish])
        before = len(spans())
        app.tasks["headers"].apply_async(headers={"headers": dict(carried)}).get(timeout=30)
        (process,) = spans()[before:]
        assert linked(process) == [int("cd" * 8, 16)]


def failures() -> None:
    """A task that raises, one that is not known, and one that runs eagerly, which has no message."""
    app, _ = an_app()
    with working(app):
        with suppress(KeyError):
            app.tasks["explode"].delay().get(timeout=30)
        unknown = app.send_task("nobody.knows")
        with suppress(Exception):
            unknown.get(timeout=30)
    (exploded,) = spans(SpanKind.CONSUMER, "explode")
    assert exploded.attributes["error.type"] == "KeyError"
    assert exploded.attributes["celery.state"] == "FAILURE"
    (nobody,) = spans(SpanKind.CONSUMER, "nobody.knows")
    assert nobody.attributes["error.type"] == "celery.exceptions.NotRegistered"
    before = len(spans())
    assert app.tasks["add"].apply((1, 2)).get() == 3
    assert app.tasks["add"](1, 2) == 3
    assert len(spans()) == before


def schedules() -> None:
    """What beat sends begins a trace; what a job of cron sends belongs to the job's."""
    app, _ = an_app()
    add: Any = app.tasks["add"]
    entry = ScheduleEntry(name="nightly", task="add", schedule=timedelta(days=1), args=(1, 2), app=app)
    with working(app):
        assert Scheduler(app, lazy=True).apply_async(entry, advance=False).get(timeout=30) == 3
        with job_span("nightly", tracer_provider=provider):
            assert add.delay(1, 2).get(timeout=30) == 3
    (job,) = [span for span in spans() if span.name == "nightly"]
    sends = sorted(spans(SpanKind.PRODUCER), key=lambda span: span.start_time)
    assert [send.parent and send.parent.span_id for send in sends] == [None, job.context.span_id]
    processes = sorted(spans(SpanKind.CONSUMER), key=lambda span: span.start_time)
    assert [linked(process) for process in processes] == [[send.context.span_id] for send in sends]


def once_and_undone() -> None:
    """Twice is once; another application has no spans; `undo` leaves everything as it was."""
    app, tracing = an_app()
    assert instrument(app) is tracing
    other = Celery("other", broker=BROKER, set_as_current=False)
    app.send_task("x")
    other.send_task("x")
    assert len(spans()) == 1
    tracing.undo()
    tracing.undo()
    app.send_task("x")
    assert len(spans()) == 1
    assert "send_task" not in vars(app)
    assert not any("nanospan" in repr(receiver) for signal in (signals.task_prerun,) for receiver in signal.receivers)
    again = instrument(app, tracer_provider=provider)
    app.send_task("x")
    assert again is not tracing
    assert len(spans()) == 2


def wrong_arguments() -> None:
    """Each is named."""
    app = Celery("wrong", broker=BROKER, set_as_current=False)
    for arguments, options, part in (
        ((1,), {}, "app must be a Celery application, not 1"),
        ((app,), {"relation": "no"}, "relation must be 'link' or 'parent' or 'both', not 'no'"),
        ((app,), {"span_names": "no"}, "span_names must be 'queue' or 'task', not 'no'"),
        ((app,), {"other": 1}, "unexpected keyword argument 'other'"),
    ):
        try:
            instrument(*arguments, **options)
        except (TypeError, ValueError) as error:
            assert part in str(error), error
        else:
            raise AssertionError(f"{options} was taken")
    assert "send_task" not in vars(app)


def systems() -> None:
    """`messaging.system` and the server by the broker's URL."""
    for url, expected in (
        ("redis://host:7/1", ("redis", "host", 7)),
        ("rediss://host", ("redis", "host", 6379)),
        ("redis+socket:///tmp/x", ("redis", None, None)),
        ("sentinel://host:26379", ("redis", "host", 26379)),
        ("amqp://user:secret@host//", ("rabbitmq", "host", 5672)),
        ("amqp://one;amqp://two", ("rabbitmq", None, None)),
        ("sqs://", ("aws_sqs", None, None)),
        ("filesystem://", ("filesystem", None, None)),
        ("memory://", ("memory", None, None)),
    ):
        try:
            found = tuple(_broker_of(Celery("x", broker=url, set_as_current=False)))
        except ImportError:
            continue
        assert found[0] == expected[0] and (expected[1] is None or found == expected), (url, found)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
