"""The life of the spans: current inside, ended with the block, errors; forwarding over two hops; jobs; the functions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context as Variables
from contextvars import copy_context
from typing import Any

import pytest
from opentelemetry import baggage, context, propagate, trace
from opentelemetry.trace import SpanKind, StatusCode
from support.message_spans import Recorder

import nanospan
from nanospan import messaging
from nanospan._native.trace import use_python_clock
from nanospan.messaging import AMQP, AWS_TRACE_HEADER, KAFKA, SQS, Messaging, extract, inject, job_span

Counted = Callable[[], dict[str, int]]


@pytest.fixture
def kafka(spans: Recorder) -> Messaging:
    return Messaging("kafka", tracer_provider=spans.provider)


def creation(headers: Any) -> tuple[int, int]:
    found = trace.get_current_span(extract(KAFKA, headers)).get_span_context()
    return found.trace_id, found.span_id


def ids(span_context: Any) -> tuple[int, int]:
    return span_context.trace_id, span_context.span_id


def linked(span: Any) -> list[tuple[int, int]]:
    return [ids(link.context) for link in span.links]


def test_a_message_carries_the_span_that_sends_it(kafka: Messaging, spans: Recorder) -> None:
    own = [("k", b"v")]
    before = context.get_current()
    with kafka.send("orders", own) as sending:
        assert trace.get_current_span() is sending.span
        assert spans.all() == []
    assert context.get_current() == before
    assert own == [("k", b"v")]
    assert sending.headers[0] == ("k", b"v")
    assert creation(sending.headers) == ids(spans.one().context)
    assert sending.fields["traceparent"] == KAFKA.get(sending.headers, "traceparent")


def test_the_producer_ends_before_the_consumer_starts(kafka: Messaging, spans: Recorder) -> None:
    with kafka.send("orders") as sending:
        pass
    with kafka.process("orders", sending.headers):
        pass
    sent, processed = spans.all()
    assert sent.end_time <= processed.start_time


@pytest.mark.parametrize("empty", [None, []])
def test_headers_are_never_none(kafka: Messaging, empty: Any) -> None:
    with kafka.send("orders", empty) as sending:
        assert [name for name, _ in sending.headers] == ["traceparent"]


def test_what_the_broker_answered(kafka: Messaging, spans: Recorder) -> None:
    with kafka.send("orders") as sending:
        sending.sent(message_id=7, partition=0, attributes={"messaging.kafka.offset": 5, "none": None})
    sending.sent(message_id="too late")
    found = spans.one().attributes
    assert (found["messaging.message.id"], found["messaging.destination.partition.id"]) == ("7", "0")
    assert found["messaging.kafka.offset"] == 5
    assert "none" not in found
    with pytest.raises(TypeError, match="unexpected keyword argument 'id'"):
        sending.sent(id=5)


class OutOfStock(Exception):
    pass


@pytest.mark.parametrize("operation", ["send", "receive", "process", "settle"])
@pytest.mark.parametrize(
    ("error", "name"),
    [
        (LookupError("no"), "LookupError"),
        (OutOfStock("no"), f"{OutOfStock.__module__}.OutOfStock"),
        (asyncio.CancelledError("no"), "asyncio.exceptions.CancelledError"),
    ],
)
def test_an_exception_of_the_block(
    kafka: Messaging, spans: Recorder, operation: str, error: BaseException, name: str
) -> None:
    before = context.get_current()
    with pytest.raises(type(error)) as raised, getattr(kafka, operation)("orders"):
        raise error
    assert raised.value is error
    assert context.get_current() == before
    span = spans.one()
    assert (span.status.status_code, span.attributes["error.type"]) == (StatusCode.ERROR, name)
    assert span.status.description == f"{type(error).__name__}: no"
    assert [event.name for event in span.events] == ["exception"]


@pytest.mark.parametrize("operation", ["send", "receive", "process", "settle"])
def test_a_failure_without_an_exception(kafka: Messaging, spans: Recorder, operation: str) -> None:
    with getattr(kafka, operation)("orders") as running:
        running.failed("NOT_ENOUGH_REPLICAS")
    span = spans.one()
    assert (span.status.status_code, span.attributes["error.type"]) == (StatusCode.ERROR, "NOT_ENOUGH_REPLICAS")
    assert span.events == ()


def test_an_exception_without_a_text(kafka: Messaging, spans: Recorder) -> None:
    class Shy(Exception):
        def __str__(self) -> str:
            raise ValueError

    with pytest.raises(Shy), kafka.process("orders"):
        raise Shy
    assert spans.one().status.status_code is StatusCode.ERROR


def test_a_generator_that_is_left_has_not_failed(kafka: Messaging, spans: Recorder) -> None:
    def messages() -> Any:
        for headers in ([], []):
            with kafka.process("orders", headers):
                yield headers

    for _ in messages():
        break
    assert spans.one().status.status_code is StatusCode.UNSET
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_an_operation_that_ends_in_another_context_is_quiet(
    kafka: Messaging, spans: Recorder, counted: Counted, caplog: pytest.LogCaptureFixture
) -> None:
    processing = kafka.process("orders")
    elsewhere: Variables = copy_context()
    elsewhere.run(processing.__enter__)
    processing.__exit__(None, None, None)
    processing.__exit__(None, None, None)
    assert spans.one().name == "process orders"
    assert counted() == {"foreign_detach": 1}
    assert caplog.text == ""


def test_a_forwarded_message_has_the_last_hop(kafka: Messaging, spans: Recorder) -> None:
    with kafka.send("first") as sending:
        pass
    received = tuple(sending.headers)
    with kafka.process("first", received), kafka.send("second", received) as forwarding:
        pass
    with kafka.process("second", forwarding.headers):
        pass
    send_first, send_second, process_first, process_second = spans.all()
    assert [name for name, _ in forwarding.headers] == ["traceparent"]
    assert linked(process_first) == [ids(send_first.context)]
    assert (send_second.parent.span_id, send_second.links) == (process_first.context.span_id, ())
    assert linked(process_second) == [ids(send_second.context)]


def test_a_context_in_the_message_is_kept_if_that_is_asked(kafka: Messaging, spans: Recorder) -> None:
    made = kafka.create("orders", [("k", b"v")])
    with kafka.send("orders", made, creation="given") as sending:
        assert sending.headers == made
    created, sent = spans.all()
    assert (created.name, created.kind, sent.kind) == ("create orders", SpanKind.PRODUCER, SpanKind.CLIENT)
    assert linked(sent) == [ids(created.context)] == [creation(made)]


@pytest.mark.parametrize("choice", ["given", "create"])
def test_a_create_span_for_a_single_message(kafka: Messaging, spans: Recorder, choice: Any) -> None:
    with kafka.send("orders", creation=choice) as sending:
        pass
    created, sent = spans.all()
    assert (created.kind, sent.kind) == (SpanKind.PRODUCER, SpanKind.CLIENT)
    assert linked(sent) == [ids(created.context)] == [creation(sending.headers)]


def test_a_receive_span_has_the_time_of_the_call(kafka: Messaging, spans: Recorder) -> None:
    with kafka.receive("orders") as receiving:
        with spans.provider.get_tracer("t").start_as_current_span("in the call"):
            pass
        receiving.received([], message_id="m")
    inner, received = spans.all()
    assert received.start_time <= inner.start_time < received.end_time
    assert received.kind is SpanKind.CLIENT
    assert (received.attributes["messaging.message.id"], inner.parent) == ("m", None)


@pytest.mark.parametrize("proxied", [False, True], ids=["", "behind a proxy"])
@pytest.mark.parametrize("clock", ["system", "python"])
@pytest.mark.thread_unsafe(reason="replaces the clock of the process")
def test_a_receive_span_under_frozen_time(
    provider_class: Any, clean_environment: None, monkeypatch: pytest.MonkeyPatch, clock: str, proxied: bool
) -> None:
    """Start and end are of one clock: that of the provider's other spans."""
    freezegun = pytest.importorskip("freezegun", reason="freezegun is not installed")
    monkeypatch.setenv("OTEL_PYTHON_NANOSPAN_CLOCK", clock)
    spans = Recorder(provider_class)
    kafka = Messaging("kafka", tracer_provider=trace.ProxyTracerProvider() if proxied else spans.provider)
    before = time.clock_gettime_ns(time.CLOCK_REALTIME)
    try:
        with freezegun.freeze_time("2020-01-01"):
            if proxied:
                monkeypatch.setattr(trace, "_TRACER_PROVIDER", spans.provider)
            with kafka.receive("orders") as receiving:
                spans.provider.get_tracer("other").start_span("other").end()
                receiving.received([])
    finally:
        use_python_clock(False)
    other, received = spans.all()
    assert received.start_time <= other.start_time <= other.end_time <= received.end_time
    frozen = provider_class is not nanospan.TracerProvider or clock == "python"
    if frozen:
        assert received.start_time == received.end_time == 1_577_836_800_000_000_000
    else:
        assert before <= received.start_time


