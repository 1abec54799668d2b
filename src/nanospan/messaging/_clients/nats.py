"""`NatsTracing`: what the spans of NATS's messages say, and messages whose acknowledgements and replies have spans."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nanospan.messaging._carriers.counts import count, log_failure
from nanospan.messaging._clients.delegate import Delegate
from nanospan.messaging._conventions.operation import Destination
from nanospan.messaging._conventions.vocabulary import DESTINATION_NAME
from nanospan.messaging._spans.client import Relation
from nanospan.messaging._spans.consuming import Processing, Receiving, Settling
from nanospan.messaging._spans.messaging import Messaging
from nanospan.messaging._spans.sending import Sending

__all__ = ["NatsTracing", "Source", "TracedMessage"]

_JETSTREAM_REPLY = "$JS.ACK."


class NatsTracing:
    """What the wrappers of one connection know."""

    __slots__ = ("_client", "_empty_polls", "messaging")

    def __init__(self, messaging: Messaging, client: Any, empty_polls: bool) -> None:
        self.messaging = messaging
        self._client = client
        self._empty_polls = empty_polls

    def destination(self, subject: Any, source: Source | None = None) -> Destination | None:
        if not isinstance(subject, str):
            return None
        template = source.pattern if source is not None and subject != source.pattern else None
        subscription = None if source is None else source.subscription
        return Destination(subject, template=template, temporary=self._is_inbox(subject), subscription=subscription)

    def _is_inbox(self, subject: str) -> bool:
        prefix = getattr(self._client, "_inbox_prefix", b"_INBOX")
        return subject.startswith(bytes(prefix).decode() + ".")

    def send(self, subject: Any, headers: Any, operation: str = "publish", creation: Any = "send") -> Sending:
        try:
            destination = self.destination(subject)
        except Exception:
            log_failure("the subject of a message")
            destination = None
        return self.messaging.send(destination, headers, operation=operation, creation=creation)

    def to_send(self, sending: Sending, headers: Any, payload: Any, room: int = 0) -> Any:
        """The headers with the context; the given ones if the server would not take the message with it.

        ``room`` is the number of bytes that the client adds itself.
        """
        try:
            made = sending.headers
            if made is headers or not made:
                return headers
            if not getattr(self._client, "_server_info", {}).get("headers", True):
                count("fields_left_out")
                return headers
            if len(payload) + _size(made) + room > self._client.max_payload:
                count("fields_left_out")
                return headers
            return made
        except Exception:
            log_failure("the headers of a message")
            return headers

    def receive(self, source: Source, operation: str = "receive") -> Receiving:
        return self.messaging.receive(source.own(), operation=operation, empty=self._empty_polls)

    def came(self, receiving: Receiving, messages: Any, source: Source) -> Any:
        """Say what was returned, one message or a list of them, and wrap it. Never raises."""
        try:
            if isinstance(messages, list):
                receiving.received(destination=self._common(messages, source), **_facts_of_batch(messages))
            else:
                destination = self.destination(messages.subject, source)
                receiving.received(messages.headers, destination=destination, message_id=_id_of(messages))
        except Exception:
            log_failure("the messages of a subscription")
        return self.wrapped(messages, source)

    def wrapped(self, messages: Any, source: Source) -> Any:
        try:
            if isinstance(messages, list):
                return [TracedMessage(message, (self, source)) for message in messages]
            return TracedMessage(messages, (self, source))
        except Exception:
            log_failure("the wrapper of a message")
            return messages

    def process(self, messages: Any, relation: Relation | None = None, push: bool = False) -> Processing:
        try:
            if isinstance(messages, list | tuple):
                source = _source_of(messages[0]) if messages else None
                destination = self._common(messages, source)
                return self.messaging.process(destination, relation=relation, push=push, **_facts_of_batch(messages))
            return self.messaging.process(
                self.destination(messages.subject, _source_of(messages)),
                messages.headers,
                relation=relation,
                push=push,
                message_id=_id_of(messages),
            )
        except Exception:
            log_failure("the messages of a handler")
            return self.messaging.process(relation=relation, push=push)

    def settle(self, message: Any, operation: str) -> Settling:
        try:
            destination = self.destination(message.subject, _source_of(message))
            return self.messaging.settle(destination, message.headers, operation=operation, message_id=_id_of(message))
        except Exception:
            log_failure("the message of an acknowledgement")
            return self.messaging.settle(operation=operation)

    def _common(self, messages: Iterable[Any], source: Source | None) -> Destination | None:
        """The destination of a batch: its subject if it has one alone, else what was subscribed to."""
        subjects = {message.subject for message in messages}
        if len(subjects) == 1:
            return self.destination(subjects.pop(), source)
        return None if source is None else source.own()


class Source:
    """What a subscription was made for."""

    __slots__ = ("pattern", "subscription")

    def __init__(self, pattern: Any, subscription: Any) -> None:
        self.pattern: str | None = pattern if isinstance(pattern, str) and pattern else None
        self.subscription: str | None = subscription if isinstance(subscription, str) and subscription else None

    def own(self) -> Destination | None:
        """The destination where no message says more."""
        if self.pattern is None:
            return None
        is_pattern = "*" in self.pattern or ">" in self.pattern
        return Destination(
            None if is_pattern else self.pattern,
            template=self.pattern if is_pattern else None,
            subscription=self.subscription,
        )


def _source_of(message: Any) -> Source | None:
    return object.__getattribute__(message, "_nanospan")[1] if issubclass(type(message), TracedMessage) else None


def _id_of(message: Any) -> str | None:
    """The sequence number in JetStream's stream."""
    if not message.reply.startswith(_JETSTREAM_REPLY):
        return None
    return str(message.metadata.sequence.stream)


