"""`Tracing`: the spans of the messages of AMQP 0-9-1, from what a client says of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from nanospan.messaging._carriers.counts import log_failure
from nanospan.messaging._conventions.operation import Destination
from nanospan.messaging._conventions.vocabulary import DESTINATION_NAME
from nanospan.messaging._spans.client import Relation
from nanospan.messaging._spans.consuming import Processing, Receiving, Settling
from nanospan.messaging._spans.messaging import Messaging
from nanospan.messaging._spans.sending import Creation, Sending

__all__ = ["Delivery", "Tracing", "destination_of"]

ROUTING_KEY = "messaging.rabbitmq.destination.routing_key"
DELIVERY_TAG = "messaging.rabbitmq.message.delivery_tag"

_GENERATED = re.compile(r"amq\.gen|amq\.rabbitmq\.reply-to|amq(?=_[0-9a-f]{32}$)")
"""How names begin that the broker chose, or aio-pika for a queue that is declared again after a reconnection."""


class Delivery(NamedTuple):
    """What spans say of a message that was delivered."""

    exchange: str
    routing_key: str
    queue: str
    delivery_tag: int | None
    message_id: str | None
    correlation_id: str | None
    headers: Mapping[str, Any] | None


def destination_of(exchange: str, routing_key: str, queue: str = "") -> Destination:
    """The destination; with a queue, that of a consumer.

    The template has generated names without their random part. (Specification: rabbitmq.md.)
    """
    parts = [part for part in (exchange, routing_key, "" if queue == routing_key else queue) if part] or ["amq.default"]
    name = ":".join(parts)
    if "amq" not in name:
        return Destination(name)
    constant = [start[0] if (start := _GENERATED.match(part)) else part for part in parts]
    if constant == parts:
        return Destination(name)
    return Destination(name, template=":".join(dict.fromkeys(constant)), anonymous=True)


class Tracing:
    """What the wrappers of one channel share."""

    __slots__ = ("_empty_gets", "creation", "messaging", "settles")

    def __init__(
        self, messaging: Messaging, creation: Creation = "send", settle: bool = False, empty_gets: bool = False
    ) -> None:
        self.messaging = messaging
        self.creation = creation
        self.settles = settle
        self._empty_gets = empty_gets

    def send(self, exchange: Any, routing_key: Any, properties: Any, headers: Any) -> Sending:
        """The span of a publish, whose ``properties`` have ``message_id`` and ``correlation_id``. Never raises."""
        target: Destination | None = None
        facts: dict[str, Any] = {}
        try:
            target = destination_of(exchange, routing_key)
            facts["attributes"] = {ROUTING_KEY: routing_key or None}
            if properties is not None:
                facts["message_id"] = properties.message_id
                facts["conversation_id"] = properties.correlation_id
        except Exception:  # such as for a name that is no text, of which the client complains
            log_failure("the arguments of a publish")
        return self.messaging.send(target, headers, operation="publish", creation=self.creation, **facts)

    def receive(self, queue: Any, empty: bool | None = None) -> Receiving:
        """The span of a call that asks for a message. Never raises."""
        target: Destination | None = None
        try:
            target = destination_of("", "", queue)
        except Exception:
            log_failure("the name of a queue")
        return self.messaging.receive(target, empty=self._empty_gets if empty is None else empty)

    def received(self, receiving: Receiving, delivery: Delivery | None) -> None:
        """Say what came. Never raises."""
        try:
            if delivery is not None:
                target = destination_of(*delivery[:3])
                receiving.received(delivery.headers, destination=target, **_facts(delivery))
        except Exception:
            log_failure("the message of a receive span")

    def process(self, delivery: Delivery | None, *, push: bool = False, relation: Relation | None = None) -> Processing:
        """The span of the handler of one message. Never raises."""
        try:
            if delivery is not None:
                target = destination_of(*delivery[:3])
                headers = delivery.headers
                return self.messaging.process(target, headers, relation=relation, push=push, **_facts(delivery))
        except Exception:
            log_failure("the message of a handler")
        return self.messaging.process(relation=relation, push=push)

    def process_batch(self, deliveries: Sequence[Delivery]) -> Processing:
        """The span of the handler of several messages. What differs between them goes to their links. Never raises."""
        arguments: dict[str, Any] = {"headers_of": [delivery.headers for delivery in deliveries]}
        target: Destination | None = None
        try:
            targets = {destination_of(*delivery[:3]) for delivery in deliveries}
            if len(targets) == 1:
                (target,) = targets
            arguments["message_ids"] = [delivery.message_id for delivery in deliveries]
            arguments["attributes_of"] = [_link_attributes(delivery, target is None) for delivery in deliveries]
        except Exception:
            log_failure("the messages of a handler")
        return self.messaging.process(target, **arguments)

    def settle(self, operation: str, delivery_tag: Any, deliveries: Sequence[Delivery], multiple: bool) -> Settling:
        """The span of an ack, a nack or a reject, of ``multiple`` deliveries, as far as they are known. Never raises."""
        target: Destination | None = None
        arguments: dict[str, Any] = {}
        try:
            if type(delivery_tag) is int:
                arguments["attributes"] = {DELIVERY_TAG: delivery_tag}
            targets = {destination_of(*delivery[:3]) for delivery in deliveries}
            if len(targets) == 1:
                (target,) = targets
            if multiple:
                arguments["headers_of"] = [delivery.headers for delivery in deliveries]
            elif deliveries:
                arguments["headers"] = deliveries[0].headers
        except Exception:
            log_failure("the messages of a settlement")
        return self.messaging.settle(target, operation=operation, **arguments)


def _facts(delivery: Delivery) -> dict[str, Any]:
    attributes = {ROUTING_KEY: delivery.routing_key or None, DELIVERY_TAG: delivery.delivery_tag}
    return {"message_id": delivery.message_id, "conversation_id": delivery.correlation_id, "attributes": attributes}


def _link_attributes(delivery: Delivery, named: bool) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    if delivery.routing_key:
        attributes[ROUTING_KEY] = delivery.routing_key
    if delivery.delivery_tag is not None:
        attributes[DELIVERY_TAG] = delivery.delivery_tag
    if named:
        attributes[DESTINATION_NAME] = destination_of(*delivery[:3]).name
    return attributes
