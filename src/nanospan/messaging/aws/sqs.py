"""SQS: `wrap_client` for boto3's client, `wrap_queue` for its Queue resource."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, Unpack

from opentelemetry import propagate

from nanospan._common.arguments import check_bool, safe_repr
from nanospan.messaging._carriers.counts import log_failure
from nanospan.messaging._clients.delegate import Delegate
from nanospan.messaging._clients.options import ClientOptions, check_client, described
from nanospan.messaging._spans.client import Relation
from nanospan.messaging._spans.consuming import Processing, Receiving, Settling
from nanospan.messaging._spans.messaging import Messaging, check_choice
from nanospan.messaging._spans.sending import CREATIONS, Creation, Sending
from nanospan.messaging.aws._message import MESSAGE, TRACE_HEADER
from nanospan.messaging.aws._requests import (
    entries_of,
    fail_for_entries,
    last_part,
    request_of,
    send_batch,
    send_or_without,
    server_of,
)

__all__ = ["TracedClient", "wrap_client", "wrap_queue"]

QUEUE_URL = "aws.sqs.queue.url"
_EVERY = ("All", ".*")


class _Tracing:
    """What the wrapper of a client knows."""

    __slots__ = ("_empty_polls", "batch_creation", "messaging", "settle_spans")

    def __init__(self, messaging: Messaging, empty_polls: bool, settle_spans: bool, batch_creation: Creation) -> None:
        self.messaging = messaging
        self._empty_polls = empty_polls
        self.settle_spans = settle_spans
        self.batch_creation = batch_creation

    def send(self, kwargs: dict[str, Any]) -> Sending:
        queue, attributes = _queue(kwargs.get("QueueUrl"))
        return self.messaging.send(queue, kwargs, attributes=attributes)

    def receive(self, kwargs: dict[str, Any]) -> Receiving:
        queue, attributes = _queue(kwargs.get("QueueUrl"))
        return self.messaging.receive(queue, empty=self._empty_polls, attributes=attributes)

    def came(self, receiving: Receiving, answer: Any) -> None:
        try:
            messages = answer.get("Messages") or []
            if messages or self._empty_polls:
                receiving.received(**_facts_of_batch(messages), attributes=request_of(answer))
        except Exception:
            log_failure("the messages of a queue")

    def process(self, queue: Any, messages: Any, relation: Relation | None) -> Processing:
        try:
            name, attributes = _queue(queue)
            if isinstance(messages, list | tuple):
                facts = _facts_of_batch([_as_answered(message) for message in messages])
            else:
                message = _as_answered(messages)
                facts = {"headers": message, "message_id": message.get("MessageId")}
            return self.messaging.process(name, relation=relation, attributes=attributes, **facts)
        except Exception:
            log_failure("the messages of a handler")
            return self.messaging.process(relation=relation)

    def settle(self, kwargs: dict[str, Any]) -> Any:
        """A context manager around a deletion."""
        if not self.settle_spans:
            return nullcontext()
        try:
            queue, attributes = _queue(kwargs.get("QueueUrl"))
            entries = kwargs.get("Entries")
            headers_of = None if entries is None else [None] * len(entries)
            return self.messaging.settle(queue, operation="delete", headers_of=headers_of, attributes=attributes)
        except Exception:
            log_failure("the queue of a deletion")
            return self.messaging.settle(operation="delete")


def _settled(settling: Settling | None, answer: Any) -> Any:
    if settling is not None:
        settling.add(attributes=request_of(answer))
    return answer


def _queue(url: Any) -> tuple[str | None, dict[str, Any]]:
    """The name of a queue, and the attributes with its URL."""
    name = last_part(url, "/")
    return name, {} if name is None else {QUEUE_URL: url}


def _facts_of_batch(messages: list[Any]) -> dict[str, Any]:
    return {
        "headers_of": messages,
        "message_ids": [message.get("MessageId") for message in messages],
    }


def _as_answered(message: Any) -> Any:
    """A message of the resource API as the client's answer has it."""
    if isinstance(message, Mapping):
        return message
    return {
        "MessageId": message.message_id,
        "Body": message.body,
        "MessageAttributes": message.message_attributes,
        "Attributes": message.attributes,
    }


def _asking(kwargs: dict[str, Any]) -> dict[str, Any]:
    """A copy of the arguments that asks for the attributes with the context, where it does not ask for all."""
    made = dict(kwargs)
    asked = list(kwargs.get("MessageAttributeNames") or ())
    if not any(name in asked for name in _EVERY):
        made["MessageAttributeNames"] = asked + sorted(propagate.get_global_textmap().fields - set(asked))
    system = list(kwargs.get("MessageSystemAttributeNames") or ())
    if not any(name in (*system, *(kwargs.get("AttributeNames") or ())) for name in ("All", TRACE_HEADER)):
        made["MessageSystemAttributeNames"] = [*system, TRACE_HEADER]
    return made


