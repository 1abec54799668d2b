"""Failures inside tracing: the send goes on, the handler runs, nothing reaches the application, and it is counted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import context, propagate, trace
from opentelemetry.trace import NoOpTracerProvider, StatusCode
from support.message_spans import Recorder

from nanospan._common.log import WindowedLog
from nanospan.messaging import Messaging, extract, inject, job_span
from nanospan.messaging._carriers import counts

Counted = Callable[[], dict[str, int]]
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
MESSAGE = [("traceparent", PARENT.encode())]


class Broken(Exception):
    pass


class BrokenPropagator:
    fields = frozenset({"traceparent"})

    def inject(self, *arguments: Any, **named: Any) -> None:
        raise Broken

    def extract(self, *arguments: Any, **named: Any) -> Any:
        raise Broken


class BrokenSpan(trace.NonRecordingSpan):
    def __init__(self) -> None:
        super().__init__(trace.SpanContext(1, 2, False))

    def set_attribute(self, *arguments: Any) -> None:
        raise Broken

    set_attributes = set_status = record_exception = set_attribute  # type: ignore[assignment]

    def end(self, end_time: int | None = None) -> None:
        raise Broken


class BrokenTracers(trace.TracerProvider):
    """Tracers that raise, or whose spans do."""

    def __init__(self, spans_only: bool) -> None:
        self.spans_only = spans_only

    def get_tracer(self, *arguments: Any, **named: Any) -> Any:
        outer = self

        class Tracer(trace.NoOpTracer):
            def start_span(self, *arguments: Any, **named: Any) -> Any:
                if outer.spans_only:
                    return BrokenSpan()
                raise Broken

        return Tracer()


class BrokenMeters:
    def get_meter(self, *arguments: Any, **named: Any) -> Any:
        class Instrument:
            def record(self, *arguments: Any, **named: Any) -> None:
                raise Broken

            add = record

        class Meter:
            def create_histogram(self, *arguments: Any, **named: Any) -> Any:
                return Instrument()

            create_counter = create_histogram

        return Meter()


@pytest.fixture
def broken_propagator() -> Iterator[None]:
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(BrokenPropagator())  # type: ignore[arg-type]
    yield
    propagate.set_global_textmap(before)


def use(kafka: Messaging) -> list[Any]:
    """Every operation, once with an exception of the application: what was to be sent."""
    made = [kafka.create("orders", list(MESSAGE))]
    choices: list[Any] = ["send", "create", "given"]
    for creation in choices:
        with kafka.send("orders", list(MESSAGE), creation=creation) as sending:
            sending.sent(message_id=1)
            sending.failed("x")
        made.append(sending.headers)
        with kafka.send_batch("orders", [list(MESSAGE), None], creation=creation) as batch:
            pass
        made += batch.headers_of
    for operation in (kafka.receive, kafka.process, kafka.settle):
        with operation("orders", MESSAGE):
            made.append(MESSAGE)
        with operation("orders", headers_of=[MESSAGE]):
            pass
        with pytest.raises(LookupError), operation("orders"):
            raise LookupError
    return made


def test_a_propagator_that_raises(
    spans: Recorder, broken_propagator: None, counted: Counted, caplog: pytest.LogCaptureFixture
) -> None:
    before = context.get_current()
    made = use(Messaging("kafka", tracer_provider=spans.provider))
    assert [headers for headers in made if headers != MESSAGE] == [[], [], []]
    assert inject(Messaging("kafka").carrier, MESSAGE) == MESSAGE
    assert extract(Messaging("kafka").carrier, MESSAGE) == {}
    assert counted()["failures"] > 10
    assert context.get_current() == before
    assert all(span.end_time for span in spans.all())
    assert {span.name for span in spans.all()} == {
        "create orders",
        "send orders",
        "receive orders",
        "process orders",
        "settle orders",
    }
    assert len(caplog.records) <= 4  # once a window and place


@pytest.mark.parametrize("spans_only", [False, True], ids=["tracer", "span"])
def test_a_tracer_that_raises(spans_only: bool, counted: Counted, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    before = context.get_current()
    made = use(Messaging("kafka", tracer_provider=BrokenTracers(spans_only)))
    assert all(isinstance(headers, list) for headers in made)
    if not spans_only:
        assert [headers for headers in made if headers != MESSAGE] == [[], [], []]
    with pytest.raises(LookupError), job_span("nightly", tracer_provider=BrokenTracers(spans_only)):
        raise LookupError
    assert counted()["failures"] > 10
    assert context.get_current() == before


def test_meters_that_raise(spans: Recorder, counted: Counted) -> None:
    use(Messaging("kafka", tracer_provider=spans.provider, meter_provider=BrokenMeters()))  # type: ignore[arg-type]
    assert counted()["failures"] == 15
    assert all(span.end_time for span in spans.all())


def test_a_logging_handler_that_raises(broken_propagator: None, counted: Counted, monkeypatch: pytest.MonkeyPatch) -> None:
    logs_each = WindowedLog(logging.getLogger("nanospan.messaging"), window=0, owned=True)
    monkeypatch.setattr(counts, "_log", logs_each)
    handled = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            handled.append(record)
            raise Broken

    handler = Handler()
    logging.getLogger("nanospan.messaging").addHandler(handler)
    try:
        for _ in range(3):
            assert inject(Messaging("kafka").carrier, []) == []
    finally:
        logging.getLogger("nanospan.messaging").removeHandler(handler)
    assert (len(handled), counted()) == (3, {"failures": 3})


class Unlucky:
    def __str__(self) -> str:
        raise Broken

    def items(self) -> Any:
        raise Broken

    def __iter__(self) -> Any:
        raise Broken


@pytest.mark.parametrize("fact", ["message_id", "partition", "attributes"])
def test_facts_that_raise(spans: Recorder, counted: Counted, fact: str) -> None:
    kafka = Messaging("kafka", tracer_provider=spans.provider)
    facts: Any = {fact: Unlucky()}
    with kafka.send("orders", list(MESSAGE), **facts) as sending:
        pass
    assert sending.headers == MESSAGE
    with kafka.process("orders", MESSAGE) as processing:
        processing.add(**facts)
    with kafka.process("orders", headers_of=Unlucky()):  # type: ignore[arg-type]
        pass
    with kafka.process("orders", headers_of=[MESSAGE], message_ids=[Unlucky()]):
        pass
    assert len(spans.all()) == 3
    assert counted()["failures"] >= 4


def test_without_an_sdk_the_context_of_the_caller_goes_on() -> None:
    kafka = Messaging("kafka", tracer_provider=NoOpTracerProvider())
    with kafka.send("orders", [("k", b"v")]) as sending:
        assert sending.headers == [("k", b"v")]
    with kafka.process("orders", MESSAGE, relation="parent"), kafka.send("other") as sending:
        pass
    assert sending.headers == MESSAGE


def test_a_sampler_that_raises_does_not_stop_the_handler(provider_class: Any, clean_environment: None) -> None:
    from nanospan.sampling import Sampler

    class Raises(Sampler):
        def should_sample(self, *arguments: Any, **named: Any) -> Any:
            raise Broken

        def get_description(self) -> str:
            return "Raises"

    spans = Recorder(provider_class, sampler=Raises())
    ran = []
    with Messaging("kafka", tracer_provider=spans.provider).process("orders", MESSAGE):
        ran.append(1)
    assert (ran, spans.all()) == ([1], [])


def test_the_error_of_the_application_is_the_spans_too(spans: Recorder, broken_propagator: None) -> None:
    with pytest.raises(LookupError), Messaging("kafka", tracer_provider=spans.provider).process("orders", MESSAGE):
        raise LookupError
    assert spans.one().status.status_code is StatusCode.ERROR


@pytest.mark.parametrize("operation", ["send", "process", "receive", "job"])
def test_an_operation_that_is_used_twice_is_one_span_and_leaves_no_context(
    spans: Recorder, counted: Counted, operation: str
) -> None:
    client = Messaging("kafka", tracer_provider=spans.provider)
    made: Any = (
        job_span("orders", tracer_provider=spans.provider) if operation == "job" else getattr(client, operation)("orders")
    )
    before = context.get_current()
    with made, made:
        pass
    with made:
        pass
    assert context.get_current() is before
    assert len(spans.all()) == 1
    assert counted()["failures"] == 2
