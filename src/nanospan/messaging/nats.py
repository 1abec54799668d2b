"""nats-py: `wrap_client` for a connection, with its subscriptions, requests and JetStream.

::

    import nats
    from nanospan.messaging.nats import wrap_client

    client = wrap_client(await nats.connect())
    await client.publish("orders", b"...")

    async def handle(message): ...

    await client.subscribe("orders", cb=handle)  # a CONSUMER span around each call

    subscription = await client.jetstream().pull_subscribe("orders", durable="billing")
    for message in await subscription.fetch(100):
        with client.process(message):
            await message.ack()

The wrapper has the methods of the connection. What it adds:

- `publish`, and JetStream's, make a PRODUCER span, and put its context into the message's headers;
- `request` makes a PRODUCER span of type create for the message, and a CLIENT span until the reply is there;
- a callback runs in a CONSUMER span; `next_msg`, iteration and `fetch` make a CLIENT span for each message or batch, and
  ``process(messages)`` is a context manager around their handler;
- acknowledgements make a CLIENT span, but those that JetStream's `subscribe` sends itself.

A message that would be too large for the server with the context goes without.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Unpack

from opentelemetry import context as context_api
from opentelemetry.context import Context

from nanospan._common.arguments import check_bool
from nanospan.messaging._carriers.counts import log_failure
from nanospan.messaging._clients.delegate import Delegate
from nanospan.messaging._clients.nats import NatsTracing, Source, TracedMessage
from nanospan.messaging._clients.options import ClientOptions, check_client, described
from nanospan.messaging._spans.client import Relation
from nanospan.messaging._spans.consuming import Processing
from nanospan.messaging._spans.scope import detach_quietly

__all__ = ["TracedClient", "TracedJetStream", "TracedMessage", "TracedPullSubscription", "TracedSubscription", "wrap_client"]

_DEFAULT_PORT = 4222
_ROOM = 512
"""Bytes for the headers that JetStream's `publish` adds: the expected stream, and the time to live."""


class _Subscription(Delegate):
    """Subscriptions have `process` for the handlers of their messages."""

    __slots__ = ()

    def process(self, messages: Any, *, relation: Relation | None = None) -> Processing:
        """See `TracedClient.process`."""
        processing: Processing = self._nanospan[0].process(messages, relation)
        return processing

    async def _asked(self, operation: str, method: Any, args: Any, kwargs: Any) -> Any:
        tracing, source = self._nanospan
        with tracing.receive(source, operation) as receiving:
            try:
                messages = await method(*args, **kwargs)
            except (TimeoutError, StopAsyncIteration, asyncio.CancelledError):
                receiving.__exit__(None, None, None)  # an empty poll
                raise
            return tracing.came(receiving, messages, source)


class TracedSubscription(_Subscription):
    """A subscription whose messages have spans where it hands them over."""

    __slots__ = ()

    async def next_msg(self, *args: Any, **kwargs: Any) -> Any:
        return await self._asked("receive", self.__wrapped__.next_msg, args, kwargs)

    @property
    def messages(self) -> Any:
        return _Messages(self.__wrapped__.messages, self)


class TracedPullSubscription(_Subscription):
    """A subscription of JetStream whose batches have spans where it hands them over."""

    __slots__ = ()

    async def fetch(self, *args: Any, **kwargs: Any) -> Any:
        return await self._asked("fetch", self.__wrapped__.fetch, args, kwargs)


class _Messages(Delegate):
    """The iterator of a subscription."""

    __slots__ = ()

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Any:
        return await self._nanospan._asked("receive", self.__wrapped__.__anext__, (), {})


def _handler(callback: Any, tracing: NatsTracing, source: Source) -> Any:
    """The callback in a CONSUMER span; as it is if the client would refuse it."""
    if not inspect.iscoroutinefunction(callback) and not inspect.iscoroutinefunction(getattr(callback, "func", None)):
        return callback

    async def handle(message: Any) -> None:
        wrapped = tracing.wrapped(message, source)
        # The task of the subscription has the context in which it was made, whose span has long ended.
        with _empty_context(), tracing.process(wrapped, push=True):
            await callback(wrapped)

    return handle


@contextmanager
def _empty_context() -> Iterator[None]:
    token = None
    try:
        token = context_api.attach(Context())
    except Exception:
        log_failure("an empty context")
    try:
        yield
    finally:
        if token is not None:
            detach_quietly(token)