def _facts_of_batch(messages: Iterable[Any]) -> dict[str, Any]:
    messages = list(messages)
    one = len({message.subject for message in messages}) == 1
    return {
        "headers_of": [message.headers for message in messages],
        "message_ids": [_id_of(message) for message in messages],
        "attributes_of": None if one else [{DESTINATION_NAME: message.subject} for message in messages],
    }


def _size(headers: dict[str, str]) -> int:
    """Bytes in the protocol: a first line, a line for each header, and an empty line."""
    return len("NATS/1.0\r\n\r\n") + sum(len(f"{name}: {value}\r\n".encode()) for name, value in headers.items())


class TracedMessage(Delegate):
    """A message whose acknowledgements and reply have spans."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        is_wrapped = issubclass(type(other), TracedMessage)
        return bool(self.__wrapped__ == (object.__getattribute__(other, "__wrapped__") if is_wrapped else other))

    __hash__ = None  # type: ignore[assignment]  # as of the client's class

    async def respond(self, data: bytes) -> None:
        message = self.__wrapped__
        if not message.reply or not message._client:
            await message.respond(data)  # raises
            return
        tracing = self._nanospan[0]
        # nats-py sends the headers of the message back.
        with tracing.send(message.reply, message.headers) as sending:
            headers = tracing.to_send(sending, message.headers, data)
            await message._client.publish(message.reply, data, headers=headers)

    async def ack(self, *args: Any, **kwargs: Any) -> Any:
        return await self._settled("ack", args, kwargs)

    async def ack_sync(self, *args: Any, **kwargs: Any) -> Any:
        return await self._settled("ack_sync", args, kwargs)

    async def nak(self, *args: Any, **kwargs: Any) -> Any:
        return await self._settled("nak", args, kwargs)

    async def term(self, *args: Any, **kwargs: Any) -> Any:
        return await self._settled("term", args, kwargs)

    async def _settled(self, operation: str, args: Any, kwargs: Any) -> Any:
        with self._nanospan[0].settle(self, operation):
            return await getattr(self.__wrapped__, operation)(*args, **kwargs)
