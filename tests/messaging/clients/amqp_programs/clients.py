"""Sends messages, and reads them in each of the ways that a client has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from opentelemetry import trace

MESSAGES: list[tuple[bytes, dict[str, Any] | None]] = [
    (b"no headers", None),
    (b"\x00\xff", {"mine": b"\xff\x00", "text": "é"}),
    (bytes(range(256)), {}),
    (b"", {"a": "1"}),
    (b"x" * 200_000, {"a": "y" * 1000}),
    (b"tables", {"list": [1, "a", {"b": True}], "number": 2**40, "none": None, "nothing": ""}),
]
PROPERTIES: dict[str, Any] = {
    "content_type": "a/b",
    "content_encoding": "binary",
    "delivery_mode": 2,
    "priority": 5,
    "correlation_id": "d",
    "reply_to": "e",
    "message_id": "f",
    "type": "g",
    "user_id": "guest",
    "app_id": "h",
}
EXPIRATION, TIMESTAMP = 600, 1_700_000_000
"""Seconds."""
MODES = ("callback", "iteration", "get")


class Came:
    """What came, and how many spans were open or current where none should be."""

    def __init__(self, open_spans: Callable[[], int]) -> None:
        self._open_spans = open_spans
        self.messages: list[Any] = []
        self.traceparents: list[Any] = []
        self.open = self.current = 0

    def add(self, body: bytes, headers: Any, properties: dict[str, Any]) -> None:
        foreign = (
            None if headers is None else {k: _shown(v) for k, v in headers.items() if k not in ("traceparent", "baggage")}
        )
        self.messages.append([body.hex(), foreign, properties])
        self.traceparents.append(_shown((headers or {}).get("traceparent")))

    def between_handlers(self) -> None:
        self.open += self._open_spans()
        self.current += trace.get_current_span() is not trace.INVALID_SPAN


def _shown(value: Any) -> Any:
    if isinstance(value, bytes | bytearray):
        return f"bytes {bytes(value).hex()}"
    return value


def send_with_pika(port: int, queue: str, wrap: Callable[[Any], Any]) -> None:
    import pika

    connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port))
    channel = wrap(connection.channel())
    channel.queue_declare(queue)
    for body, headers in MESSAGES:
        own = None if headers is None else dict(headers)
        properties = pika.BasicProperties(headers=own, expiration=str(EXPIRATION * 1000), timestamp=TIMESTAMP, **PROPERTIES)
        channel.basic_publish("", queue, body, properties)
    channel.basic_publish(exchange="", routing_key=queue, body="neither")
    connection.close()


def read_with_pika(port: int, queue: str, mode: str, wrap: Callable[[Any], Any], came: Came) -> None:
    import pika

    connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port))
    channel = wrap(connection.channel())
    count = len(MESSAGES) + 1

    def add(method: Any, properties: Any, body: bytes) -> None:
        values = {name: getattr(properties, name) for name in (*PROPERTIES, "expiration", "timestamp")}
        came.add(body, properties.headers, values)
        channel.basic_ack(method.delivery_tag)

    def callback(_: Any, method: Any, properties: Any, body: bytes) -> None:
        add(method, properties, body)
        if len(came.messages) == count:
            channel.stop_consuming()

    if mode == "callback":
        channel.basic_consume(queue, callback)
        channel.start_consuming()
    elif mode == "iteration":
        for message in channel.consume(queue):
            came.between_handlers()
            add(*message)
            if len(came.messages) == count:
                break
        channel.cancel()
    else:
        while len(came.messages) < count:
            if (message := channel.basic_get(queue))[0] is not None:
                came.between_handlers()
                add(*message)
        assert channel.basic_get(queue) == (None, None, None)
    came.between_handlers()
    connection.close()


async def _connected(port: int) -> Any:
    import aio_pika

    return await aio_pika.connect_robust(f"amqp://guest:guest@127.0.0.1:{port}/")


def send_with_aio_pika(port: int, queue: str, wrap: Callable[[Any], Any]) -> None:
    import aio_pika

    async def main() -> None:
        connection = await _connected(port)
        channel = wrap(await connection.channel())
        await channel.declare_queue(queue)
        for body, headers in MESSAGES:
            own = None if headers is None else {k: bytearray(v) if isinstance(v, bytes) else v for k, v in headers.items()}
            timestamp = datetime.fromtimestamp(TIMESTAMP, UTC)
            message = aio_pika.Message(body, headers=own, expiration=EXPIRATION, timestamp=timestamp, **PROPERTIES)
            await channel.default_exchange.publish(message, queue)
        await channel.default_exchange.publish(aio_pika.Message(b"neither", message_id="f"), routing_key=queue)
        await connection.close()

    asyncio.run(main())


def read_with_aio_pika(port: int, queue: str, mode: str, wrap: Callable[[Any], Any], came: Came) -> None:
    count = len(MESSAGES) + 1

    def add(message: Any) -> None:
        values = {name: getattr(message, name) for name in (*PROPERTIES, "expiration", "timestamp")}
        came.add(message.body, message.headers, values | {"timestamp": str(message.timestamp)})

    async def main() -> None:
        connection = await _connected(port)
        source = await wrap(await connection.channel()).get_queue(queue)
        if mode == "callback":
            ended = asyncio.Event()

            async def callback(message: Any) -> None:
                async with message.process():
                    add(message)
                if len(came.messages) == count:
                    ended.set()

            await source.consume(callback)
            await ended.wait()
        elif mode == "iteration":
            async with source.iterator() as iterator:
                async for message in iterator:
                    came.between_handlers()
                    async with message.process():
                        add(message)
                    if len(came.messages) == count:
                        break
        else:
            while len(came.messages) < count:
                if (message := await source.get(fail=False)) is not None:
                    came.between_handlers()
                    add(message)
                    await message.ack()
        await asyncio.sleep(0)
        came.between_handlers()
        await connection.close()

    asyncio.run(main())


SENDERS = {"pika": send_with_pika, "aio-pika": send_with_aio_pika}
READERS = {"pika": read_with_pika, "aio-pika": read_with_aio_pika}