def test_an_empty_poll(kafka: Messaging, spans: Recorder) -> None:
    with kafka.receive("orders"):
        pass
    with kafka.receive("orders") as receiving:
        receiving.received(headers_of=[])
    for empty in (False,):
        with kafka.receive("orders", empty=empty):
            pass
        with kafka.receive("orders", empty=empty) as receiving:
            receiving.received(headers_of=[])
        with pytest.raises(OSError), kafka.receive("orders", empty=empty):
            raise OSError
    counts = [span.attributes.get("messaging.batch.message_count") for span in spans.all()]
    assert counts == [None, 0, None]
    assert spans.all()[-1].status.status_code is StatusCode.ERROR


def test_inject_and_extract(spans: Recorder) -> None:
    tracer = spans.provider.get_tracer("t")
    with tracer.start_as_current_span("s") as span:
        carried = context.attach(baggage.set_baggage("a", "b"))
        made = inject(AMQP, {"k": "v"})
        context.detach(carried)
    given = context.set_value("key", "value")
    assert inject(AMQP, {"k": "v"}, context=given) == {"k": "v"}
    assert inject(AMQP, None, context=given) == {}
    assert (made["k"], made["baggage"]) == ("v", "a=b")
    with tracer.start_as_current_span("other"):
        found = extract(AMQP, made)
    remote = trace.get_current_span(found).get_span_context()
    assert (ids(remote), remote.is_remote) == (ids(span.get_span_context()), True)
    assert baggage.get_all(found) == {"a": "b"}
    for incoming in ("restart", "ignore"):
        assert extract(AMQP, made, incoming=incoming) == {}


