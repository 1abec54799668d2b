"""Parts of the wrappers for AMQP that need no broker: names, the room of a frame, deliveries that wait."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from nanospan.messaging import Destination
from nanospan.messaging._clients.delegate import Delegate, unwrapped
from nanospan.messaging.amqp._room import fitted
from nanospan.messaging.amqp._tracing import Delivery, destination_of
from nanospan.messaging.amqp._unsettled import MAX_DELIVERIES, Unsettled

AIO_PIKA = "amq_0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    "names, name, template",
    [
        (("orders", "new.chair"), "orders:new.chair", None),
        (("orders", ""), "orders", None),
        (("", "chairs"), "chairs", None),
        (("", ""), "amq.default", None),
        (("orders", "new.chair", "chairs"), "orders:new.chair:chairs", None),
        (("orders", "chairs", "chairs"), "orders:chairs", None),
        (("", "chairs", "chairs"), "chairs", None),
        (("", "", "chairs"), "chairs", None),
        (("amq.topic", "new"), "amq.topic:new", None),
        (("amq_mine", "new"), "amq_mine:new", None),
        (("logs", "", "amq.gen-5x"), "logs:amq.gen-5x", "logs:amq.gen"),
        (("", "amq.rabbitmq.reply-to.g1"), "amq.rabbitmq.reply-to.g1", "amq.rabbitmq.reply-to"),
        (("", AIO_PIKA, AIO_PIKA), AIO_PIKA, "amq"),
    ],
)
def test_destinations(names: tuple[str, ...], name: str, template: str | None) -> None:
    assert destination_of(*names) == Destination(name, template=template, anonymous=template is not None)


def size_of(headers: dict[str, Any]) -> int:
    return len(json.dumps(headers))


@pytest.mark.parametrize(
    "room, kept, left_out",
    [
        (0, ["baggage", "traceparent", "tracestate"], 0),  # without a limit
        (9000, ["baggage", "traceparent", "tracestate"], 0),
        (8300, ["traceparent", "tracestate"], 1),
        (5300, ["traceparent"], 2),
        (5030, [], 3),
        (100, [], 3),
    ],
)
def test_fields_that_fit(room: int, kept: list[str], left_out: int, counted: Callable[[], dict[str, int]]) -> None:
    given = {"mine": "x" * 5000, "tracestate": "of the sender before"}
    fields = {"traceparent": "p" * 55, "tracestate": "s" * 3000, "baggage": "b" * 500}
    made = fitted(given, {**given, **fields}, room + 22 if room else 0, size_of)
    if kept:
        assert made == {"mine": given["mine"], **{name: fields[name] for name in kept}}
    else:
        assert made is given
    assert counted() == ({"fields_left_out": left_out} if left_out else {})


def test_what_is_short_is_not_encoded() -> None:
    headers = {"a": "x" * 1000, "b": 1, "c": None, "d": b"x", "e": 1.5, "f": True}
    assert fitted(None, headers, 131_072, lambda headers: pytest.fail("encoded")) is headers


def test_unsettled_deliveries() -> None:
    def delivery(tag: int | None) -> Delivery:
        return Delivery("", "q", "q", tag, None, None, None)

    unsettled = Unsettled()
    for tag in (1, 2, 3, 4, 5, None):
        unsettled.add(delivery(tag))
    assert unsettled.take(2, False) == [delivery(2)]
    assert unsettled.take(2, False) == []
    assert unsettled.take(3, True) == [delivery(1), delivery(3)]
    assert unsettled.take(0, True) == [delivery(4), delivery(5)]
    for tag in range(MAX_DELIVERIES + 10):
        unsettled.add(delivery(tag))
    assert len(unsettled.take(0, True)) == MAX_DELIVERIES


def test_a_delegate_is_like_what_it_wraps() -> None:
    class Front(Delegate):
        __slots__ = ()

    wrapped = Destination("a")
    front = Front(wrapped, None)
    assert isinstance(front, Destination) and front.name == "a"
    assert front == wrapped and wrapped == unwrapped(front) and hash(front) == hash(wrapped)
    for copied in (copy.copy(front), copy.deepcopy(front), pickle.loads(pickle.dumps(front))):
        assert type(copied) is Destination and copied == wrapped
    assert str(front) == str(wrapped) and "Front" in repr(front) and "name" in dir(front)
    assert not hasattr(Front.__new__(Front), "name")
