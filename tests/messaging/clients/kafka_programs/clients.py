"""The three clients of Kafka behind the same calls, bare or wrapped, for the programs of the tests."""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

MODULES = {"confluent": "confluent", "aiokafka": "aiokafka", "kafka-python": "kafka_python"}
FETCH_SECONDS = 0.5
MAX_SECONDS = 50.0
INSTANCE = "one"
"""A static member: after a crash the broker gives its successor the partitions at once."""


class Message(NamedTuple):
    """A message that has come, and the client's own object."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    native: Any


def group_of(name: str, topics: list[str]) -> str:
    """Of these topics alone: a static member that asks for others keeps those that it had."""
    return f"{name} of {topics[0]}"


def no_change(client: Any, **_: Any) -> Any:
    return client


def wrapped(name: str, **options: Any) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """nanospan's two functions for a client."""
    module = importlib.import_module(f"nanospan.messaging.kafka.{MODULES[name]}")

    def producer(client: Any, **more: Any) -> Any:
        return module.wrap_producer(client, **options, **more)

    def consumer(client: Any, **more: Any) -> Any:
        return module.wrap_consumer(client, **options, **more)

    return producer, consumer


class Confluent:
    def __init__(self, broker: str, wrap: Any) -> None:
        from confluent_kafka import Producer

        config = {"bootstrap.servers": broker, "client.id": "shop", "queue.buffering.max.messages": 1_000_000}
        self.bare = Producer(config)
        self.producer = wrap[0](self.bare, **({} if wrap[0] is no_change else {"config": config}))
        self._broker, self._wrap = broker, wrap

    def send(
        self, topic: str, value: bytes | None, key: bytes | None = None, headers: Any = None, bare: bool = False
    ) -> None:
        (self.bare if bare else self.producer).produce(topic, value, key, headers=headers)

    def flush(self) -> None:
        assert self.bare.flush(60) == 0

    def consumer(self, group: str, topics: list[str]) -> Any:
        from confluent_kafka import Consumer

        settings = {"bootstrap.servers": self._broker, "group.id": group_of(group, topics), "auto.offset.reset": "earliest"}
        settings |= {"enable.auto.commit": False, "group.instance.id": INSTANCE, "client.id": "billing"}
        wrap = self._wrap[1]
        consumer = wrap(Consumer(settings), **({} if wrap is no_change else {"config": settings}))
        consumer.subscribe(topics)
        return consumer

    def fetch(self, consumer: Any, size: int) -> tuple[Any, list[Message]]:
        """What the client returns, and the messages in it."""
        if size == 1:
            message = consumer.poll(FETCH_SECONDS)
            messages = [] if message is None else [message]
            result: Any = message
        else:
            messages = result = consumer.consume(size, FETCH_SECONDS)
        for message in messages:
            assert message.error() is None, message.error()
        return result, [
            Message(m.topic(), m.partition(), m.offset(), m.key(), m.value(), m.headers() or [], m) for m in messages
        ]

    def commit(self, consumer: Any) -> None:
        consumer.commit(asynchronous=False)

    def seek(self, consumer: Any, message: Message) -> None:
        from confluent_kafka import TopicPartition

        consumer.seek(TopicPartition(message.topic, message.partition, message.offset))

    def close(self, consumer: Any = None) -> None:
        if consumer is not None:
            consumer.close()


def _of_records(records: Any) -> list[Message]:
    return [Message(r.topic, r.partition, r.offset, r.key, r.value, list(r.headers), r) for r in records]


