"""How consumers' spans belong to producers': link, parent, both; continue, restart, ignore; batches and their limit."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from opentelemetry import baggage, context
from opentelemetry.trace import SpanKind, use_span
from support.message_spans import Recorder

from nanospan.messaging import KAFKA, Messaging, inject
from nanospan.sampling import ALWAYS_OFF, ALWAYS_ON, LinksBased, ParentBased

Counted = Callable[[], dict[str, int]]
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
MESSAGE = [("traceparent", PARENT.encode()), ("baggage", b"tenant=7")]
CREATION = (0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331)


def ids(span_context: Any) -> tuple[int, int]:
    return span_context.trace_id, span_context.span_id


def linked(span: Any) -> list[tuple[int, int]]:
    return [ids(link.context) for link in span.links]


def message(number: int, span_id: int | None = None, flags: str = "01") -> list[tuple[str, bytes]]:
    return [("traceparent", f"00-{number + 1:032x}-{number + 1 if span_id is None else span_id:016x}-{flags}".encode())]


@pytest.mark.parametrize("ambient", [False, True], ids=["", "in a span"])
@pytest.mark.parametrize(
    ("relation", "incoming", "is_child", "is_linked"),
    [
        ("link", "continue", False, True),
        ("parent", "continue", True, False),
        ("both", "continue", True, True),
        ("link", "restart", False, True),
        ("parent", "restart", False, True),
        ("both", "restart", False, True),
        ("link", "ignore", False, False),
        ("parent", "ignore", False, False),
        ("both", "ignore", False, False),
    ],
)
def test_one_message(spans: Recorder, relation: Any, incoming: Any, is_child: bool, is_linked: bool, ambient: bool) -> None:
    kafka = Messaging("kafka", tracer_provider=spans.provider, relation=relation, incoming=incoming)
    outer = spans.provider.get_tracer("t").start_span("outer")
    with use_span(outer) if ambient else nullcontext(), kafka.process("orders", MESSAGE, message_id="m") as processing:
        seen = baggage.get_all()
    span = spans.one("process orders")
    own = ids(outer.get_span_context()) if ambient else None
    assert span.kind is SpanKind.CONSUMER
    assert (ids(span.parent) if span.parent else None) == (CREATION if is_child else own)
    assert linked(span) == [*([CREATION] if is_linked else []), *([own] if is_child and own else [])]
    assert [dict(link.attributes) for link in span.links if ids(link.context) == CREATION] == (
        [{"messaging.message.id": "m"}] if is_linked else []
    )
    if is_child:
        assert span.parent.is_remote
    assert dict(seen) == ({"tenant": "7"} if incoming == "continue" else {})
    assert (processing.creation is None) == (incoming == "ignore")


def test_the_relation_of_one_call(spans: Recorder) -> None:
    kafka = Messaging("kafka", tracer_provider=spans.provider)
    with kafka.process("orders", MESSAGE, relation="parent"):
        pass
    assert ids(spans.one().parent) == CREATION


@pytest.mark.parametrize("relation", ["link", "parent", "both"])
@pytest.mark.parametrize("size", [0, 1, 2])
def test_a_batch_has_links_alone(spans: Recorder, relation: Any, size: int) -> None:
    kafka = Messaging("kafka", tracer_provider=spans.provider, relation=relation)
    with kafka.process("orders", headers_of=[message(number) for number in range(size)]):
        pass
    assert (spans.one().parent, len(spans.one().links)) == (None, size)


@pytest.mark.parametrize("operation", ["receive", "process", "settle"])
@pytest.mark.parametrize("size", [128, 129, 500])
def test_links_end_at_the_limit_and_the_rest_is_reported(
    spans: Recorder, operation: str, size: int, counted: Counted
) -> None:
    kafka = Messaging("kafka", tracer_provider=spans.provider)
    batch = [message(number) for number in range(size)]
    with getattr(kafka, operation)("orders", headers_of=batch, message_ids=range(size)):
        pass
    span = spans.one()
    assert linked(span) == [(number + 1, number + 1) for number in range(128)]
    assert [link.attributes["messaging.message.id"] for link in span.links] == [str(number) for number in range(128)]
    assert span.dropped_links == 0
    assert span.attributes["messaging.batch.message_count"] == size
    left_out = size - 128
    assert span.attributes.get("nanospan.messaging.links_left_out", 0) == left_out
    assert counted() == ({"links_left_out": left_out} if left_out else {})


@pytest.mark.parametrize("size", [129, 500])
def test_a_batch_that_is_sent(spans: Recorder, size: int, counted: Counted) -> None:
    kafka = Messaging("kafka", tracer_provider=spans.provider)
    with kafka.send_batch("orders", [[("k", b"v")]] * size, message_ids=range(size)) as sending:
        pass
    sent = spans.one("send orders")
    created = spans.named("create orders")
    assert (len(created), len(sent.links), sent.kind) == (size, 128, SpanKind.CLIENT)
    assert linked(sent) == [ids(span.context) for span in created[:128]]
    assert sent.attributes["messaging.batch.message_count"] == size
    assert counted() == {"links_left_out": size - 128}
    assert len({KAFKA.get(headers, "traceparent") for headers in sending.headers_of}) == size
    assert all(headers[0] == ("k", b"v") for headers in sending.headers_of)


def test_a_batch_without_create_spans(spans: Recorder) -> None:
    kafka = Messaging("kafka", tracer_provider=spans.provider)
    with kafka.send_batch("orders", [None, []], creation="send") as sending:
        pass
    assert (spans.one().kind, spans.one().links) == (SpanKind.PRODUCER, ())
    assert len({KAFKA.get(headers, "traceparent") for headers in sending.headers_of}) == 1


def test_a_batch_of_given_contexts(spans: Recorder) -> None:
    kafka = Messaging("kafka", tracer_provider=spans.provider)
    given = [MESSAGE, [], kafka.create("orders")]
    with kafka.send_batch("orders", given, creation="given") as sending:
        pass
    by_create, added = spans.named("create orders")
    assert (sending.headers_of[0], sending.headers_of[2]) == (given[0], given[2])
    assert linked(spans.one("send orders")) == [CREATION, ids(added.context), ids(by_create.context)]


@pytest.mark.parametrize(("variable", "argument", "expected"), [("3", None, 3), ("x", None, 128), ("3", 5, 5), (None, 0, 0)])
def test_the_limit_is_the_providers(
    spans: Recorder, monkeypatch: pytest.MonkeyPatch, variable: Any, argument: Any, expected: int
) -> None:
    if variable is not None:
        monkeypatch.setenv("OTEL_SPAN_LINK_COUNT_LIMIT", variable)
    kafka = Messaging("kafka", tracer_provider=spans.provider, max_links=argument)
    with kafka.process("orders", headers_of=[message(number) for number in range(200)]):
        pass
    assert len(spans.one().links) == expected


def test_messages_of_one_span_share_a_link(spans: Recorder, counted: Counted) -> None:
    kafka = Messaging("kafka", tracer_provider=spans.provider)
    same = [message(1), message(2), message(1), message(1, span_id=9), message(1)]
    offsets = [{"messaging.kafka.offset": index, "topic": "orders"} for index in range(5)]
    with kafka.process("orders", headers_of=same, message_ids=["a", "b", "c"], attributes_of=offsets):
        pass
    assert [(ids(link.context), dict(link.attributes)) for link in spans.one().links] == [
        ((2, 2), {"topic": "orders", "nanospan.messaging.link.message_count": 3}),
        ((3, 3), {"messaging.kafka.offset": 1, "topic": "orders", "messaging.message.id": "b"}),
        ((2, 9), {"messaging.kafka.offset": 3, "topic": "orders"}),
    ]
    assert spans.one().attributes["messaging.batch.message_count"] == 5
    assert counted() == {"links_merged": 2}


MALFORMED = [
    b"",
    b"garbage",
    b"\xff\xfe",
    PARENT[:-1].encode(),
    PARENT.upper().encode(),
    b"00-" + b"0" * 32 + b"-b7ad6b7169203331-01",
    b"00-0af7651916cd43dd8448eb211c80319c-" + b"0" * 16 + b"-01",
    b"ff" + PARENT[2:].encode(),
    b"x" * 513,
    b"x" * 100_000,
]


@pytest.mark.parametrize("value", MALFORMED, ids=range(len(MALFORMED)))
@pytest.mark.parametrize("relation", ["link", "parent", "both"])
def test_a_malformed_context_is_as_if_missing(spans: Recorder, relation: Any, value: bytes, counted: Counted) -> None:
    kafka = Messaging("kafka", tracer_provider=spans.provider, relation=relation)
    with kafka.process("orders", [("traceparent", value)]):
        pass
    with kafka.process("orders", headers_of=[[("traceparent", value)], MESSAGE]):
        pass
    single, batch = spans.all()
    assert (single.parent, single.links, linked(batch)) == (None, (), [CREATION])
    assert counted() == {"malformed": 2}


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("tracestate", "a=" + "x" * 200, True),
        ("tracestate", ",".join(f"k{index}={'x' * 30}" for index in range(20)), False),
        ("baggage", "a=" + "x" * 4000, True),
        ("baggage", "a=" + "x" * 8192, False),
        ("baggage", ",".join(f"k{index}=v" for index in range(180)), True),
        ("baggage", ",".join(f"k{index}=v" for index in range(181)), False),
    ],
)
def test_what_is_forwarded_is_bounded(spans: Recorder, name: str, value: str, kept: bool, counted: Counted) -> None:
    kafka = Messaging("kafka", tracer_provider=spans.provider, relation="parent")
    received = [("traceparent", PARENT.encode()), (name, value.encode())]
    with kafka.process("orders", received):
        made = inject(KAFKA, [])
    assert (KAFKA.get(made, name) is not None) == kept
    assert spans.one().parent is not None
    assert counted() == ({} if kept else {"malformed": 1})


@pytest.mark.parametrize(
    ("flags", "root", "sampled"),
    [
        (["01"], ALWAYS_OFF, True),
        (["00", "01"], ALWAYS_OFF, True),
        (["00"], ALWAYS_ON, False),
        ([], ALWAYS_ON, True),
        ([], ALWAYS_OFF, False),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True], ids=["", "ParentBased"])
@pytest.mark.parametrize("operation", ["receive", "process", "settle"])
def test_a_linked_trace_is_kept_with_its_producer(
    provider_class: Any, clean_environment: None, flags: list[str], root: Any, sampled: bool, wrapped: bool, operation: str
) -> None:
    sampler = LinksBased(root)
    spans = Recorder(provider_class, sampler=ParentBased(sampler) if wrapped else sampler)
    batch = [message(number, flags=flag) for number, flag in enumerate(flags)]
    with getattr(Messaging("kafka", tracer_provider=spans.provider), operation)("orders", headers_of=batch):
        pass
    assert len(spans.all()) == sampled


def test_the_context_of_the_caller_stays(spans: Recorder) -> None:
    kafka = Messaging("kafka", tracer_provider=spans.provider, relation="parent")
    token = context.attach(context.set_value("key", "value"))
    try:
        with kafka.process("orders", MESSAGE):
            assert context.get_value("key") == "value"
    finally:
        context.detach(token)
