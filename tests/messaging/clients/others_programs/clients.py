"""The clients of NATS, Redis streams, SQS and SNS behind the same calls, for the programs of the tests."""

from __future__ import annotations

import asyncio
import base64
import importlib
import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from aws_clients import Sns, SnsInBody, Sqs
from message import Message

FETCH_SECONDS = 0.5
MAX_SECONDS = 500.0
REDELIVERED_AFTER = 1
"""Seconds."""


def no_change(client: Any, **_: Any) -> Any:
    return client


def wrapped(name: str, **options: Any) -> Callable[..., Any]:
    """nanospan's function for a client."""
    module = {"nats": "nats", "sqs": "aws.sqs", "sns": "aws.sns", "sns-in-body": "aws.sns"}.get(name, "redis")
    wrap = importlib.import_module(f"nanospan.messaging.{module}").wrap_client

    def call(client: Any, **more: Any) -> Any:
        return wrap(client, **options, **more)

    return call


class Nats:
    """JetStream, by pulls. Its coroutines run one after the other, each in a task of its own."""

    def __init__(self, address: str, wrap: Any) -> None:
        import nats

        self._loop = asyncio.new_event_loop()
        self.bare = self.run(nats.connect(address))
        self.client = wrap(self.bare)
        self._js, self._bare_js = self.client.jetstream(), self.bare.jetstream()

    def run(self, coroutine: Any) -> Any:
        return self._loop.run_until_complete(coroutine)

    def create(self, topic: str) -> None:
        self.run(self._bare_js.add_stream(name=topic, subjects=[f"{topic}.*"]))

    def send(self, topic: str, value: bytes, headers: Any, bare: bool = False) -> None:
        js = self._bare_js if bare else self._js
        self.run(js.publish(f"{topic}.all", value, headers=headers))

    def forward(self, topic: str, value: bytes, headers: Any) -> None:
        """Without an answer: the server reads it before the acknowledgement that follows."""
        self.run(self.client.publish(f"{topic}.all", value, headers=headers))

    def send_all(self, topic: str, messages: list[tuple[bytes, Any]]) -> None:
        async def main() -> None:
            await asyncio.gather(*[await self._js.publish_async(f"{topic}.all", v, headers=h) for v, h in messages])

        self.run(main())

    def consumer(self, topic: str) -> Any:
        from nats.js.api import ConsumerConfig

        config = ConsumerConfig(ack_wait=REDELIVERED_AFTER, max_ack_pending=20_000)
        return self.run(self._js.pull_subscribe(f"{topic}.all", "workers", stream=topic, config=config))

    def fetch(self, consumer: Any, size: int) -> tuple[Any, list[Message]]:
        try:
            found = self.run(consumer.fetch(size, FETCH_SECONDS))
        except TimeoutError:
            return None, []
        return found, [Message(m.data, m.headers or {}, m) for m in found]

    def process(self, consumer: Any, result: Any) -> Any:
        return self.client.process(result[0] if len(result) == 1 else result)

    def acknowledge(self, consumer: Any, messages: list[Message]) -> None:
        async def main() -> None:
            for message in messages:
                await message.native.ack()

        self.run(main())

    def again(self, consumer: Any, messages: list[Message]) -> None:
        async def main() -> None:
            for message in messages:
                await message.native.nak()
            await self.bare.flush()

        self.run(main())

    def is_empty(self, consumer: Any) -> bool:
        info = self.run(consumer.consumer_info())
        return bool(info.num_pending == info.num_ack_pending == 0)

    def close(self) -> None:
        self.run(self.client.close())
        self._loop.close()


class Redis:
    """A consumer group. What was read and not acknowledged is claimed first."""

    OPTIONS: ClassVar[dict[str, Any]] = {}

    def __init__(self, address: str, wrap: Any) -> None:
        self.bare = self._made(address)
        self.client = wrap(self.bare)

    def _made(self, address: str) -> Any:
        from redis import Redis

        return Redis(unix_socket_path=address, **self.OPTIONS)

    def run(self, result: Any) -> Any:
        return result

    def create(self, topic: str) -> None:
        self.run(self.bare.xgroup_create(topic, "workers", "0", mkstream=True))

    def send(self, topic: str, value: bytes, headers: Any, bare: bool = False) -> None:
        fields = {"value": base64.b64encode(value) if self.OPTIONS else value, **(headers or {})}
        before = fields.copy()
        self.run((self.bare if bare else self.client).xadd(topic, fields))
        assert fields == before

    def forward(self, topic: str, value: bytes, headers: Any) -> None:
        self.send(topic, value, headers)

    def send_all(self, topic: str, messages: list[tuple[bytes, Any]]) -> None:
        for value, headers in messages:
            self.send(topic, value, headers)

    def consumer(self, topic: str) -> Any:
        return topic

    def fetch(self, consumer: Any, size: int) -> tuple[Any, list[Message]]:
        entries = self.run(self.client.xautoclaim(consumer, "workers", "me", 0, count=size))[1]
        if not entries:
            read = self.run(self.client.xreadgroup("workers", "me", {consumer: ">"}, count=size))
            pairs = list(read.items()) if isinstance(read, dict) else read
            entries = pairs[0][1] if pairs else []
            if entries and isinstance(entries[0], list):
                entries = entries[0]
        messages = []
        for entry in entries:
            fields = {k.decode() if isinstance(k, bytes) else k: v for k, v in entry[1].items()}
            value = fields.pop("value")
            messages.append(Message(base64.b64decode(value) if self.OPTIONS else value, fields, entry))
        return entries, messages

    def process(self, consumer: Any, result: Any) -> Any:
        return self.client.process(consumer, result[0] if len(result) == 1 else result)

    def acknowledge(self, consumer: Any, messages: list[Message]) -> None:
        self.run(self.client.xack(consumer, "workers", *[message.native[0] for message in messages]))

    def again(self, consumer: Any, messages: list[Message]) -> None:
        """They are claimed again, for they were not acknowledged."""

    def is_empty(self, consumer: Any) -> bool:
        pending: int = self.run(self.bare.xpending(consumer, "workers"))["pending"]
        return pending == 0

    def close(self) -> None:
        self.client.close()


class AsyncRedis(Redis):
    """redis.asyncio, with texts and the third version of the protocol."""

    OPTIONS: ClassVar[dict[str, Any]] = {"decode_responses": True, "protocol": 3}

    def _made(self, address: str) -> Any:
        from redis.asyncio import Redis

        self._loop = asyncio.new_event_loop()
        return Redis(unix_socket_path=address, **self.OPTIONS)

    def run(self, result: Any) -> Any:
        return self._loop.run_until_complete(result)

    def close(self) -> None:
        self.run(self.client.aclose())
        self._loop.close()


CLIENTS: dict[str, Any] = {
    "nats": Nats,
    "redis": Redis,
    "redis-async": AsyncRedis,
    "sqs": Sqs,
    "sns": Sns,
    "sns-in-body": SnsInBody,
}


def fetches(client: Any, consumer: Any, size: int) -> Iterator[tuple[Any, list[Message]]]:
    """What comes until there is nothing left, also nothing that waits for an acknowledgement."""
    deadline = time.monotonic() + MAX_SECONDS
    while True:
        assert time.monotonic() < deadline, "the queue does not get empty"
        result, messages = client.fetch(consumer, size)
        if messages:
            yield result, messages
        elif client.is_empty(consumer):
            return