class TracedJetStream(Delegate):
    """A context of JetStream with spans for what it publishes, and for its subscriptions."""

    __slots__ = ()

    async def publish(self, subject: Any, payload: bytes = b"", *args: Any, **kwargs: Any) -> Any:
        tracing = self._nanospan
        args, kwargs, headers = _taken(args, kwargs, 2)
        with tracing.send(subject, headers) as sending:
            kwargs["headers"] = tracing.to_send(sending, headers, payload, _ROOM)
            answer = await self.__wrapped__.publish(subject, payload, *args, **kwargs)
            sending.sent(message_id=getattr(answer, "seq", None))
            return answer

    async def publish_async(self, subject: Any, payload: bytes = b"", *args: Any, **kwargs: Any) -> Any:
        tracing = self._nanospan
        args, kwargs, headers = _taken(args, kwargs, 2)
        with tracing.send(subject, headers) as sending:
            kwargs["headers"] = tracing.to_send(sending, headers, payload, _ROOM)
            return await self.__wrapped__.publish_async(subject, payload, *args, **kwargs)

    async def subscribe(self, subject: Any, queue: Any = None, cb: Any = None, *args: Any, **kwargs: Any) -> Any:
        source = Source(subject, queue or kwargs.get("durable") or (args[0] if args else None))
        if cb is not None:
            cb = _handler(cb, self._nanospan, source)
        made = await self.__wrapped__.subscribe(subject, queue, cb, *args, **kwargs)
        return TracedSubscription(made, (self._nanospan, source))

    async def subscribe_bind(
        self, stream: Any, config: Any, consumer: Any, cb: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        source = Source(getattr(config, "filter_subject", None), consumer)
        if cb is not None:
            cb = _handler(cb, self._nanospan, source)
        made = await self.__wrapped__.subscribe_bind(stream, config, consumer, cb, *args, **kwargs)
        return TracedSubscription(made, (self._nanospan, source))

    async def pull_subscribe(self, subject: Any, durable: Any = None, *args: Any, **kwargs: Any) -> Any:
        made = await self.__wrapped__.pull_subscribe(subject, durable, *args, **kwargs)
        return TracedPullSubscription(made, (self._nanospan, Source(subject, durable)))

    async def pull_subscribe_bind(self, *args: Any, **kwargs: Any) -> Any:
        made = await self.__wrapped__.pull_subscribe_bind(*args, **kwargs)
        return TracedPullSubscription(made, (self._nanospan, Source(None, getattr(made, "_consumer", None))))


def _taken(args: tuple[Any, ...], kwargs: dict[str, Any], position: int) -> tuple[tuple[Any, ...], dict[str, Any], Any]:
    """The arguments without the headers, which are among ``args`` at ``position`` or in ``kwargs``; and the headers.

    What stood behind the headers is refused by the client, as is what it does not know.
    """
    if len(args) > position and "headers" not in kwargs:
        names = ("msg_ttl",)
        behind = dict(zip(names, args[position + 1 :], strict=False))
        if not behind.keys() & kwargs.keys() and len(args) <= position + 1 + len(names):
            return args[:position], {**kwargs, **behind}, args[position]
    return args, dict(kwargs), kwargs.get("headers")


class TracedClient(Delegate):
    """A connection with spans for what it publishes and receives, and `process` for handlers."""

    __slots__ = ()

    def process(self, messages: Any, *, relation: Relation | None = None) -> Processing:
        """A context manager around the handler of one message, or of a list of them: a CONSUMER span.

        Do not use it in a callback of `subscribe`, which has such a span already.
        """
        processing: Processing = self._nanospan.process(messages, relation)
        return processing

    async def publish(self, subject: Any, payload: bytes = b"", reply: str = "", headers: Any = None) -> None:
        tracing = self._nanospan
        with tracing.send(subject, headers) as sending:
            made = tracing.to_send(sending, headers, payload)
            await self.__wrapped__.publish(subject, payload, reply, made)

    async def request(
        self, subject: Any, payload: bytes = b"", timeout: float = 0.5, old_style: bool = False, headers: Any = None
    ) -> Any:
        tracing = self._nanospan
        with tracing.send(subject, headers, "request", "create") as sending:
            made = headers if old_style else tracing.to_send(sending, headers, payload)
            reply = await self.__wrapped__.request(subject, payload, timeout, old_style, made)
            try:
                creation = tracing.messaging._client.creation(reply.headers)
                if creation.is_valid:
                    sending.span.add_link(creation)
            except Exception:
                log_failure("the link to a reply")
            return reply

    async def subscribe(self, subject: Any, queue: str = "", cb: Any = None, *args: Any, **kwargs: Any) -> Any:
        source = Source(subject, queue)
        if cb is not None:
            cb = _handler(cb, self._nanospan, source)
        made = await self.__wrapped__.subscribe(subject, queue, cb, *args, **kwargs)
        return TracedSubscription(made, (self._nanospan, source))

    def jetstream(self, **opts: Any) -> TracedJetStream:
        return TracedJetStream(self.__wrapped__.jetstream(**opts), self._nanospan)


def wrap_client(client: Any, *, empty_polls: bool = False, **options: Unpack[ClientOptions]) -> TracedClient:
    """The connection with spans for what it publishes and receives.

    Args:
        client: A nats.NATS; what it has subscribed to before stays as it is.
        empty_polls: Whether `next_msg` and `fetch` make a span if nothing comes.
        options: See `ClientOptions`.

    Raises:
        TypeError, ValueError: for a wrong argument, by name.
    """
    check_client("client", client, ("publish", "request", "subscribe", "jetstream"), "a nats.NATS")
    check_bool("empty_polls", empty_polls)

    def server() -> tuple[str | None, int | None]:
        url = getattr(client, "connected_url", None)
        return (None, None) if url is None else (url.hostname, url.port or _DEFAULT_PORT)

    return TracedClient(client, NatsTracing(described("nats", options, server), client, empty_polls))
