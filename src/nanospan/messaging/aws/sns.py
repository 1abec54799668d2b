"""SNS: `wrap_client` for boto3's client.

A queue of SQS gets the attributes of a notification as its own where the subscription has raw delivery, and else in the
body, where nanospan's wrapper of SQS reads them too.
"""

from __future__ import annotations

from typing import Any, Unpack

from nanospan.messaging._carriers.counts import log_failure
from nanospan.messaging._clients.delegate import Delegate
from nanospan.messaging._clients.options import ClientOptions, check_client, described
from nanospan.messaging._spans.messaging import Messaging, check_choice
from nanospan.messaging._spans.sending import CREATIONS, Creation
from nanospan.messaging.aws._requests import (
    entries_of,
    fail_for_entries,
    last_part,
    request_of,
    send_batch,
    send_or_without,
    server_of,
)

__all__ = ["TracedClient", "wrap_client"]

TOPIC_ARN = "aws.sns.topic.arn"
_ENTRIES = "PublishBatchRequestEntries"


class _Tracing:
    __slots__ = ("batch_creation", "messaging")

    def __init__(self, messaging: Messaging, batch_creation: Creation) -> None:
        self.messaging = messaging
        self.batch_creation = batch_creation


def _topic(kwargs: dict[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """The name of a topic or endpoint, and the attributes with its ARN. A telephone number is not named."""
    arn = kwargs.get("TopicArn") or kwargs.get("TargetArn")
    name = last_part(arn, ":")
    return name, {} if name is None else {TOPIC_ARN: arn}


class TracedClient(Delegate):
    """A client of SNS with spans for what it publishes."""

    __slots__ = ()

    def publish(self, *args: Any, **kwargs: Any) -> Any:
        topic, attributes = _topic(kwargs)
        given = kwargs.get("MessageAttributes")
        with self._nanospan.messaging.send(topic, given, operation="publish", attributes=attributes) as sending:
            made = kwargs
            if "PhoneNumber" not in kwargs and sending.headers and sending.headers is not given:
                made = {**kwargs, "MessageAttributes": sending.headers}
            answer = send_or_without(self.__wrapped__.publish, args, made, kwargs)
            sending.sent(message_id=answer.get("MessageId"), attributes=request_of(answer))
            return answer

    def publish_batch(self, *args: Any, **kwargs: Any) -> Any:
        entries = entries_of(kwargs, _ENTRIES)
        if entries is None:
            return self.__wrapped__.publish_batch(*args, **kwargs)
        tracing = self._nanospan
        topic, attributes = _topic(kwargs)
        headers_of = [entry.get("MessageAttributes") for entry in entries]
        sending = tracing.messaging.send_batch(
            topic, headers_of, operation="publish", creation=tracing.batch_creation, attributes=attributes
        )
        with sending:
            try:
                made = [
                    {**entry, "MessageAttributes": headers} if headers else entry
                    for entry, headers in zip(entries, sending.headers_of, strict=True)
                ]
            except Exception:
                log_failure("the attributes of a batch")
                made = entries
            answer = send_batch(self.__wrapped__.publish_batch, args, {**kwargs, _ENTRIES: made}, kwargs, _ENTRIES)
            sending.sent(attributes=request_of(answer))
            fail_for_entries(sending, answer)
            return answer


def wrap_client(client: Any, *, batch_creation: Creation = "create", **options: Unpack[ClientOptions]) -> TracedClient:
    """The client with spans for what it publishes.

    Args:
        client: What ``boto3.client("sns")`` returns.
        batch_creation: How the messages of `publish_batch` get a context: see `Messaging.send_batch`.
        options: See `ClientOptions`.

    Raises:
        TypeError, ValueError: for a wrong argument, by name.
    """
    check_client("client", client, ("publish", "publish_batch"), 'a boto3.client("sns")')
    check_choice("batch_creation", batch_creation, CREATIONS)
    return TracedClient(client, _Tracing(described("aws.sns", options, server_of(client)), batch_creation))
