"""What is the same for every span of one operation on one destination: made once, and then copied."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from opentelemetry.trace import SpanKind

from nanospan.messaging._conventions.vocabulary import (
    CLIENT_ID,
    CONSUMER_GROUP,
    DESTINATION_ANONYMOUS,
    DESTINATION_NAME,
    DESTINATION_TEMPLATE,
    DESTINATION_TEMPORARY,
    OPERATION_NAME,
    OPERATION_TYPE,
    SERVER_ADDRESS,
    SERVER_PORT,
    SUBSCRIPTION,
    SYSTEM,
    OperationType,
    add_old_names,
    old_constants,
)

__all__ = ["Client", "Destination", "Operation", "describe"]


@dataclass(frozen=True, slots=True)
class Client:
    """What is the same for all operations of one client."""

    system: str
    server_address: str | None
    server_port: int | None
    client_id: str | None
    consumer_group: str | None
    both_sets: bool


@dataclass(frozen=True, slots=True)
class Destination:
    """Where messages go to, or come from."""

    name: str | None = None
    template: str | None = None
    temporary: bool = False
    anonymous: bool = False
    subscription: str | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """The constant parts of a span, and of its measurements."""

    type: OperationType
    span_name: str
    attributes: dict[str, Any] = field(hash=False)
    """To be copied: the samplers see them."""
    metric_attributes: dict[str, Any] = field(hash=False)
    """Without the type of the operation."""

    @property
    def name(self) -> str:
        """The system's word for it."""
        name: str = self.attributes[OPERATION_NAME]
        return name


KINDS: dict[OperationType, SpanKind] = {
    "create": SpanKind.PRODUCER,
    "send": SpanKind.PRODUCER,
    "receive": SpanKind.CLIENT,
    "process": SpanKind.CONSUMER,
    "settle": SpanKind.CLIENT,
}


def _span_name(client: Client, name: str, destination: Destination) -> str:
    """(Specification: messaging-spans.md, "Span name".)"""
    if destination.template is not None:
        target: str | None = destination.template
    elif destination.name is not None and not destination.temporary and not destination.anonymous:
        target = destination.name
    elif client.server_address is not None and client.server_port is not None:
        target = f"{client.server_address}:{client.server_port}"
    else:
        target = client.server_address
    return f"{name} {target}" if target else name


def describe(client: Client, type: OperationType, name: str, destination: Destination) -> Operation:
    """The operation ``name`` of ``client`` on ``destination``."""
    consumes = type in ("receive", "process", "settle")
    network = {SERVER_ADDRESS: client.server_address, SERVER_PORT: client.server_port}
    consumer = {CONSUMER_GROUP: client.consumer_group, SUBSCRIPTION: destination.subscription} if consumes else {}
    target = {DESTINATION_NAME: destination.name, DESTINATION_TEMPLATE: destination.template}
    attributes: dict[str, Any] = {
        SYSTEM: client.system,
        OPERATION_NAME: name,
        OPERATION_TYPE: type,
        **target,
        DESTINATION_TEMPORARY: destination.temporary or None,
        DESTINATION_ANONYMOUS: destination.anonymous or None,
        **network,
        CLIENT_ID: None if type == "create" else client.client_id,
        **consumer,
    }
    measured: dict[str, Any] = {SYSTEM: client.system, OPERATION_NAME: name, **target, **network, **consumer}
    if destination.template is not None or destination.temporary or destination.anonymous:
        del measured[DESTINATION_NAME]  # of many values
    attributes = _present(attributes)
    if client.both_sets:
        attributes |= old_constants(client.system, type, destination.name)
        add_old_names(client.system, attributes)
    return Operation(type, _span_name(client, name, destination), attributes, _present(measured))


def _present(attributes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}
