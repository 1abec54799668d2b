"""aio-pika: `wrap_channel`, whose exchanges and queues are then wrapped too; or `wrap_exchange` and `wrap_queue` alone.

::

    channel = wrap_channel(await connection.channel())
    queue = await channel.declare_queue("orders")
    await channel.default_exchange.publish(Message(b"..."), "orders")

    async with queue.iterator() as messages:
        async for message in messages:
            async with message.process():  # the CONSUMER span
                handle(message.body)
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterable
from typing import Any, Unpack

from nanospan.messaging._clients.delegate import Delegate
from nanospan.messaging._clients.options import check_client
from nanospan.messaging._spans.client import Relation
from nanospan.messaging._spans.consuming import Processing
from nanospan.messaging.amqp._aio_pika_messages import TracedIncoming, delivery_of, with_headers
from nanospan.messaging.amqp._options import Options, Server, tracing_of
from nanospan.messaging.amqp._tracing import Tracing

__all__ = ["TracedChannel", "TracedExchange", "TracedIterator", "TracedQueue", "wrap_channel", "wrap_exchange", "wrap_queue"]


class TracedExchange(Delegate):
    """An exchange each of whose messages carries its publish span's context."""

    __slots__ = ()

    _nanospan: Tracing

    async def publish(self, message: Any, routing_key: Any, *args: Any, **kwargs: Any) -> Any:
        headers = getattr(message, "headers", None)
        with self._nanospan.send(self.__wrapped__.name, routing_key, message, headers) as sending:
            message = with_headers(message, headers, sending.headers, self.__wrapped__)
            return await self.__wrapped__.publish(message, routing_key, *args, **kwargs)


class TracedIterator(Delegate):
    """An iterator of a queue. A receive span has ended when a message is handed over; nothing stays current."""

    __slots__ = ()

    _nanospan: tuple[Tracing, str]

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Any:
        tracing, queue = self._nanospan
        receiving = tracing.receive(queue, empty=False)
        receiving.__enter__()
        try:
            message = await self.__wrapped__.__anext__()
        except (StopAsyncIteration, TimeoutError, asyncio.CancelledError):
            receiving.__exit__(None, None, None)  # nothing came, and nothing failed: no span
            raise
        except BaseException as error:
            receiving.__exit__(type(error), error, error.__traceback__)
            raise
        tracing.received(receiving, delivery_of(message, queue))
        receiving.__exit__(None, None, None)
        return TracedIncoming(message, (tracing, queue, True))


class TracedQueue(Delegate):
    """A queue whose callbacks, gets and iterations have spans, and `process` for the handlers of several messages."""

    __slots__ = ()

    _nanospan: Tracing

    def process(self, messages: Any, *, relation: Relation | None = None) -> Processing:
        """A context manager around the handler of one message, or of an iterable of them, which does not settle them.

        ``message.process()`` is that of aio-pika; that of a message that came from a get or an iteration makes a span of
        its own.
        """
        queue = self.__wrapped__.name
        # A message is an iterable too, of its bytes.
        if isinstance(messages, Iterable) and not hasattr(messages, "delivery_tag"):
            return self._nanospan.process_batch(
                [found for message in messages if (found := delivery_of(message, queue)) is not None]
            )
        return self._nanospan.process(delivery_of(messages, queue), relation=relation)

    async def consume(self, callback: Any, *args: Any, **kwargs: Any) -> Any:
        if not callable(callback):
            return await self.__wrapped__.consume(callback, *args, **kwargs)
        tracing, queue = self._nanospan, self.__wrapped__

        async def handle(message: Any) -> Any:
            with tracing.process(delivery_of(message, queue.name), push=True):
                result = callback(TracedIncoming(message, (tracing, queue.name, False)) if tracing.settles else message)
                return await result if inspect.isawaitable(result) else result

        return await queue.consume(handle, *args, **kwargs)

    async def get(self, *args: Any, **kwargs: Any) -> Any:
        tracing, queue = self._nanospan, self.__wrapped__
        receiving = tracing.receive(queue.name)
        receiving.__enter__()
        try:
            message = await queue.get(*args, **kwargs)
        except BaseException as error:
            if type(error).__name__ == "QueueEmpty" or isinstance(error, asyncio.CancelledError):
                receiving.__exit__(None, None, None)
            else:
                receiving.__exit__(type(error), error, error.__traceback__)
            raise
        tracing.received(receiving, delivery_of(message, queue.name))
        receiving.__exit__(None, None, None)
        return None if message is None else TracedIncoming(message, (tracing, queue.name, True))

    def iterator(self, **kwargs: Any) -> Any:
        return TracedIterator(self.__wrapped__.iterator(**kwargs), (self._nanospan, self.__wrapped__.name))

    def __aiter__(self) -> Any:
        return self.iterator()


class TracedChannel(Delegate):
    """A channel whose exchanges and queues are traced."""

    __slots__ = ()

    _nanospan: Tracing

    def __await__(self) -> Any:
        yield from self.__wrapped__.__await__()
        return self

    @property
    def default_exchange(self) -> Any:
        return TracedExchange(self.__wrapped__.default_exchange, self._nanospan)

    async def declare_exchange(self, *args: Any, **kwargs: Any) -> Any:
        return TracedExchange(await self.__wrapped__.declare_exchange(*args, **kwargs), self._nanospan)

    async def get_exchange(self, *args: Any, **kwargs: Any) -> Any:
        return TracedExchange(await self.__wrapped__.get_exchange(*args, **kwargs), self._nanospan)

    async def declare_queue(self, *args: Any, **kwargs: Any) -> Any:
        return TracedQueue(await self.__wrapped__.declare_queue(*args, **kwargs), self._nanospan)

    async def get_queue(self, *args: Any, **kwargs: Any) -> Any:
        return TracedQueue(await self.__wrapped__.get_queue(*args, **kwargs), self._nanospan)


def _server_of(channel: Any) -> Server:
    url = channel._connection.url
    return url.host, url.port


def wrap_channel(channel: Any, **options: Unpack[Options]) -> Any:
    """The channel, whose exchanges and queues make spans of what is sent and received through them.

    Raises:
        TypeError, ValueError: for a wrong argument, by name.
    """
    check_client("channel", channel, ("declare_exchange", "declare_queue", "get_queue"), "a channel of aio-pika")
    return TracedChannel(channel, tracing_of(options, lambda: _server_of(channel)))


def wrap_exchange(exchange: Any, **options: Unpack[Options]) -> Any:
    """The exchange, with spans of what is published through it.

    Raises:
        TypeError, ValueError: for a wrong argument, by name.
    """
    check_client("exchange", exchange, ("publish", "bind"), "an exchange of aio-pika")
    return TracedExchange(exchange, tracing_of(options, lambda: _server_of(exchange.channel)))


def wrap_queue(queue: Any, **options: Unpack[Options]) -> Any:
    """The queue, with spans of what is received from it.

    Raises:
        TypeError, ValueError: for a wrong argument, by name.
    """
    check_client("queue", queue, ("consume", "get", "iterator"), "a queue of aio-pika")
    return TracedQueue(queue, tracing_of(options, lambda: _server_of(queue.channel)))
