"""The operations of `Messaging` as functions: for one call here and there, without an object that is kept."""

from __future__ import annotations

from typing import Any

from opentelemetry.trace import TracerProvider

from nanospan.messaging._carriers import Carrier
from nanospan.messaging._carriers.propagation import Incoming
from nanospan.messaging._spans.client import Relation
from nanospan.messaging._spans.consuming import Processing, Receiving, Settling
from nanospan.messaging._spans.messaging import Messaging, Target
from nanospan.messaging._spans.sending import Sending

__all__ = ["consumer_span", "process", "producer_span", "settle_span"]

MAX_REMEMBERED = 64

_made: dict[tuple[object, ...], Messaging] = {}


def _messaging(
    system: str,
    carrier: Carrier | None,
    provider: TracerProvider | None,
    relation: Relation = "link",
    incoming: Incoming = "continue",
) -> Messaging:
    key = (system, carrier, provider, relation, incoming)
    known = _made.get(key)
    if known is None:
        if len(_made) >= MAX_REMEMBERED:
            _made.clear()
        known = _made[key] = Messaging(
            system, carrier=carrier, tracer_provider=provider, relation=relation, incoming=incoming
        )
    return known


def producer_span(
    system: str,
    destination: Target,
    headers: Any = None,
    *,
    carrier: Carrier | None = None,
    tracer_provider: TracerProvider | None = None,
    **arguments: Any,
) -> Sending:
    """`Messaging.send` of a client of ``system``, with its other ``arguments``."""
    return _messaging(system, carrier, tracer_provider).send(destination, headers, **arguments)


def consumer_span(
    system: str,
    destination: Target = None,
    headers: Any = None,
    *,
    carrier: Carrier | None = None,
    tracer_provider: TracerProvider | None = None,
    incoming: Incoming = "continue",
    **arguments: Any,
) -> Receiving:
    """`Messaging.receive` of a client of ``system``, with its other ``arguments``."""
    return _messaging(system, carrier, tracer_provider, incoming=incoming).receive(destination, headers, **arguments)


def process(
    system: str,
    destination: Target = None,
    headers: Any = None,
    *,
    carrier: Carrier | None = None,
    tracer_provider: TracerProvider | None = None,
    relation: Relation = "link",
    incoming: Incoming = "continue",
    **arguments: Any,
) -> Processing:
    """`Messaging.process` of a client of ``system``, with its other ``arguments``."""
    return _messaging(system, carrier, tracer_provider, relation, incoming).process(destination, headers, **arguments)


def settle_span(
    system: str,
    destination: Target = None,
    headers: Any = None,
    *,
    carrier: Carrier | None = None,
    tracer_provider: TracerProvider | None = None,
    incoming: Incoming = "continue",
    **arguments: Any,
) -> Settling:
    """`Messaging.settle` of a client of ``system``, with its other ``arguments``."""
    return _messaging(system, carrier, tracer_provider, incoming=incoming).settle(destination, headers, **arguments)