class KafkaPython:
    def __init__(self, broker: str, wrap: Any) -> None:
        from kafka import KafkaProducer

        self.bare = KafkaProducer(bootstrap_servers=broker, client_id="shop")
        self.producer = wrap[0](self.bare)
        self._broker, self._wrap = broker, wrap
        self.futures: list[Any] = []

    def send(
        self, topic: str, value: bytes | None, key: bytes | None = None, headers: Any = None, bare: bool = False
    ) -> None:
        producer = self.bare if bare else self.producer
        self.futures.append(producer.send(topic, value, key, headers=headers))

    def flush(self) -> None:
        self.bare.flush(60)
        for future in self.futures:
            future.get(60)
        self.futures.clear()

    def consumer(self, group: str, topics: list[str]) -> Any:
        from kafka import KafkaConsumer

        consumer = KafkaConsumer(
            *topics,
            bootstrap_servers=self._broker,
            group_id=group_of(group, topics),
            client_id="billing",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            group_instance_id=INSTANCE,
            consumer_timeout_ms=int(FETCH_SECONDS * 1000),
        )
        return self._wrap[1](consumer)

    def fetch(self, consumer: Any, size: int) -> tuple[Any, list[Message]]:
        if size == 1:
            record = next(consumer, None)
            return record, _of_records([] if record is None else [record])
        result = consumer.poll(timeout_ms=int(FETCH_SECONDS * 1000), max_records=size)
        return result, _of_records(record for records in result.values() for record in records)

    def commit(self, consumer: Any) -> None:
        consumer.commit()

    def seek(self, consumer: Any, message: Message) -> None:
        from kafka import TopicPartition

        consumer.seek(TopicPartition(message.topic, message.partition), message.offset)

    def close(self, consumer: Any = None) -> None:
        if consumer is None:
            self.bare.close()
        else:
            consumer.close(autocommit=False)


class AioKafka:
    """Its coroutines run one after the other, each in a task of its own."""

    def __init__(self, broker: str, wrap: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._broker, self._wrap = broker, wrap
        self.futures: list[Any] = []
        self.bare, self.producer = self._loop.run_until_complete(self._started())

    async def _started(self) -> tuple[Any, Any]:
        from aiokafka import AIOKafkaProducer

        bare = AIOKafkaProducer(bootstrap_servers=self._broker, client_id="shop")
        await bare.start()
        return bare, self._wrap[0](bare)

    def run(self, coroutine: Any) -> Any:
        return self._loop.run_until_complete(coroutine)

    def send(
        self, topic: str, value: bytes | None, key: bytes | None = None, headers: Any = None, bare: bool = False
    ) -> None:
        producer = self.bare if bare else self.producer
        self.futures.append(self.run(producer.send(topic, value, key, headers=headers)))

    def flush(self) -> None:
        async def all_of() -> None:
            await asyncio.wait_for(asyncio.gather(*self.futures), 60)

        self.run(all_of())
        self.futures.clear()

    def consumer(self, group: str, topics: list[str]) -> Any:
        async def started() -> Any:
            from aiokafka import AIOKafkaConsumer

            consumer = AIOKafkaConsumer(
                *topics,
                bootstrap_servers=self._broker,
                group_id=group_of(group, topics),
                client_id="billing",
                auto_offset_reset="earliest",
                enable_auto_commit=False,
                group_instance_id=INSTANCE,
            )
            await consumer.start()
            return self._wrap[1](consumer)

        return self.run(started())

    def fetch(self, consumer: Any, size: int) -> tuple[Any, list[Message]]:
        async def one() -> Any:
            try:
                return await asyncio.wait_for(consumer.getone(), FETCH_SECONDS)
            except TimeoutError:
                return None

        async def many() -> Any:
            return await consumer.getmany(timeout_ms=int(FETCH_SECONDS * 1000), max_records=size)

        if size == 1:
            record = self.run(one())
            return record, _of_records([] if record is None else [record])
        result = self.run(many())
        return result, _of_records(record for records in result.values() for record in records)

    def commit(self, consumer: Any) -> None:
        self.run(consumer.commit())

    def seek(self, consumer: Any, message: Message) -> None:
        from aiokafka import TopicPartition

        consumer.seek(TopicPartition(message.topic, message.partition), message.offset)

    def close(self, consumer: Any = None) -> None:
        self.run(self.bare.stop() if consumer is None else consumer.stop())


CLIENTS: dict[str, Any] = {"confluent": Confluent, "aiokafka": AioKafka, "kafka-python": KafkaPython}


def fetches(
    client: Any, consumer: Any, size: int, is_last: Callable[[Message], bool]
) -> Iterator[tuple[Any, list[Message]]]:
    """What comes, up to the message that is the last one."""
    deadline = time.monotonic() + MAX_SECONDS
    while True:
        assert time.monotonic() < deadline, "the last message does not come"
        result, messages = client.fetch(consumer, size)
        if messages:
            yield result, messages
            if is_last(messages[-1]):
                return
