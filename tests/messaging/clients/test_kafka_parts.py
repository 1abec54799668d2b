"""Parts of Kafka's wrappers that need neither a broker nor a client."""

from __future__ import annotations

from typing import Any

import pytest
from support.message_spans import Recorder

from nanospan.messaging import Messaging
from nanospan.messaging._clients.delegate import Delegate
from nanospan.messaging.kafka._options import described


@pytest.mark.parametrize(
    ("servers", "expected"),
    [
        ("host:19092", ("host", 19092)),
        ("host", ("host", 9092)),
        (["PLAINTEXT://host:1"], ("host", 1)),
        ("[::1]:5", ("::1", 5)),
        ("[::1]", ("::1", 9092)),
        ("a:1,b:2", (None, None)),
        (["a:1", "b:2"], (None, None)),
        ("host:port", (None, None)),
        ("", (None, None)),
        (None, (None, None)),
        (5, (None, None)),
    ],
)
def test_the_address_is_that_of_the_only_broker(servers: object, expected: tuple[str | None, int | None]) -> None:
    client = described({}, servers, b"id", "group")._client.client
    assert (client.server_address, client.server_port) == expected
    assert (client.client_id, client.consumer_group) == ("id", "group")
    assert described({"server_address": "mine"}, servers, None)._client.client.server_port is None


def test_a_poll_says_afterwards_where_its_messages_came_from(spans: Recorder) -> None:
    kafka = Messaging("kafka", tracer_provider=spans.provider, server_address="host", server_port=1)
    with kafka.receive(operation="poll") as receiving:
        receiving.received([], destination="orders")
    with kafka.receive(operation="poll"):
        pass
    first, second = spans.all()
    assert (first.name, first.attributes["messaging.destination.name"]) == ("poll orders", "orders")
    assert (second.name, "messaging.destination.name" in second.attributes) == ("poll host:1", False)


class Client:
    """With attributes that are set and deleted, and its own context manager."""

    def __init__(self) -> None:
        self.state = "new"

    def __enter__(self) -> Client:
        self.state = "entered"
        return self

    def __exit__(self, *error: Any) -> bool:
        self.state = "left"
        return True

    async def __aenter__(self) -> str:
        return "something else"


def test_a_delegate_is_as_the_object_behind_it() -> None:
    client = Client()
    delegate: Any = Delegate(client, None)
    assert isinstance(delegate, Client)
    assert set(dir(client)) <= set(dir(delegate))
    delegate.state = "set"
    assert client.state == "set"
    del delegate.state
    with pytest.raises(AttributeError, match="'Client' object has no attribute 'state'"):
        _ = delegate.state
    with delegate as entered:
        assert entered is delegate
        raise LookupError  # which it swallows
    assert client.state == "left"
    with pytest.raises(StopIteration) as ended:
        delegate.__aenter__().send(None)
    assert ended.value.value == "something else"
    with pytest.raises(AttributeError):
        _ = Delegate.__new__(Delegate).state
