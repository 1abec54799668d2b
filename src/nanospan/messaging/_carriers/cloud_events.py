"""The extension attributes `traceparent` and `tracestate` of CloudEvents.

They hold the context in which the event was made, for its whole life: a hop does not replace them, and puts its own context
into the headers of the protocol. (Specification: cloudevents/spec, extensions/distributed-tracing.md.)
"""

from __future__ import annotations

from typing import Any

from nanospan.messaging._carriers.carrier import Carrier, Pair
from nanospan.messaging._carriers.mappings import MappingCarrier
from nanospan.messaging._carriers.pairs import PairCarrier

__all__ = ["EventHeaderCarrier", "EventRecordCarrier"]

_EXTENSION = ("traceparent", "tracestate")


def _to_write(carrier: Carrier, headers: Any, pairs: list[Pair]) -> list[Pair]:
    """Nothing if the event has a context already; the extension has no baggage."""
    if carrier.get(headers, "traceparent") is not None:
        return []
    return [pair for pair in pairs if pair[0] in _EXTENSION]


class EventHeaderCarrier(MappingCarrier):
    """The attributes of an event in a mapping: those of JSON, or the headers ``ce-...`` of an HTTP request.

    `set` leaves an event that has a traceparent as it is.
    """

    def _set(self, headers: Any, pairs: list[Pair]) -> Any:
        return super()._set(headers, _to_write(self, headers, pairs))


class EventRecordCarrier(PairCarrier):
    """The headers ``ce_...`` of a Kafka record. `set` leaves an event that has a traceparent as it is."""

    def _set(self, headers: Any, pairs: list[Pair]) -> Any:
        return super()._set(headers, _to_write(self, headers, pairs))
