"""``journey.py LEG CLIENT PORT QUEUE SIZE COUNT SPANS``: one process on the way of COUNT messages. Prints a report.

``produce`` sends them to QUEUE; ``crash`` forwards some, and is killed in a handler that has sent but not acknowledged;
``forward`` forwards the rest; ``consume`` reads what was forwarded, and gives some back once.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

from messages import END, Received, body_of, headers_of, malformed
from opentelemetry import trace
from recording import recording

from nanospan.messaging import stats


class Leg:
    """What the legs of both clients have in common."""

    def __init__(self, leg: str, port: int, queue: str, size: int, count: int) -> None:
        self.leg = leg
        self.port = port
        self.source = f"{queue}.next" if leg == "consume" else queue
        self.target = f"{queue}.next"
        self.alive = f"{queue}.alive"
        self.size = size
        self.count = count
        self.received = Received()
        self.current = 0
        """How often a span was current where none should be."""
        self.largest = 0
        self._returned = False

    def between_handlers(self) -> None:
        self.current += trace.get_current_span() is not trace.INVALID_SPAN

    def crash(self) -> None:
        """The end, if this is the leg and the time."""
        if self.leg == "crash" and self.received.total > self.count // 4:
            os.kill(os.getpid(), signal.SIGKILL)

    def gives_back(self) -> bool:
        """True once, in the middle of the last leg."""
        now = self.leg == "consume" and not self._returned and self.received.total > self.count // 4
        self._returned = self._returned or now
        return now


def with_pika(leg: Leg) -> None:
    import pika

    from nanospan.messaging.amqp.pika import wrap_channel

    connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", leg.port))
    bare = connection.channel()
    channel = wrap_channel(bare)
    for queue in (leg.source, leg.target):
        channel.queue_declare(queue)
    if leg.leg == "produce":
        for number in range(leg.count):
            properties = pika.BasicProperties(headers=headers_of(number), message_id=f"m{number}", priority=3)
            (bare if malformed(number) else channel).basic_publish("", leg.source, body_of(number), properties)
            assert properties.headers == headers_of(number)
        connection.close()
        return
    channel.basic_qos(prefetch_count=max(leg.size, 20))
    if leg.leg == "crash":
        channel.queue_declare(leg.alive, exclusive=True)
        channel.confirm_delivery()
    else:
        while _is_there(connection, leg.alive):  # until the broker has noticed that the process is gone
            pass
        bare.basic_publish("", leg.source, END)

    def handle(properties: Any, body: bytes) -> None:
        leg.received.add(body, properties.headers)
        if leg.leg != "consume":
            channel.basic_publish("", leg.target, body, properties)

    def batch(messages: list[Any]) -> None:
        leg.largest = max(leg.largest, len(messages))
        leg.between_handlers()
        with channel.process(messages, queue=leg.source):
            for _, properties, body in messages:
                handle(properties, body)
            leg.crash()
        settle = channel.basic_nack if leg.gives_back() else channel.basic_ack
        settle(messages[-1][0].delivery_tag, multiple=True)

    def callback(traced: Any, method: Any, properties: Any, body: bytes) -> None:
        assert traced is channel
        if body == END:
            channel.basic_ack(method.delivery_tag)
            channel.stop_consuming()
            return
        handle(properties, body)
        leg.crash()
        settle = channel.basic_nack if leg.gives_back() else channel.basic_ack
        settle(method.delivery_tag)

    def got() -> Iterator[Any]:
        while True:
            message = channel.basic_get(leg.source)
            if message[0] is not None:
                yield message

    if leg.size == 1:
        channel.basic_consume(leg.source, callback)
        channel.start_consuming()
    else:
        messages: list[Any] = []
        for message in channel.consume(leg.source) if leg.size == 100 else got():
            leg.between_handlers()
            ended = message[2] == END
            messages += [] if ended else [message]
            if len(messages) == leg.size or (messages and ended):
                batch(messages)
                messages = []
            if ended:
                channel.basic_ack(message[0].delivery_tag)
                break
        channel.cancel()
    connection.close()


def _is_there(connection: Any, queue: str) -> bool:
    """Whether the exclusive queue of another process is there."""
    from pika.exceptions import ChannelClosedByBroker

    try:
        connection.channel().queue_declare(queue, passive=True)
    except ChannelClosedByBroker as error:
        return error.reply_code != 404  # it is another's
    return True


async def with_aio_pika(leg: Leg) -> None:
    import aio_pika

    from nanospan.messaging.amqp.aio_pika import wrap_channel

    connection = await aio_pika.connect(f"amqp://guest:guest@127.0.0.1:{leg.port}/")
    bare = await connection.channel(publisher_confirms=leg.leg == "crash")
    channel = wrap_channel(bare)
    queue = await channel.declare_queue(leg.source)
    await channel.declare_queue(leg.target)
    exchange = channel.default_exchange
    if leg.leg == "produce":
        for number in range(leg.count):
            headers = headers_of(number, bytearray)
            message = aio_pika.Message(body_of(number), headers=headers, message_id=f"m{number}", priority=3)
            await (bare.default_exchange if malformed(number) else exchange).publish(message, leg.source)
            assert message.headers is headers and headers == headers_of(number)
        await connection.close()
        return
    await channel.set_qos(prefetch_count=max(leg.size, 20))
    if leg.leg == "crash":
        await channel.declare_queue(leg.alive, exclusive=True)
    else:
        while await _is_there_for_aio_pika(connection, leg.alive):
            pass
        await bare.default_exchange.publish(aio_pika.Message(END), leg.source)

    async def handle(message: Any) -> None:
        leg.received.add(message.body, message.headers)
        if leg.leg != "consume":
            await exchange.publish(message, leg.target)

    async def batch(messages: list[Any]) -> None:
        leg.largest = max(leg.largest, len(messages))
        leg.between_handlers()
        with queue.process(messages):
            await asyncio.gather(*map(handle, messages))
            leg.crash()
        settle = messages[-1].nack if leg.gives_back() else messages[-1].ack
        await settle(multiple=True)

    running = 0
    ending = False
    ended = asyncio.Event()

    async def callback(message: Any) -> None:
        nonlocal running, ending
        running += 1
        async with message.process(ignore_processed=True):
            if message.body == END:
                ending = True
            else:
                await handle(message)
                leg.crash()
                if leg.gives_back():
                    await message.nack()
        running -= 1
        if ending and not running:
            ended.set()

    async def got() -> AsyncIterator[Any]:
        while True:
            message = await queue.get(fail=False)
            if message is not None:
                yield message

    if leg.size == 1:
        tag = await queue.consume(callback)
        await ended.wait()
        leg.between_handlers()
        await queue.cancel(tag)
    else:
        messages: list[Any] = []
        async for message in queue.iterator() if leg.size == 100 else got():
            leg.between_handlers()
            is_end = message.body == END
            messages += [] if is_end else [message]
            if len(messages) == leg.size or (messages and is_end):
                await batch(messages)
                messages = []
            if is_end:
                await message.ack()
                break
    await connection.close()


async def _is_there_for_aio_pika(connection: Any, queue: str) -> bool:
    from aio_pika.exceptions import AMQPChannelError, ChannelNotFoundEntity

    try:
        await (await connection.channel()).declare_queue(queue, passive=True)
    except ChannelNotFoundEntity:
        return False
    except AMQPChannelError:
        return True
    return True


def main() -> None:
    name, client, port, queue, size, count, path = sys.argv[1:]
    processor = recording(path)
    leg = Leg(name, int(port), queue, int(size), int(count))
    if client == "pika":
        with_pika(leg)
    else:
        asyncio.run(with_aio_pika(leg))
    received = leg.received
    report = {
        "seen": len(received.numbers),
        "total": received.total,
        "changed": received.changed,
        "parents": received.parents,
        "largest": leg.largest,
        "current": leg.current,
        "open": processor.open,
        "stats": stats(),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
