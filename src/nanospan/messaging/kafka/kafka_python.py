"""kafka-python: `wrap_producer` for a KafkaProducer, `wrap_consumer` for a KafkaConsumer."""

from __future__ import annotations

from typing import Any, Unpack

from nanospan.messaging._clients.delegate import Delegate
from nanospan.messaging._clients.options import check_client
from nanospan.messaging._spans.client import Relation
from nanospan.messaging._spans.consuming import Processing
from nanospan.messaging.kafka._consuming import ConsumerTracing, attributes_read
from nanospan.messaging.kafka._options import ConsumerOptions, ProducerOptions, described, split_off
from nanospan.messaging.kafka._producing import ProducerTracing

__all__ = ["TracedConsumer", "TracedProducer", "wrap_consumer", "wrap_producer"]

_PARAMETERS = ("topic", "value", "key", "headers", "partition", "timestamp_ms")


class TracedProducer(Delegate):
    """A producer each of whose messages carries its span's context."""

    __slots__ = ()

    def send(self, *args: Any, **kwargs: Any) -> Any:
        call = self._nanospan.call(args, kwargs)
        with self._nanospan.send(call) as sending:
            return call.into(self.__wrapped__.send, sending.headers)


class TracedConsumer(Delegate):
    """A consumer whose polls and commits have spans, and `process` for the handlers."""

    __slots__ = ()

    def process(self, messages: Any, *, relation: Relation | None = None) -> Processing:
        """A context manager around the handler of one message, or of what `poll` returned: see `Messaging.process`."""
        processing: Processing = self._nanospan.process(messages, relation)
        return processing

    def poll(self, *args: Any, **kwargs: Any) -> Any:
        with self._nanospan.poll() as receiving:
            records = self.__wrapped__.poll(*args, **kwargs)
            self._nanospan.received(receiving, records)
            return records

    def __iter__(self) -> Any:
        iterator = iter(self.__wrapped__)
        return self if iterator is self.__wrapped__ else iterator

    def __next__(self) -> Any:
        with self._nanospan.poll() as receiving:
            try:
                record = next(self.__wrapped__)
            except StopIteration:
                receiving.__exit__(None, None, None)  # an empty poll
                raise
            self._nanospan.received(receiving, record)
            return record

    def commit(self, offsets: Any = None, *args: Any, **kwargs: Any) -> Any:
        with self._nanospan.commit(offsets=offsets):
            return self.__wrapped__.commit(offsets, *args, **kwargs)

    def commit_async(self, offsets: Any = None, *args: Any, **kwargs: Any) -> Any:
        with self._nanospan.commit(offsets=offsets):
            return self.__wrapped__.commit_async(offsets, *args, **kwargs)


def _settings(client: Any) -> tuple[Any, Any, Any]:
    config = getattr(client, "config", None)
    if not isinstance(config, dict):
        return None, None, None
    return config.get("bootstrap_servers"), config.get("client_id"), config.get("group_id")


def wrap_producer(producer: Any, **options: Unpack[ProducerOptions]) -> TracedProducer:
    """The producer with a span for each message.

    Args:
        producer: A kafka.KafkaProducer.
        options: See `ProducerOptions`.

    Raises:
        TypeError, ValueError: for a wrong argument, by name.
    """
    check_client("producer", producer, ("send", "flush"), "a kafka.KafkaProducer")
    general, own = split_off(options, ProducerOptions, "creation")
    servers, client_id, _ = _settings(producer)
    messaging = described(general, servers, client_id)
    return TracedProducer(producer, ProducerTracing(messaging, producer.send, _PARAMETERS, **own))


def wrap_consumer(consumer: Any, **options: Unpack[ConsumerOptions]) -> TracedConsumer:
    """The consumer with spans for its polls and commits, and with `process` for the handlers.

    Iteration makes a span for each message, `poll` one for each batch.

    Args:
        consumer: A kafka.KafkaConsumer.
        options: See `ConsumerOptions`.

    Raises:
        TypeError, ValueError: for a wrong argument, by name.
    """
    check_client("consumer", consumer, ("poll", "commit"), "a kafka.KafkaConsumer")
    general, own = split_off(options, ConsumerOptions, "empty_polls")
    return TracedConsumer(consumer, ConsumerTracing(described(general, *_settings(consumer)), attributes_read, **own))
