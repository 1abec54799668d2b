"""pika: `wrap_channel` for a BlockingChannel, or for a Channel of an asynchronous connection.

Where callbacks handle the messages, each has its span. With ``consume`` and ``basic_get`` the application says what handles
them::

    for message in channel.consume("orders"):
        method, properties, body = message
        with channel.process(message, queue="orders"):
            handle(body)
        channel.basic_ack(method.delivery_tag)
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, Unpack

from nanospan._common.arguments import safe_repr
from nanospan.messaging._carriers.counts import log_failure
from nanospan.messaging._clients.delegate import Delegate
from nanospan.messaging._clients.options import check_client
from nanospan.messaging._spans.client import Relation
from nanospan.messaging._spans.consuming import Processing
from nanospan.messaging.amqp._options import Options, Server, tracing_of
from nanospan.messaging.amqp._room import fitted
from nanospan.messaging.amqp._tracing import Delivery, Tracing
from nanospan.messaging.amqp._unsettled import Unsettled

__all__ = ["TracedChannel", "wrap_channel"]

Message = tuple[Any, Any, Any]
"""Method, properties and body, as pika returns them."""


class TracedChannel(Delegate):
    """A channel whose publishes, deliveries and gets have spans, and `process` for the handlers."""

    __slots__ = ("_unsettled",)

    _nanospan: Tracing
    _unsettled: Unsettled

    def __init__(self, wrapped: Any, tracing: Tracing) -> None:
        super().__init__(wrapped, tracing)
        object.__setattr__(self, "_unsettled", Unsettled())

    def __int__(self) -> int:
        return int(self.__wrapped__)

    def process(self, message: Message | list[Message], *, queue: str = "", relation: Relation | None = None) -> Processing:
        """A context manager around the handler of one message (method, properties, body), or of a list of them.

        Args:
            queue: Where they came from, for the name of the span.
            relation: That of one message: see `Messaging.process`.

        Raises:
            TypeError: if ``message`` is neither.
        """
        for one in message if isinstance(message, list) else [message]:
            if not isinstance(one, tuple) or len(one) != 3:
                raise TypeError(f"message must be (method, properties, body), or a list of such, not {safe_repr(message)}")
        if isinstance(message, list):
            return self._nanospan.process_batch([found for one in message if (found := _delivery(queue, *one)) is not None])
        return self._nanospan.process(_delivery(queue, *message), relation=relation)

    def basic_publish(
        self, exchange: Any, routing_key: Any, body: Any, properties: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        headers = getattr(properties, "headers", None)
        with self._nanospan.send(exchange, routing_key, properties, headers) as sending:
            properties = _with_headers(properties, headers, sending.headers, self.__wrapped__)
            return self.__wrapped__.basic_publish(exchange, routing_key, body, properties, *args, **kwargs)

    def basic_consume(self, queue: Any, on_message_callback: Any, *args: Any, **kwargs: Any) -> Any:
        handler = self._handler(queue, on_message_callback)
        return self.__wrapped__.basic_consume(queue, handler, *args, **kwargs)

    def basic_get(self, queue: Any, *args: Any, **kwargs: Any) -> Any:
        if args and callable(args[0]):  # of an asynchronous connection
            return self.__wrapped__.basic_get(queue, self._handler(queue, args[0]), *args[1:], **kwargs)
        if "callback" in kwargs:
            kwargs["callback"] = self._handler(queue, kwargs["callback"])
            return self.__wrapped__.basic_get(queue, *args, **kwargs)
        with self._nanospan.receive(queue) as receiving:
            message = self.__wrapped__.basic_get(queue, *args, **kwargs)
            self._nanospan.received(receiving, self._delivered(queue, *message))
            return message

    def consume(self, queue: Any, *args: Any, **kwargs: Any) -> Iterator[Message]:
        messages = self.__wrapped__.consume(queue, *args, **kwargs)
        try:
            while True:
                receiving = self._nanospan.receive(queue, empty=False)
                with receiving:
                    message = next(messages, None)
                    if message is not None:
                        self._nanospan.received(receiving, self._delivered(queue, *message))
                if message is None:
                    return
                yield message
        finally:
            messages.close()

    def basic_ack(self, delivery_tag: int = 0, *args: Any, **kwargs: Any) -> Any:
        return self._settled("ack", self.__wrapped__.basic_ack, delivery_tag, args, kwargs)

    def basic_nack(self, delivery_tag: int = 0, *args: Any, **kwargs: Any) -> Any:
        return self._settled("nack", self.__wrapped__.basic_nack, delivery_tag, args, kwargs)

    def basic_reject(self, delivery_tag: int = 0, *args: Any, **kwargs: Any) -> Any:
        return self._settled("reject", self.__wrapped__.basic_reject, delivery_tag, args, kwargs)

    def _settled(
        self, operation: str, method: Callable[..., Any], tag: int, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if not self._nanospan.settles:
            return method(tag, *args, **kwargs)
        multiple = kwargs.get("multiple", bool(args) and operation != "reject" and args[0])
        with self._nanospan.settle(operation, tag, self._settled_by(tag, multiple), multiple):
            return method(tag, *args, **kwargs)

    def _settled_by(self, tag: int, multiple: bool) -> list[Delivery]:
        try:
            return self._unsettled.take(tag, multiple)
        except Exception:
            log_failure("the messages of a settlement")
            return []

    def _delivered(self, queue: Any, method: Any, properties: Any, body: Any) -> Delivery | None:
        """What spans say of a message that is handed over now; None if it is none. Never raises."""
        delivery = _delivery(queue, method, properties, body)
        try:
            if delivery is not None and self._nanospan.settles:
                self._unsettled.add(delivery)
        except Exception:
            log_failure("the properties of a message")
        return delivery

    def _handler(self, queue: Any, callback: Any) -> Any:
        """What calls ``callback`` in a span; ``callback`` itself if it is none, of which pika complains."""
        if not callable(callback):
            return callback

        def handle(channel: Any, method: Any, properties: Any, body: Any) -> Any:
            with self._nanospan.process(self._delivered(queue, method, properties, body), push=True):
                return callback(self if channel is self.__wrapped__ else channel, method, properties, body)

        return handle


def _delivery(queue: Any, method: Any, properties: Any, body: Any) -> Delivery | None:
    """What spans say of a message; None if it is none, as from an empty queue. Never raises."""
    if method is None:
        return None
    try:
        return Delivery(
            method.exchange or "",
            method.routing_key or "",
            queue if isinstance(queue, str) else "",
            method.delivery_tag,
            properties.message_id,
            properties.correlation_id,
            properties.headers,
        )
    except Exception:
        log_failure("the properties of a message")
        return None


def _with_headers(properties: Any, given: Any, headers: Any, channel: Any) -> Any:
    """A copy of ``properties`` with ``headers``; what was given if they are no others. Never raises."""
    if headers is given or (given is None and not headers):
        return properties
    try:
        made = import_module("pika").BasicProperties() if properties is None else copy.copy(properties)

        def size_of(headers: Any) -> int:
            made.headers = headers
            return sum(map(len, made.encode()))

        headers = fitted(given, headers, _parameters(channel).frame_max, size_of)
        if headers is given:
            return properties
        made.headers = headers
        return made
    except Exception:
        log_failure("the copy of a message's properties")
        return properties


def _parameters(channel: Any) -> Any:
    """Those of the channel's connection, as both sides have agreed on them."""
    connection = channel.connection
    return getattr(connection, "_impl", connection).params  # _impl: that of a BlockingConnection


def wrap_channel(channel: Any, **options: Unpack[Options]) -> Any:
    """The channel, with spans of what is sent and received through it.

    Raises:
        TypeError, ValueError: for a wrong argument, by name.
    """
    check_client("channel", channel, ("basic_publish", "basic_consume", "basic_get", "basic_ack"), "a channel of pika")

    def server() -> Server:
        parameters = _parameters(channel)
        return parameters.host, parameters.port

    return TracedChannel(channel, tracing_of(options, server))
