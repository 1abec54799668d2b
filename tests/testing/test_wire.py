"""Headers in the form in which each broker delivers them, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from nanospan.testing import Traces, wire


@pytest.mark.parametrize(
    ("transport", "sent", "delivered"),
    [
        ("kafka", [("a", b"1"), ("a", "2")], (("a", b"1"), ("a", b"2"))),
        ("kafka", {"a": None}, (("a", None),)),
        ("kafka", None, ()),
        ("amqp", {"a": "1", "b": 2}, {"a": b"1", "b": 2}),
        ("sqs", {"a": {"DataType": "String", "StringValue": "1"}}, {"a": {"DataType": "String", "StringValue": "1"}}),
        ("nats", {"a": " 1 "}, {"a": "1"}),
        ("redis", {"a": "1"}, {b"a": b"1"}),
        ("pubsub", {"a": "1"}, {"a": "1"}),
        ("text", {"a": {"b": ["1"]}}, {"a": {"b": ["1"]}}),
    ],
)
def test_delivered(transport: Any, sent: Any, delivered: Any) -> None:
    found = wire(sent, transport)
    assert found == delivered
    assert found is not sent


@pytest.mark.parametrize(
    ("transport", "sent", "message"),
    [
        ("sqs", {str(number): {"StringValue": "1"} for number in range(11)}, "at most 10 attributes, not 11"),
        ("sns", {"a": {"DataType": "String", "StringValue": ""}}, r"headers\['a'\] must have a value"),
        ("pubsub", {"a": "x" * 1025}, r"headers\['a'\] must be at most 1024 bytes"),
        ("smtp", {}, "transport must be one of kafka, amqp,"),
    ],
)
def test_refused(transport: Any, sent: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wire(sent, transport)


def test_what_is_no_provider() -> None:
    with pytest.raises(TypeError, match="provider must be a TracerProvider of nanospan or the SDK, not object"):
        Traces(object())  # type: ignore[arg-type]
