"""aiokafka: `wrap_producer` for an AIOKafkaProducer, `wrap_consumer` for an AIOKafkaConsumer."""

from __future__ import annotations

import asyncio
from typing import Any, Unpack

from nanospan.messaging._carriers.counts import log_failure
from nanospan.messaging._clients.delegate import Delegate
from nanospan.messaging._clients.options import check_client
from nanospan.messaging._spans.client import Relation
from nanospan.messaging._spans.consuming import Processing
from nanospan.messaging.kafka._consuming import ConsumerTracing, attributes_read
from nanospan.messaging.kafka._options import ConsumerOptions, ProducerOptions, described, split_off
from nanospan.messaging.kafka._producing import ProducerTracing

__all__ = ["TracedBatch", "TracedConsumer", "TracedProducer", "wrap_consumer", "wrap_producer"]

_PARAMETERS = ("topic", "value", "key", "partition", "timestamp_ms", "headers")


class TracedBatch(Delegate):
    """A BatchBuilder each of whose messages carries the context of a create span."""

    __slots__ = ()

    def append(self, **kwargs: Any) -> Any:
        made = self._nanospan.messaging.create(None, kwargs.get("headers"))
        if made != []:
            kwargs["headers"] = made
        metadata = self.__wrapped__.append(**kwargs)
        if metadata is not None:
            self._nanospan.headers_of.append(made)
        return metadata


class _BatchTracing:
    __slots__ = ("headers_of", "messaging")

    def __init__(self, messaging: Any) -> None:
        self.messaging = messaging
        self.headers_of: list[Any] = []


class TracedProducer(Delegate):
    """A producer each of whose messages carries its span's context. The span ends when aiokafka has taken the message."""

    __slots__ = ()

    async def send(self, *args: Any, **kwargs: Any) -> Any:
        call = self._nanospan.call(args, kwargs)
        with self._nanospan.send(call) as sending:
            return await call.into(self.__wrapped__.send, sending.headers)

    async def send_and_wait(self, *args: Any, **kwargs: Any) -> Any:
        # The span covers `send` alone: a consumer may have the message before its acknowledgement is here.
        return await (await self.send(*args, **kwargs))

    def create_batch(self) -> Any:
        return TracedBatch(self.__wrapped__.create_batch(), _BatchTracing(self._nanospan.messaging))

    async def send_batch(self, batch: Any, topic: str, **kwargs: Any) -> Any:
        traced = issubclass(type(batch), TracedBatch)
        headers_of = batch._nanospan.headers_of if traced else [None] * _records_in(batch)
        sends = self._nanospan.messaging.send_batch(topic, headers_of, creation="given" if traced else "send")
        with sends:
            return await self.__wrapped__.send_batch(batch.__wrapped__ if traced else batch, topic, **kwargs)


class TracedConsumer(Delegate):
    """A consumer whose fetches and commits have spans, and `process` for the handlers."""

    __slots__ = ()

    def process(self, messages: Any, *, relation: Relation | None = None) -> Processing:
        """A context manager around the handler of one message, or of what `getmany` returned: see `Messaging.process`."""
        processing: Processing = self._nanospan.process(messages, relation)
        return processing

    async def _asked(self, method: Any, args: Any, kwargs: Any) -> Any:
        with self._nanospan.poll() as receiving:
            try:
                found = await method(*args, **kwargs)
            except (asyncio.CancelledError, StopAsyncIteration):
                receiving.__exit__(None, None, None)  # as of a timeout: an empty poll
                raise
            self._nanospan.received(receiving, found)
            return found

    async def getone(self, *args: Any, **kwargs: Any) -> Any:
        return await self._asked(self.__wrapped__.getone, args, kwargs)

    async def getmany(self, *args: Any, **kwargs: Any) -> Any:
        return await self._asked(self.__wrapped__.getmany, args, kwargs)

    def __aiter__(self) -> Any:
        iterator = self.__wrapped__.__aiter__()
        return self if iterator is self.__wrapped__ else iterator

    async def __anext__(self) -> Any:
        return await self._asked(self.__wrapped__.__anext__, (), {})

    async def commit(self, offsets: Any = None, *args: Any, **kwargs: Any) -> Any:
        with self._nanospan.commit(offsets=offsets):
            return await self.__wrapped__.commit(offsets, *args, **kwargs)


def _records_in(batch: Any) -> int:
    try:
        return int(batch.record_count())
    except Exception:
        log_failure("the size of a batch")
        return 0


def _settings(client: Any, group: Any = None) -> tuple[Any, Any, Any]:
    return getattr(client, "_bootstrap_servers", None), getattr(client, "_client_id", None), group


def wrap_producer(producer: Any, **options: Unpack[ProducerOptions]) -> TracedProducer:
    """The producer with a span for each message.

    Args:
        producer: An aiokafka.AIOKafkaProducer.
        options: See `ProducerOptions`.

    Raises:
        TypeError, ValueError: for a wrong argument, by name.
    """
    check_client("producer", producer, ("send", "send_and_wait"), "an aiokafka.AIOKafkaProducer")
    general, own = split_off(options, ProducerOptions, "creation")
    servers, client_id, _ = _settings(getattr(producer, "client", None))
    messaging = described(general, servers, client_id)
    return TracedProducer(producer, ProducerTracing(messaging, producer.send, _PARAMETERS, **own))


def wrap_consumer(consumer: Any, **options: Unpack[ConsumerOptions]) -> TracedConsumer:
    """The consumer with spans for its fetches and commits, and with `process` for the handlers.

    Iteration and `getone` make a span for each message, `getmany` one for each batch.

    Args:
        consumer: An aiokafka.AIOKafkaConsumer.
        options: See `ConsumerOptions`.

    Raises:
        TypeError, ValueError: for a wrong argument, by name.
    """
    check_client("consumer", consumer, ("getone", "getmany"), "an aiokafka.AIOKafkaConsumer")
    general, own = split_off(options, ConsumerOptions, "empty_polls")
    settings = _settings(getattr(consumer, "_client", None), getattr(consumer, "_group_id", None))
    return TracedConsumer(consumer, ConsumerTracing(described(general, *settings), attributes_read, **own))