def test_the_way_round_ten_attributes(spans: Recorder) -> None:
    sqs = Messaging("aws_sqs", tracer_provider=spans.provider)
    full = {f"a{index}": {"DataType": "String", "StringValue": "x"} for index in range(10)}
    with sqs.send("queue", full) as sending:
        assert sending.headers == full
        assert SQS.get(sending.headers, "traceparent") is None
        system = AWS_TRACE_HEADER.set(None, sending.fields)
    # The X-Ray header has the sampled flag alone.
    assert AWS_TRACE_HEADER.get(system, "traceparent") == sending.fields["traceparent"][:-1] + "1"


def test_a_job_is_a_root(spans: Recorder) -> None:
    with (
        spans.provider.get_tracer("t").start_as_current_span("caller") as caller,
        job_span("nightly", attributes={"a": 1}, tracer_provider=spans.provider) as job,
    ):
        assert trace.get_current_span() is job.span
    with pytest.raises(LookupError), job_span("failing", tracer_provider=spans.provider):
        raise LookupError
    nightly, _, failing = spans.all()
    assert (nightly.name, nightly.parent, nightly.kind, dict(nightly.attributes)) == (
        "nightly",
        None,
        SpanKind.INTERNAL,
        {"a": 1},
    )
    assert linked(nightly) == [ids(caller.get_span_context())]
    assert (failing.links, failing.status.status_code) == ((), StatusCode.ERROR)
    assert trace.get_current_span() is trace.INVALID_SPAN


