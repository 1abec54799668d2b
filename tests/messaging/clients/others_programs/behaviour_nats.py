"""``behaviour_nats.py ADDRESS SPANS``: a wrapped connection behaves as before, and its spans are as told."""

from __future__ import annotations

import asyncio
import functools
import sys
from typing import Any

import nats
from nats.aio.msg import Msg
from opentelemetry import trace
from recording import Spans, recording, refused

from nanospan.messaging import NATS as CARRIER
from nanospan.messaging import extract, stats
from nanospan.messaging.nats import wrap_client


def inside() -> str:
    """The identifier of the current span, as links have it."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}-{context.span_id:016x}"


async def core(client: Any, bare: Any, spans: Spans) -> None:
    assert isinstance(client, nats.NATS)
    assert client.connected_url == bare.connected_url
    came: list[Any] = []
    done = asyncio.Event()

    async def handle(message: Any) -> None:
        came.append((message, inside()))
        done.set()

    # A callback, also one with bound arguments; the message goes unchanged, and the headers of the caller too.
    headers = {"mine": "1", "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    before = headers.copy()
    for callback in (handle, functools.partial(handle)):
        with trace.get_tracer("t").start_as_current_span("start"):
            subscription = await client.subscribe("orders.*", "billing", callback)
        spans.new()
        await client.publish("orders.new", b"\x00\xff", headers=headers)
        await asyncio.wait_for(done.wait(), 10)
        done.clear()
        await subscription.unsubscribe()
        await bare.flush()
        assert headers == before
        (message, current) = came.pop()
        assert isinstance(message, Msg) and (message.data, message.subject) == (b"\x00\xff", "orders.new")
        assert {name: value for name, value in message.headers.items() if name != "traceparent"} == {"mine": "1"}
        sent, handled = spans.new()
        assert (sent["name"], sent["kind"]) == ("publish orders.new", "PRODUCER")
        assert (handled["name"], handled["kind"]) == ("process orders.*", "CONSUMER")
        assert handled["links"] == [sent["id"]] and handled["id"] == current
        assert handled["parent"] is None  # not that of whoever has subscribed
        attributes = handled["attributes"]
        assert attributes["messaging.destination.name"] == "orders.new"
        assert attributes["messaging.destination.subscription.name"] == "billing"
        assert attributes["server.address"] == "127.0.0.1"
    # An exception of a callback: the span has it, and so has the connection's callback for errors.
    failed = asyncio.Event()

    async def fail(message: Any) -> None:
        failed.set()
        raise KeyError("mine")

    subscription = await client.subscribe("failing", cb=fail)
    await client.publish("failing")
    await asyncio.wait_for(failed.wait(), 10)
    await subscription.drain()
    assert [span["status"] for span in spans.new()] == ["UNSET", "ERROR"]
    # What the client refuses, it refuses.
    for wrong in (bare, client):
        await refused(lambda wrong=wrong: wrong.subscribe("orders", cb=lambda message: None))
        await refused(lambda wrong=wrong: wrong.publish("", b""))
    spans.new()

    # Subscriptions without a callback.
    subscription = await client.subscribe("orders")
    await client.publish("orders", b"1")
    message = await subscription.next_msg(10)
    with subscription.process(message):
        assert not message.headers["traceparent"].startswith("00-0000")
    sent, received, handled = spans.new()
    assert (received["name"], received["kind"]) == ("receive orders", "CLIENT")
    assert received["links"] == handled["links"] == [sent["id"]]
    try:
        await subscription.next_msg(0.05)
        raise AssertionError("there is no second message")
    except nats.errors.TimeoutError:
        assert spans.new() == []
    await client.publish("orders", b"2")
    async for message in subscription.messages:
        assert message.data == b"2"
        await subscription.unsubscribe()
    sent, received = spans.new()
    assert received["links"] == [sent["id"]]
    # Those of others have no link; an instrumented message is harmless to others.
    plain = await bare.subscribe("plain")
    subscription = await client.subscribe("plain")
    await bare.publish("plain", b"3")
    message = await subscription.next_msg(10)
    other = await plain.next_msg(10)
    assert (message.headers, message.data) == (None, other.data)
    other._sid = message.sid
    assert message == other
    assert [span["links"] for span in spans.new()] == [[]]


async def requests(client: Any, bare: Any, spans: Spans) -> None:
    async def answer(message: Any) -> None:
        await message.respond(b"reply")

    await client.subscribe("ask", cb=answer)
    reply = await client.request("ask", b"?", timeout=10, headers={"mine": "1"})
    assert reply.data == b"reply" and reply.headers["mine"] == "1"
    by_name = {span["name"].partition(" _INBOX")[0]: span for span in await spans.several(4)}
    created, asked, handled = by_name["create ask"], by_name["request ask"], by_name["process ask"]
    (responded,) = (span for span in by_name.values() if span["attributes"].get("messaging.destination.temporary"))
    assert (created["kind"], asked["kind"]) == ("PRODUCER", "CLIENT")
    assert handled["links"] == [created["id"]]
    assert responded["parent"] == handled["id"] and "_INBOX" not in responded["name"]
    assert asked["links"] == [created["id"], responded["id"]]
    assert created["end"] <= handled["start"]

    # The reply of one who knows nothing of it, and none at all.
    async def answer_barely(message: Any) -> None:
        await message.respond(b"bare")

    await bare.subscribe("ask.bare", cb=answer_barely)
    assert (await client.request("ask.bare", timeout=10)).data == b"bare"
    assert (await client.request("ask.bare", timeout=10, old_style=True)).data == b"bare"
    spans.new()
    await refused(lambda: client.request("nobody", timeout=10), nats.errors.NoRespondersError)
    assert [span["status"] for span in spans.new()] == ["UNSET", "ERROR"]


async def limits(client: Any, bare: Any, spans: Spans) -> None:
    """The server ends the connection of a client whose headers and payload are too large together."""
    subscription = await bare.subscribe("large")
    left_out = stats()["fields_left_out"]
    for headers in (None, {"mine": "1"}):
        size = bare.max_payload - (0 if headers is None else len("NATS/1.0\r\nmine: 1\r\n\r\n"))
        await client.publish("large", b"x" * size, headers=headers)
        message = await subscription.next_msg(10)
        assert (len(message.data), message.headers) == (size, headers)
    assert stats()["fields_left_out"] == left_out + 2
    assert bare.is_connected and bare.last_error is None
    own = len("traceparent: ") + 55 + len("\r\n") + len("NATS/1.0\r\n\r\n")
    await client.publish("large", b"x" * (bare.max_payload - own))
    assert "traceparent" in (await subscription.next_msg(10)).headers
    spans.new()


async def jetstream(client: Any, bare: Any, spans: Spans) -> None:
    js, bare_js = client.jetstream(timeout=10), bare.jetstream(timeout=10)
    await js.add_stream(name="S", subjects=["s.*"])
    headers = {"Nats-Msg-Id": "1"}
    answer = await js.publish("s.a", b"1", 10, "S", headers)
    assert (answer.stream, answer.seq) == ("S", 1)
    assert (await js.publish("s.a", b"1", stream="S", headers={"Nats-Msg-Id": "1"})).duplicate
    await (await js.publish_async("s.b", b"2"))
    first, _, third = spans.new()
    assert (first["name"], first["attributes"]["messaging.message.id"]) == ("publish s.a", "1")
    # Push, with the acknowledgement of the client itself.
    came: list[Any] = []
    both = asyncio.Event()

    async def handle(message: Any) -> None:
        came.append(message)
        if len(came) == 2:
            both.set()

    push = await js.subscribe("s.*", cb=handle, durable="push")
    await asyncio.wait_for(both.wait(), 10)
    handled = await spans.several(2)
    assert [span["links"] for span in handled] == [[first["id"]], [third["id"]]]
    assert [span["attributes"]["messaging.message.id"] for span in handled] == ["1", "2"]
    while (await push.consumer_info()).num_ack_pending:
        await asyncio.sleep(0.01)
    await push.unsubscribe()
    # Push without a callback, and pulls.
    push = await js.subscribe("s.*", durable="second")
    assert (await push.next_msg(10)).metadata.sequence.stream == 1
    await push.unsubscribe()
    spans.new()
    pull = await js.pull_subscribe("s.*", "pull", "S")
    messages = await pull.fetch(2, 10)
    with client.process(messages):
        for message, method in zip(messages, ("ack", "ack_sync"), strict=True):
            await getattr(message, method)()
            assert message.is_acked
        await refused(messages[0].ack, nats.errors.MsgAlreadyAckdError)
    fetched, ack, ack_sync, again, batch = spans.new()
    assert (fetched["name"], batch["name"]) == ("fetch s.*", "process s.*")
    for span in (fetched, batch):
        assert span["links"] == [first["id"], third["id"]]
        assert span["attributes"]["messaging.batch.message_count"] == 2
        assert [link["messaging.destination.name"] for link in span["link_attributes"]] == ["s.a", "s.b"]
    assert [ack["name"], ack_sync["name"]] == ["ack s.*", "ack_sync s.*"]
    assert ack["links"] == [first["id"]] and again["status"] == "ERROR"
    bound = await js.pull_subscribe_bind("pull", "S")
    await refused(lambda: bound.fetch(1, 0.1), nats.errors.TimeoutError)
    assert spans.new() == []
    assert extract(CARRIER, messages[0].headers)
    # Stores and administration are those of the client.
    store = await js.create_key_value(bucket="B")
    await store.put("key", b"value")
    assert (await store.get("key")).value == b"value"
    assert (await bare_js.stream_info("S")).state.messages == 2
    assert spans.new() == []


async def main(address: str, path: str) -> None:
    processor = recording(path)
    spans = Spans(path)
    bare = await nats.connect(address)
    for wrong in (None, object(), wrap_client(bare)):
        await refused(lambda wrong=wrong: wrap_client(wrong), TypeError)
    await refused(lambda: wrap_client(bare, colour=1), TypeError)
    await refused(lambda: wrap_client(bare, relation="child"), ValueError)
    async with wrap_client(bare) as client:
        for part in (core, requests, limits, jetstream):
            await part(client, bare, spans)
    assert bare.is_closed
    counted = stats()
    assert (counted["failures"], counted["foreign_detach"], processor.open) == (0, 0, 0), counted


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
