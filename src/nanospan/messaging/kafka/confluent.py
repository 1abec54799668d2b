"""confluent-kafka: `wrap_producer`, `wrap_consumer`, and `wrap_async_consumer` for an AIOConsumer."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from typing import Any, Unpack

from nanospan._common.arguments import safe_repr
from nanospan.messaging._carriers.counts import log_failure
from nanospan.messaging._clients.delegate import Delegate
from nanospan.messaging._clients.options import check_client
from nanospan.messaging._spans.client import Relation
from nanospan.messaging._spans.consuming import Processing, Receiving
from nanospan.messaging.kafka._consuming import ConsumerTracing, Record
from nanospan.messaging.kafka._options import ConsumerOptions, ProducerOptions, described, split_off
from nanospan.messaging.kafka._producing import ProducerTracing

__all__ = [
    "AsyncTracedConsumer",
    "TracedConsumer",
    "TracedProducer",
    "wrap_async_consumer",
    "wrap_consumer",
    "wrap_producer",
]

_PARAMETERS = ("topic", "value", "key", "partition", "callback", "on_delivery", "timestamp", "headers")
_PARTITION_EOF = -191


class TracedProducer(Delegate):
    """A producer each of whose messages carries its span's context."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(self.__wrapped__)

    def __bool__(self) -> bool:
        return bool(self.__wrapped__)

    def produce(self, *args: Any, **kwargs: Any) -> Any:
        call = self._nanospan.call(args, kwargs)
        with self._nanospan.send(call) as sending:
            return call.into(self.__wrapped__.produce, sending.headers)

    def produce_batch(self, topic: str, messages: Any, *args: Any, **kwargs: Any) -> Any:
        """As of confluent-kafka, which sends these messages without headers: the span is in no message."""
        headers_of = [None] * len(messages) if isinstance(messages, list) else []
        with self._nanospan.messaging.send_batch(topic, headers_of, creation="send"):
            return self.__wrapped__.produce_batch(topic, messages, *args, **kwargs)


class _Consumer(Delegate):
    __slots__ = ()

    def process(self, messages: Any, *, relation: Relation | None = None) -> Processing:
        """A context manager around the handler of one message, or of a list of them: see `Messaging.process`."""
        processing: Processing = self._nanospan.process(messages, relation)
        return processing

    def _received(self, receiving: Receiving, result: Any) -> Any:
        self._nanospan.received(receiving, result)
        try:
            for message in result if isinstance(result, list) else [result]:
                error = message.error() if hasattr(message, "error") else None
                if error is not None and error.code() != _PARTITION_EOF:
                    receiving.failed(error.name())
        except Exception:
            log_failure("the error of a message")
        return result

    @staticmethod
    def _committed(message: Any = None, offsets: Any = None, *_: Any, **__: Any) -> tuple[Any, Any]:
        return message, offsets


class TracedConsumer(_Consumer):
    """A consumer whose polls and commits have spans, and `process` for the handlers."""

    __slots__ = ()

    def poll(self, *args: Any, **kwargs: Any) -> Any:
        with self._nanospan.poll() as receiving:
            return self._received(receiving, self.__wrapped__.poll(*args, **kwargs))

    def consume(self, *args: Any, **kwargs: Any) -> Any:
        with self._nanospan.poll() as receiving:
            return self._received(receiving, self.__wrapped__.consume(*args, **kwargs))

    def commit(self, *args: Any, **kwargs: Any) -> Any:
        with self._nanospan.commit(*self._committed(*args, **kwargs)):
            return self.__wrapped__.commit(*args, **kwargs)


