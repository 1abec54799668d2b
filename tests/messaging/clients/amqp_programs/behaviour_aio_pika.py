"""``behaviour_aio_pika.py PORT SPANS``: wrapped objects of aio-pika behave as before. Fails at the first difference."""

from __future__ import annotations

import asyncio
import copy
import sys
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import DeliveryError, MessageProcessError, QueueEmpty
from aio_pika.patterns import RPC
from opentelemetry import baggage, context, trace
from recording import Recording, recording

from nanospan.messaging import Messaging, stats
from nanospan.messaging.amqp.aio_pika import wrap_channel, wrap_exchange, wrap_queue

DELIVERY_TAG = "messaging.rabbitmq.message.delivery_tag"


async def raises(error: type[BaseException], text: str, work: Any) -> None:
    try:
        await work
    except error as raised:
        assert text in str(raised), raised
    else:
        raise AssertionError(f"{error.__name__} was not raised")


def refuses(error: type[BaseException], text: str, wrap: Any, *args: Any, **kwargs: Any) -> None:
    try:
        wrap(*args, **kwargs)
    except error as raised:
        assert text in str(raised), raised
    else:
        raise AssertionError(f"{error.__name__} was not raised")


def by_kind(spans: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [span for span in spans if span["kind"] == kind]


async def the_objects(bare: Any, port: int, spans: Recording) -> None:
    for wrap, name in ((wrap_channel, "channel"), (wrap_exchange, "exchange"), (wrap_queue, "queue")):
        refuses(TypeError, f"{name} must be", wrap, object())
    refuses(TypeError, "'colour'", wrap_channel, bare, colour=1)
    refuses(ValueError, "incoming must be", wrap_channel, bare, incoming="x")
    channel = wrap_channel(bare)
    refuses(TypeError, "not wrapped yet", wrap_channel, channel)
    queue = await channel.declare_queue("objects", exclusive=True)
    assert isinstance(channel, AbstractChannel) and isinstance(queue, AbstractQueue) and queue.name == "objects"
    assert (await channel.get_queue("objects", ensure=False)).name == "objects"
    exchange = await channel.declare_exchange("objects", auto_delete=True)
    other = await channel.declare_exchange("others", auto_delete=True)
    await exchange.bind(other, "key")
    await queue.bind(exchange, "key")
    assert (await channel.get_exchange("objects")).name == exchange.name == str(exchange)
    message = aio_pika.Message(b"x", headers={"a": "1"}, message_id="m", correlation_id="c")
    spans.new()
    await other.publish(message, "key")
    assert message.headers == {"a": "1"}
    sent = spans.one()
    assert (sent["name"], sent["kind"]) == ("publish others:key", "PRODUCER")
    attributes = sent["attributes"]
    assert (attributes["server.address"], attributes["server.port"]) == ("127.0.0.1", port)
    assert (attributes["messaging.message.id"], attributes["messaging.message.conversation_id"]) == ("m", "c")
    came = await queue.get()
    received = spans.one()
    assert (received["name"], received["links"]) == ("receive others:key:objects", [sent["id"]])
    assert isinstance(came, AbstractIncomingMessage) and bytes(came) == came.body == b"x" and not came.processed
    assert came.info()["delivery_tag"] == came.delivery_tag == received["attributes"][DELIVERY_TAG]
    assert copy.copy(came).body == b"x" and type(copy.copy(came)) is aio_pika.Message
    await came.ack()
    assert came.processed
    await raises(MessageProcessError, "already processed", came.ack())
    # Sent on: the table has the context of the last publish alone, and the message keeps its own.
    before = dict(came.headers)
    await channel.default_exchange.publish(came, "objects")
    assert came.headers == before
    again = spans.one()
    async with (await queue.get()).process() as message:
        assert message.headers["traceparent"][3:-3] == again["id"] and message.headers["a"] == "1"
    spans.new()
    headers = Messaging("rabbitmq").create("objects", {"a": "1"})
    made = spans.one()
    given = wrap_exchange(channel.default_exchange.__wrapped__, creation="given")
    await given.publish(aio_pika.Message(b"x", headers=headers), "objects")
    assert spans.one()["links"] == [made["id"]]
    assert (await wrap_queue(queue.__wrapped__).get()).headers == headers
    spans.new()


async def failures(channel: Any, spans: Recording) -> None:
    queue = await channel.declare_queue("failed", exclusive=True)
    spans.new()
    exchange = channel.default_exchange
    await raises(DeliveryError, "", exchange.publish(aio_pika.Message(b"x"), "missing"))
    assert spans.one()["status"] == "ERROR"
    await raises(QueueEmpty, "", queue.get())
    assert await queue.get(fail=False) is None
    assert spans.new() == []
    with_empty = wrap_queue(queue.__wrapped__, empty_gets=True)
    await raises(QueueEmpty, "", with_empty.get())
    assert (empty := spans.one())["status"] == "UNSET" and not empty["links"]

    # A handler that fails, twice with the message given back.
    await exchange.publish(aio_pika.Message(b"x"), "failed")
    tries = []
    async with queue.iterator() as iterator:
        async for message in iterator:
            tries.append(message.redelivered)
            try:
                async with message.process(requeue=True, reject_on_redelivered=True):
                    raise LookupError
            except LookupError:
                pass
            if len(tries) == 2:
                break
    found = spans.new()
    assert tries == [False, True]
    assert [span["status"] for span in by_kind(found, "CONSUMER")] == ["ERROR", "ERROR"]
    assert {tuple(span["links"]) for span in by_kind(found, "CONSUMER")} == {(found[0]["id"],)}
    # One that settles the message itself, so that the context manager cannot.
    await exchange.publish(aio_pika.Message(b"x"), "failed")
    message = await queue.get()

    async def settled_twice() -> None:
        async with message.process():
            await message.ack()

    await raises(MessageProcessError, "", settled_twice())
    assert by_kind(spans.new(), "CONSUMER")[0]["status"] == "ERROR"


async def iterations(channel: Any, spans: Recording) -> None:
    queue = await channel.declare_queue("iterated by aio", exclusive=True)
    exchange = channel.default_exchange
    spans.new()
    async with queue.iterator(timeout=0.05) as iterator:
        await raises(TimeoutError, "", anext(iterator))
        await raises(StopAsyncIteration, "", anext(iterator))
    queue = await channel.declare_queue("iterated by aio", exclusive=True)
    iterator = queue.iterator()
    waiting = asyncio.create_task(anext(iterator))
    await asyncio.sleep(0)
    waiting.cancel()
    await raises(asyncio.CancelledError, "", waiting)
    assert spans.new() == []

    queue = await channel.declare_queue("iterated by aio", exclusive=True)
    for number in range(20):
        await exchange.publish(aio_pika.Message(b"x", message_id=str(number)), "iterated by aio")
    made = [span["id"] for span in spans.new()]

    async def handle(message: Any) -> None:
        async with message.process():
            own = trace.get_current_span()
            await asyncio.sleep(0)
            assert trace.get_current_span() is own

    # Handlers that run at once, in tasks of their own.
    tasks = []
    async for message in queue:
        assert trace.get_current_span() is trace.INVALID_SPAN
        tasks.append(asyncio.create_task(handle(message)))
        if len(tasks) == 20:
            break
    await asyncio.gather(*tasks)
    handled = by_kind(spans.new(), "CONSUMER")
    assert sorted(link for span in handled for link in span["links"]) == sorted(made)
    assert {span["parent"] for span in handled} == {None}


async def settlements(bare: Any, spans: Recording) -> None:
    channel = wrap_channel(bare, settle=True, relation="parent")
    queue = await channel.declare_queue("settled", exclusive=True)
    spans.new()
    for operation in ("ack", "nack", "reject"):
        await channel.default_exchange.publish(aio_pika.Message(b"x"), "settled")
        await getattr(await queue.get(), operation)(**({} if operation == "ack" else {"requeue": False}))
        sent, received, settled = spans.new()
        assert (settled["name"], settled["kind"]) == (f"{operation} settled", "CLIENT")
        assert settled["links"] == received["links"] == [sent["id"]]
    # In the handlers of both kinds.
    done = asyncio.Event()

    async def callback(message: Any) -> None:
        async with message.process() as entered:
            assert entered is message and isinstance(message, AbstractIncomingMessage)
        done.set()

    await channel.default_exchange.publish(aio_pika.Message(b"x"), "settled")
    async with (await queue.get()).process():
        pass
    sent, received, ack, process = spans.new()
    assert (ack["parent"], process["parent"], process["links"]) == (process["id"], sent["id"], [])
    await channel.default_exchange.publish(aio_pika.Message(b"x"), "settled")
    await queue.consume(callback)
    await done.wait()
    await asyncio.sleep(0)
    sent, ack, process = spans.new()
    assert (ack["parent"], process["parent"], process["kind"]) == (process["id"], sent["id"], "CONSUMER")


async def room(channel: Any, spans: Recording) -> None:
    """A header that does not fit into a frame would end the connection."""
    queue = await channel.declare_queue("narrow", exclusive=True)
    token = context.attach(baggage.set_baggage("a", "b" * 3000))
    left = []
    for length in (10, 131072 - 3000, 131072 - 300, 131072 - 100):
        headers: dict[str, Any] = {"mine": "x" * length, "table": {"a": 1}}
        await channel.default_exchange.publish(aio_pika.Message(b"x", headers=headers), "narrow")
        message = await queue.get(no_ack=True)
        assert {name: message.headers[name] for name in headers} == headers
        left.append(sorted(message.headers.keys() - headers.keys()))
    context.detach(token)
    assert left == [["baggage", "traceparent"], ["traceparent"], ["traceparent"], []], left
    spans.new()


async def patterns(channel: Any, spans: Recording) -> None:
    """What is built upon a channel works with a wrapped one."""
    rpc = await RPC.create(channel)

    async def double(number: int) -> int:
        return 2 * number

    await rpc.register("double", double, auto_delete=True)
    with trace.get_tracer("test").start_as_current_span("ask"):
        assert await rpc.proxy.double(number=21) == 42
    await rpc.close()
    found = {span["name"]: span for span in spans.new()}
    asked = found["publish double"]
    assert asked["parent"] == found["ask"]["id"]
    assert found["process double"]["links"] == [asked["id"]]
    assert found["publish amq"]["parent"] == found["process double"]["id"]


async def reconnected(port: int, spans: Recording) -> None:
    connection = await aio_pika.connect_robust(f"amqp://guest:guest@127.0.0.1:{port}/")
    channel = wrap_channel(await connection.channel())
    queue = await channel.declare_queue("reconnected", durable=True)
    came: asyncio.Queue[str] = asyncio.Queue()

    async def callback(message: Any) -> None:
        await came.put(message.headers["traceparent"])
        await message.ack()

    await queue.consume(callback)
    await connection.reconnect()
    await channel.ready()
    spans.new()
    await channel.default_exchange.publish(aio_pika.Message(b"x"), "reconnected")
    await came.get()
    await asyncio.sleep(0)
    await queue.delete(if_unused=False, if_empty=False)
    sent, handled = spans.new()
    assert handled["links"] == [sent["id"]]
    await connection.close()


async def main() -> None:
    port, path = int(sys.argv[1]), sys.argv[2]
    spans = recording(path)
    connection = await aio_pika.connect_robust(f"amqp://guest:guest@127.0.0.1:{port}/")
    async with connection:
        bare = await connection.channel(on_return_raises=True)
        channel = wrap_channel(bare)
        await the_objects(bare, port, spans)
        await failures(channel, spans)
        await iterations(channel, spans)
        await settlements(bare, spans)
        await room(channel, spans)
        await reconnected(port, spans)
        async with wrap_channel(connection.channel()) as entered:
            await patterns(entered, spans)
        assert entered.is_closed
    found = stats()
    assert (found["failures"], found["foreign_detach"], spans.open) == (0, 0, 0), found
    assert trace.get_current_span() is trace.INVALID_SPAN


if __name__ == "__main__":
    asyncio.run(main())
