"""`Unsettled`: the deliveries of a channel that wait for their settlement, for the spans of it."""

from __future__ import annotations

from nanospan.messaging.amqp._tracing import Delivery

__all__ = ["Unsettled"]

MAX_DELIVERIES = 4096
"""Deliveries that are remembered; then the oldest are forgotten: those that the client settles itself have no end."""


class Unsettled:
    """Not for several threads: neither are the channels of pika."""

    __slots__ = ("_deliveries",)

    def __init__(self) -> None:
        self._deliveries: dict[int, Delivery] = {}

    def add(self, delivery: Delivery) -> None:
        if delivery.delivery_tag is not None:
            if len(self._deliveries) >= MAX_DELIVERIES:
                del self._deliveries[next(iter(self._deliveries))]
            self._deliveries[delivery.delivery_tag] = delivery

    def take(self, delivery_tag: int, multiple: bool) -> list[Delivery]:
        """Those that a settlement is about. With ``multiple`` all up to the tag, and all of them for the tag 0."""
        if not multiple:
            found = self._deliveries.pop(delivery_tag, None)
            return [] if found is None else [found]
        tags = [tag for tag in self._deliveries if tag <= delivery_tag or delivery_tag == 0]
        return [self._deliveries.pop(tag) for tag in tags]