class AsyncTracedConsumer(_Consumer):
    """The same for an AIOConsumer."""

    __slots__ = ()

    async def _asked(self, method: Any, args: Any, kwargs: Any) -> Any:
        with self._nanospan.poll() as receiving:
            try:
                return self._received(receiving, await method(*args, **kwargs))
            except asyncio.CancelledError:
                receiving.__exit__(None, None, None)  # as of a timeout: an empty poll
                raise

    async def poll(self, *args: Any, **kwargs: Any) -> Any:
        return await self._asked(self.__wrapped__.poll, args, kwargs)

    async def consume(self, *args: Any, **kwargs: Any) -> Any:
        return await self._asked(self.__wrapped__.consume, args, kwargs)

    async def commit(self, *args: Any, **kwargs: Any) -> Any:
        with self._nanospan.commit(*self._committed(*args, **kwargs)):
            return await self.__wrapped__.commit(*args, **kwargs)


def _read(message: Any) -> Record | None:
    if not callable(getattr(message, "topic", None)) or message.error() is not None:
        return None
    headers = message.headers()
    return Record(message.topic(), message.partition(), message.offset(), message.key(), message.value(), headers)


def _settings(config: Mapping[str, Any] | None) -> tuple[Any, Any, Any]:
    if config is None:
        return None, None, None
    if not isinstance(config, Mapping):
        raise TypeError(
            f"config must be the client's settings, such as {{'bootstrap.servers': ...}}, not {safe_repr(config)}"
        )
    servers = config.get("bootstrap.servers", config.get("metadata.broker.list"))
    return servers, config.get("client.id"), config.get("group.id")


def wrap_producer(
    producer: Any, *, config: Mapping[str, Any] | None = None, **options: Unpack[ProducerOptions]
) -> TracedProducer:
    """The producer with a span for each message.

    Args:
        producer: A Producer or SerializingProducer of confluent-kafka.
        config: The settings that it was made with, which it does not tell: the broker and the client's id are read.
        options: See `ProducerOptions`.

    Raises:
        TypeError, ValueError: for a wrong argument, by name.
    """
    check_client("producer", producer, ("produce", "flush"), "a confluent_kafka.Producer")
    if inspect.iscoroutinefunction(producer.produce):
        raise TypeError("producer must be a confluent_kafka.Producer, not an AIOProducer, whose messages have no headers")
    general, own = split_off(options, ProducerOptions, "creation")
    servers, client_id, _ = _settings(config)
    messaging = described(general, servers, client_id)
    return TracedProducer(producer, ProducerTracing(messaging, producer.produce, _PARAMETERS, **own))


def _tracing(
    consumer: Any, config: Mapping[str, Any] | None, options: ConsumerOptions, accepted: str, asynchronous: bool
) -> ConsumerTracing:
    check_client("consumer", consumer, ("poll", "consume", "commit"), accepted)
    if inspect.iscoroutinefunction(consumer.poll) != asynchronous:
        raise TypeError(f"consumer must be {accepted}, not {safe_repr(consumer)}")
    general, own = split_off(options, ConsumerOptions, "empty_polls")
    return ConsumerTracing(described(general, *_settings(config)), _read, **own)


def wrap_consumer(
    consumer: Any, *, config: Mapping[str, Any] | None = None, **options: Unpack[ConsumerOptions]
) -> TracedConsumer:
    """The consumer with spans for its polls and commits, and with `process` for the handlers.

    Args:
        consumer: A Consumer or DeserializingConsumer of confluent-kafka.
        config: The settings that it was made with, which it does not tell: the broker, the group and the client's id are
            read.
        options: See `ConsumerOptions`.

    Raises:
        TypeError, ValueError: for a wrong argument, by name.
    """
    tracing = _tracing(consumer, config, options, "a confluent_kafka.Consumer", asynchronous=False)
    return TracedConsumer(consumer, tracing)


def wrap_async_consumer(
    consumer: Any, *, config: Mapping[str, Any] | None = None, **options: Unpack[ConsumerOptions]
) -> AsyncTracedConsumer:
    """The same for an AIOConsumer of confluent_kafka.aio."""
    tracing = _tracing(consumer, config, options, "a confluent_kafka.aio.AIOConsumer", asynchronous=True)
    return AsyncTracedConsumer(consumer, tracing)
