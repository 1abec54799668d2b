"""Names of the semantic conventions for messaging, version 1.44.0 (Development), and of version 1.11.0 beside them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal

__all__ = [
    "BATCH_COUNT",
    "BODY_SIZE",
    "BUCKETS",
    "CLIENT_ID",
    "CONSUMER_GROUP",
    "CONVERSATION_ID",
    "DESTINATION_ANONYMOUS",
    "DESTINATION_NAME",
    "DESTINATION_TEMPLATE",
    "DESTINATION_TEMPORARY",
    "ENVELOPE_SIZE",
    "ERROR_TYPE",
    "LINKS_LEFT_OUT",
    "LINK_MESSAGES",
    "MESSAGE_ID",
    "OPERATION_NAME",
    "OPERATION_TYPE",
    "OPT_IN",
    "PARTITION",
    "SCHEMA_URL",
    "SERVER_ADDRESS",
    "SERVER_PORT",
    "SUBSCRIPTION",
    "SYSTEM",
    "OperationType",
    "add_old_names",
    "both_sets",
    "old_constants",
]

SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"
OPT_IN = "OTEL_SEMCONV_STABILITY_OPT_IN"

OperationType = Literal["create", "send", "receive", "process", "settle"]

SYSTEM = "messaging.system"
OPERATION_NAME = "messaging.operation.name"
OPERATION_TYPE = "messaging.operation.type"
DESTINATION_NAME = "messaging.destination.name"
DESTINATION_TEMPLATE = "messaging.destination.template"
DESTINATION_TEMPORARY = "messaging.destination.temporary"
DESTINATION_ANONYMOUS = "messaging.destination.anonymous"
SUBSCRIPTION = "messaging.destination.subscription.name"
PARTITION = "messaging.destination.partition.id"
CLIENT_ID = "messaging.client.id"
CONSUMER_GROUP = "messaging.consumer.group.name"
BATCH_COUNT = "messaging.batch.message_count"
MESSAGE_ID = "messaging.message.id"
CONVERSATION_ID = "messaging.message.conversation_id"
BODY_SIZE = "messaging.message.body.size"
ENVELOPE_SIZE = "messaging.message.envelope.size"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
ERROR_TYPE = "error.type"

# nanospan's own: the conventions have no name for them.
LINKS_LEFT_OUT = "nanospan.messaging.links_left_out"
LINK_MESSAGES = "nanospan.messaging.link.message_count"

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Boundaries of the two durations, in seconds."""

# Version 1.11.0, as the instrumentations of opentelemetry-python-contrib write them. It has no attribute for what is missing
# here; `messaging.batch.message_count`, and `messaging.system` with its value, are in both sets.
_OLD_NAMES = {
    DESTINATION_NAME: "messaging.destination",
    DESTINATION_TEMPORARY: "messaging.temp_destination",
    MESSAGE_ID: "messaging.message_id",
    CONVERSATION_ID: "messaging.conversation_id",
    BODY_SIZE: "messaging.message_payload_size_bytes",
    SERVER_ADDRESS: "net.peer.name",
    SERVER_PORT: "net.peer.port",
    "messaging.rabbitmq.destination.routing_key": "messaging.rabbitmq.routing_key",
    "aws.sqs.queue.url": "messaging.url",
}
_OLD_NAMES_OF_KAFKA = {
    PARTITION: "messaging.kafka.partition",
    CLIENT_ID: "messaging.kafka.client_id",
    CONSUMER_GROUP: "messaging.kafka.consumer_group",
    "messaging.kafka.message.key": "messaging.kafka.message_key",
    "messaging.kafka.message.tombstone": "messaging.kafka.tombstone",
}
_OLD_OPERATIONS = {"receive": "receive", "process": "process"}
_TOPICS = frozenset({"kafka", "aws.sns", "gcp_pubsub", "eventhubs", "eventgrid", "pulsar", "rocketmq", "nats"})


def both_sets() -> bool:
    """Whether `OTEL_SEMCONV_STABILITY_OPT_IN` asks for the names of version 1.11.0 too."""
    return "messaging/dup" in (value.strip() for value in os.environ.get(OPT_IN, "").split(","))


def old_constants(system: str, operation: str, destination: str | None) -> dict[str, Any]:
    """Attributes of version 1.11.0 that have no equal in 1.44.0."""
    attributes: dict[str, Any] = {}
    if destination is not None:
        attributes["messaging.destination_kind"] = "topic" if system in _TOPICS else "queue"
    if operation in _OLD_OPERATIONS:
        attributes["messaging.operation"] = _OLD_OPERATIONS[operation]
    return attributes


def add_old_names(system: str, attributes: dict[str, Any]) -> None:
    """Add each of ``attributes`` that version 1.11.0 has too under its name there."""
    _rename(attributes, _OLD_NAMES)
    if system == "kafka":
        _rename(attributes, _OLD_NAMES_OF_KAFKA)
        partition = attributes.get("messaging.kafka.partition")
        if isinstance(partition, str) and partition.isdecimal():
            attributes["messaging.kafka.partition"] = int(partition)


def _rename(attributes: dict[str, Any], names: Mapping[str, str]) -> None:
    for name, old in names.items():
        if name in attributes:
            attributes[old] = attributes[name]