def test_the_functions(spans: Recorder) -> None:
    arguments: dict[str, Any] = {"tracer_provider": spans.provider}
    with messaging.producer_span("kafka", "orders", **arguments, message_id="m") as sending:
        pass
    with messaging.consumer_span("kafka", "orders", sending.headers, **arguments, operation="poll"):
        pass
    with messaging.process("kafka", "orders", sending.headers, **arguments, relation="parent"):
        pass
    with messaging.settle_span("kafka", "orders", sending.headers, **arguments, operation="commit"):
        pass
    sent, polled, processed, committed = spans.all()
    assert [span.name for span in spans.all()] == ["send orders", "poll orders", "process orders", "commit orders"]
    assert processed.parent.span_id == sent.context.span_id
    assert linked(polled) == linked(committed) == [ids(sent.context)]


def test_a_message_carries_baggage_to_its_handler(kafka: Messaging) -> None:
    token = context.attach(baggage.set_baggage("tenant", "7"))
    with kafka.send("orders") as sending:
        pass
    context.detach(token)
    with kafka.process("orders", sending.headers):
        assert baggage.get_all() == {"tenant": "7"}
    assert baggage.get_all() == {}
    with kafka.process("orders", headers_of=[sending.headers]):
        assert baggage.get_all() == {}


def test_many_destinations_are_not_remembered_for_ever(kafka: Messaging, spans: Recorder) -> None:
    for number in range(3000):
        kafka.create(f"temporary-{number}")
    assert len(kafka._client._operations) <= 1024
    assert spans.all()[-1].name == "create temporary-2999"


def test_threads_share_a_client(kafka: Messaging, spans: Recorder) -> None:
    def work(thread: int) -> None:
        for number in range(50):
            name = f"{thread}-{number}"
            with kafka.send("orders", [], message_id=name) as sending:
                pass
            with kafka.process("orders", sending.headers, message_id=name):
                pass

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    sent = {span.attributes["messaging.message.id"]: ids(span.context) for span in spans.named("send orders")}
    processed = {span.attributes["messaging.message.id"]: linked(span) for span in spans.named("process orders")}
    assert len(sent) == 400
    assert processed == {name: [made] for name, made in sent.items()}


def test_async_handlers_have_their_own_spans(kafka: Messaging, spans: Recorder) -> None:
    async def handle(index: int) -> None:
        with kafka.process("orders", message_id=index) as processing:
            await asyncio.sleep(0)
            assert trace.get_current_span() is processing.span

    async def main() -> None:
        await asyncio.gather(*(handle(index) for index in range(8)))

    asyncio.run(main())
    assert sorted(span.attributes["messaging.message.id"] for span in spans.all()) == [str(index) for index in range(8)]
    assert all(span.parent is None for span in spans.all())


def test_a_send_is_one_span_and_one_inject() -> None:
    calls: list[str] = []

    class Tracer(trace.NoOpTracer):
        def start_span(self, name: str, *arguments: Any, **named: Any) -> Any:
            calls.append(f"start_span {name} {','.join(named)}")
            return trace.NonRecordingSpan(trace.SpanContext(1, 2, False))

    class Provider(trace.NoOpTracerProvider):
        def get_tracer(self, *arguments: Any, **named: Any) -> Any:
            calls.append("get_tracer")
            return Tracer()

    kafka = Messaging("kafka", tracer_provider=Provider())
    inner = propagate.get_global_textmap()

    class Counting(type(inner)):  # type: ignore[misc]
        def inject(self, *arguments: Any, **named: Any) -> None:
            calls.append("inject")
            inner.inject(*arguments, **named)

    propagate.set_global_textmap(Counting([]))
    try:
        for _ in range(2):
            with kafka.send("orders") as sending:
                assert sending.headers != []
    finally:
        propagate.set_global_textmap(inner)
    assert calls == ["get_tracer", *["start_span send orders kind,attributes,links", "inject"] * 2]
