"""`ConsumerTracing`: the spans of polls, commits and handlers, from the records that a client returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from nanospan.messaging._carriers.counts import log_failure
from nanospan.messaging._conventions.vocabulary import DESTINATION_NAME, PARTITION
from nanospan.messaging._spans.client import Relation
from nanospan.messaging._spans.consuming import Processing, Receiving, Settling
from nanospan.messaging._spans.messaging import Messaging
from nanospan.messaging.kafka._producing import attributes_of_key

__all__ = ["ConsumerTracing", "Record", "attributes_read"]

OFFSET = "messaging.kafka.offset"


class Record(NamedTuple):
    """What spans say of a message."""

    topic: str | None
    partition: int | None
    offset: int | None
    key: object
    value: object
    headers: Any


def attributes_read(message: Any) -> Record | None:
    """The record of a message with attributes, as of aiokafka and kafka-python; None if it is not one."""
    if not hasattr(message, "topic") or not hasattr(message, "offset"):
        return None
    return Record(message.topic, message.partition, message.offset, message.key, message.value, message.headers)


class ConsumerTracing:
    """What the wrapper of a consumer knows.

    Args:
        messaging: The description of the client.
        read: The record of a message; None if it is not one.
        empty_polls: Whether a poll that brings nothing makes a span.
    """

    __slots__ = ("_empty_polls", "_read", "messaging")

    def __init__(self, messaging: Messaging, read: Callable[[Any], Record | None], empty_polls: bool = False) -> None:
        self.messaging = messaging
        self._read = read
        self._empty_polls = empty_polls

    def poll(self) -> Receiving:
        """A context manager around the call that asks for messages."""
        return self.messaging.receive(operation="poll", empty=self._empty_polls)

    def received(self, receiving: Receiving, result: Any) -> None:
        """Say what a call has returned. Never raises."""
        try:
            found = self._found(result)
            if isinstance(found, Record):
                receiving.received(found.headers, destination=found.topic, **_facts(found))
            elif found:
                topic, facts = _of_batch(found)
                receiving.received(destination=topic, **facts)
        except Exception:
            log_failure("the messages of a poll")

    def process(self, result: Any, relation: Relation | None = None) -> Processing:
        """A context manager around the handler of what a call has returned: one message, or a batch."""
        try:
            found = self._found(result)
            if isinstance(found, Record):
                return self.messaging.process(found.topic, found.headers, relation=relation, **_facts(found))
            if found is not None:
                topic, facts = _of_batch(found)
                return self.messaging.process(topic, relation=relation, **facts)
        except Exception:
            log_failure("the messages of a handler")
        return self.messaging.process(relation=relation)

    def commit(self, message: Any = None, offsets: Any = None) -> Settling:
        """A context manager around the call that commits offsets: of one message, of some partitions, or of all."""
        try:
            if message is not None and (record := self._read(message)) is not None:
                return self.messaging.settle(record.topic, record.headers, operation="commit", **_facts(record))
            topics = {partition.topic for partition in offsets} if offsets else set()
            if len(topics) == 1:
                return self.messaging.settle(topics.pop(), operation="commit")
        except Exception:
            log_failure("the messages of a commit")
        return self.messaging.settle(operation="commit")

    def _found(self, result: Any) -> Record | list[Record] | None:
        record = self._read(result)
        if record is not None:
            return record
        if isinstance(result, Mapping):  # partitions to their messages
            return self._listed(message for messages in result.values() for message in messages)
        return self._listed(result) if isinstance(result, Iterable) else None

    def _listed(self, messages: Iterable[Any]) -> list[Record]:
        return [record for message in messages if (record := self._read(message)) is not None]


def _facts(record: Record) -> dict[str, Any]:
    attributes = {OFFSET: record.offset, **attributes_of_key(record.key, record.value)}
    return {"partition": record.partition, "attributes": attributes}


def _of_batch(records: list[Record]) -> tuple[str | None, dict[str, Any]]:
    """The topic of a batch, and the arguments that describe it. What differs between the messages goes to their links."""
    topics = {record.topic for record in records}
    partitions = {record.partition for record in records}
    one_topic, one_partition = len(topics) == 1, len(topics) == 1 and len(partitions) == 1
    attributes_of: list[dict[str, Any]] = []
    for record in records:
        attributes: dict[str, Any] = {OFFSET: record.offset}
        if not one_topic:
            attributes[DESTINATION_NAME] = record.topic
        if not one_partition:
            attributes[PARTITION] = str(record.partition)
        attributes_of.append(attributes)
    arguments: dict[str, Any] = {
        # A message without headers has none to link to.
        "headers_of": [record.headers for record in records],
        "attributes_of": attributes_of,
        "partition": partitions.pop() if one_partition else None,
    }
    return (topics.pop() if one_topic else None), arguments
