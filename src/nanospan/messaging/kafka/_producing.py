"""`ProducerTracing`: the span of a send, from the arguments with which a client's method is called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nanospan.messaging._carriers.carrier import as_text
from nanospan.messaging._carriers.counts import log_failure
from nanospan.messaging._conventions.facts import Facts
from nanospan.messaging._spans.messaging import Messaging
from nanospan.messaging._spans.sending import Creation, Sending

__all__ = ["Call", "ProducerTracing", "attributes_of_key"]

KEY = "messaging.kafka.message.key"
TOMBSTONE = "messaging.kafka.message.tombstone"


def attributes_of_key(key: object, value: object) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    if (text := as_text(key)) is not None:
        attributes[KEY] = text
    if value is None and key is not None:
        attributes[TOMBSTONE] = True
    return attributes


class Call:
    """The arguments of one call that sends a message."""

    __slots__ = ("_args", "_at", "_kwargs", "headers")

    def __init__(self, at: Mapping[str, int], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self._at = at
        self._args = args
        self._kwargs = kwargs
        # Empty headers are as none: aiokafka takes an empty tuple, such as a record's, but no other one.
        given = self.get("headers")
        self.headers = None if isinstance(given, list | tuple | dict) and not given else given

    def get(self, name: str) -> Any:
        if name in self._kwargs:
            return self._kwargs[name]
        at = self._at.get(name, len(self._args))
        return self._args[at] if at < len(self._args) else None

    def into(self, method: Callable[..., Any], headers: Any) -> Any:
        """Call ``method`` with the same arguments but for the headers; with those too if ``headers`` are empty."""
        if headers is self.headers or headers == []:
            return method(*self._args, **self._kwargs)
        at = self._at.get("headers", len(self._args))
        if "headers" not in self._kwargs and at < len(self._args):
            return method(*self._args[:at], headers, *self._args[at + 1 :], **self._kwargs)
        return method(*self._args, **{**self._kwargs, "headers": headers})


class ProducerTracing:
    """What the wrapper of a producer knows.

    Args:
        messaging: The description of the client.
        method: The client's method that sends a message.
        parameters: Its parameters in their order, where it does not tell them itself.
        creation: See `Messaging.send`.
    """

    __slots__ = ("_at", "creation", "messaging")

    def __init__(
        self, messaging: Messaging, method: Callable[..., Any], parameters: Sequence[str], creation: Creation = "send"
    ) -> None:
        self.messaging = messaging
        self.creation = creation
        try:
            named = list(inspect.signature(method).parameters)
        except (TypeError, ValueError):  # a method in C
            named = []
        self._at = {name: index for index, name in enumerate(named if "headers" in named else parameters)}

    def call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
        return Call(self._at, args, kwargs)

    def send(self, call: Call) -> Sending:
        """The span of the call; use it as a context manager."""
        topic: str | None = None
        facts: Facts = {}
        try:
            given = call.get("topic")
            topic = given if isinstance(given, str) else None
            partition = call.get("partition")
            if isinstance(partition, int) and partition >= 0:
                facts["partition"] = partition
            facts["attributes"] = attributes_of_key(call.get("key"), call.get("value"))
        except Exception:
            log_failure("the arguments of a send")
        return self.messaging.send(topic, call.headers, creation=self.creation, **facts)