class TracedClient(Delegate):
    """A client of SQS with spans for what it sends and receives, and `process` for the handlers."""

    __slots__ = ()

    def process(self, queue: Any, messages: Any, *, relation: Relation | None = None) -> Processing:
        """A context manager around the handler of one message, or of a list of them: a CONSUMER span.

        Args:
            queue: The queue's URL.
            messages: A message of `receive_message`, or of the resource API, or a list of them.
            relation: See `Messaging.process`.
        """
        processing: Processing = self._nanospan.process(queue, messages, relation)
        return processing

    def send_message(self, *args: Any, **kwargs: Any) -> Any:
        with self._nanospan.send(kwargs) as sending:
            answer = send_or_without(self.__wrapped__.send_message, args, sending.headers, kwargs)
            sending.sent(message_id=answer.get("MessageId"), attributes=request_of(answer))
            return answer

    def send_message_batch(self, *args: Any, **kwargs: Any) -> Any:
        entries = entries_of(kwargs, "Entries")
        if entries is None:
            return self.__wrapped__.send_message_batch(*args, **kwargs)
        tracing = self._nanospan
        queue, attributes = _queue(kwargs.get("QueueUrl"))
        sending = tracing.messaging.send_batch(queue, entries, creation=tracing.batch_creation, attributes=attributes)
        with sending:
            made = {**kwargs, "Entries": sending.headers_of}
            answer = send_batch(self.__wrapped__.send_message_batch, args, made, kwargs, "Entries")
            sending.sent(attributes=request_of(answer))
            fail_for_entries(sending, answer)
            return answer

    def receive_message(self, *args: Any, **kwargs: Any) -> Any:
        with self._nanospan.receive(kwargs) as receiving:
            try:
                made = _asking(kwargs)
            except Exception:
                log_failure("the attributes to ask for")
                made = kwargs
            answer = self.__wrapped__.receive_message(*args, **made)
            self._nanospan.came(receiving, answer)
            return answer

    def delete_message(self, *args: Any, **kwargs: Any) -> Any:
        with self._nanospan.settle(kwargs) as settling:
            return _settled(settling, self.__wrapped__.delete_message(*args, **kwargs))

    def delete_message_batch(self, *args: Any, **kwargs: Any) -> Any:
        with self._nanospan.settle(kwargs) as settling:
            return _settled(settling, self.__wrapped__.delete_message_batch(*args, **kwargs))


def wrap_client(
    client: Any,
    *,
    empty_polls: bool = False,
    settle_spans: bool = False,
    batch_creation: Creation = "create",
    **options: Unpack[ClientOptions],
) -> TracedClient:
    """The client with spans for what it sends to queues and receives from them.

    A received message has the attributes with the context beside those that were asked for.

    Args:
        client: What ``boto3.client("sqs")`` returns.
        empty_polls: Whether a `receive_message` that brings nothing makes a span.
        settle_spans: Whether a deletion makes a span; the conventions define none for SQS.
        batch_creation: How the messages of `send_message_batch` get a context: see `Messaging.send_batch`.
        options: See `ClientOptions`.

    Raises:
        TypeError, ValueError: for a wrong argument, by name.
    """
    check_client("client", client, ("send_message", "receive_message"), 'a boto3.client("sqs")')
    check_bool("empty_polls", empty_polls)
    check_bool("settle_spans", settle_spans)
    check_choice("batch_creation", batch_creation, CREATIONS)
    messaging = described("aws_sqs", options, server_of(client), carrier=MESSAGE)
    return TracedClient(client, _Tracing(messaging, empty_polls, settle_spans, batch_creation))


def wrap_queue(queue: Any, **options: Any) -> Any:
    """A Queue of the resource API like ``queue``, whose calls go through a wrapped client. Options as of `wrap_client`.

    ``queue.meta.client.process(queue.url, message)`` is the context manager around a handler.

    Raises:
        TypeError, ValueError: for a wrong argument, by name.
    """
    client = getattr(getattr(queue, "meta", None), "client", None)
    if client is None or not hasattr(queue, "url"):
        raise TypeError(f'queue must be a Queue of boto3.resource("sqs"), not {safe_repr(queue)}')
    return type(queue)(queue.url, client=wrap_client(client, **options))
