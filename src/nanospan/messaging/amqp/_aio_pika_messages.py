"""Messages of aio-pika on their way out, with other headers, and on their way in, with spans of their handlers."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from nanospan.messaging._carriers.counts import log_failure
from nanospan.messaging._clients.delegate import Delegate
from nanospan.messaging._spans.consuming import Processing
from nanospan.messaging.amqp._room import DEFAULT_FRAME_MAX, fitted
from nanospan.messaging.amqp._tracing import Delivery, Tracing

__all__ = ["TracedIncoming", "TracedOutgoing", "delivery_of", "with_headers"]


def delivery_of(message: Any, queue: str) -> Delivery | None:
    """What spans say of a message; None if it is none. Never raises."""
    if message is None:
        return None
    try:
        return Delivery(
            message.exchange or "",
            message.routing_key or "",
            queue,
            message.delivery_tag,
            message.message_id,
            message.correlation_id,
            message.headers,
        )
    except Exception:
        log_failure("the properties of a message")
        return None


class _Message(Delegate):
    __slots__ = ()

    def __iter__(self) -> Iterator[int]:
        return iter(self.__wrapped__)


class TracedOutgoing(_Message):
    """A message that is sent with other headers than its own, which stay as they are."""

    __slots__ = ()

    @property
    def headers(self) -> Any:
        return self._nanospan

    @property
    def properties(self) -> Any:
        properties = self.__wrapped__.properties
        try:
            return _copied(properties, self._nanospan)
        except Exception:
            log_failure("the copy of a message's properties")
            return properties


def _copied(properties: Any, headers: Any) -> Any:
    made = copy.copy(properties)
    made.headers = headers
    return made


def with_headers(message: Any, given: Any, headers: Any, exchange: Any) -> Any:
    """What to publish for ``message`` with ``headers``; the message itself if they are no others. Never raises."""
    if headers is given or (given is None and not headers):
        return message
    try:
        headers = fitted(
            given, headers, _frame_max(exchange), lambda headers: len(_copied(message.properties, headers).marshal())
        )
        return message if headers is given else TracedOutgoing(message, headers)
    except Exception:
        log_failure("the copy of a message's headers")
        return message


def _frame_max(exchange: Any) -> int:
    try:
        frame_max: int = exchange.channel.channel.connection.connection_tune.frame_max
        return frame_max
    except Exception:  # not connected now: aio-pika waits, or complains
        return DEFAULT_FRAME_MAX


class TracedIncoming(_Message):
    """A message that was received. Its `process` has a span if it has none yet, and its settlement one if it is to."""

    __slots__ = ()

    _nanospan: tuple[Tracing, str, bool]

    def process(self, *args: Any, **kwargs: Any) -> Any:
        context = self.__wrapped__.process(*args, **kwargs)
        tracing, queue, unhandled = self._nanospan
        if tracing.settles and getattr(context, "message", None) is self.__wrapped__:
            context.message = self  # whose ack and reject it calls
        if not unhandled:
            return context
        return TracedProcess(context, (self, tracing.process(delivery_of(self.__wrapped__, queue))))

    async def ack(self, *args: Any, **kwargs: Any) -> Any:
        return await self._settled("ack", args, kwargs)

    async def nack(self, *args: Any, **kwargs: Any) -> Any:
        return await self._settled("nack", args, kwargs)

    async def reject(self, *args: Any, **kwargs: Any) -> Any:
        return await self._settled("reject", args, kwargs)

    async def _settled(self, operation: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        tracing, queue, _ = self._nanospan
        message = self.__wrapped__
        method = getattr(message, operation)
        if not tracing.settles:
            return await method(*args, **kwargs)
        delivery = delivery_of(message, queue)
        # Others, which multiple=True settles too, are not known here.
        with tracing.settle(operation, message.delivery_tag, [] if delivery is None else [delivery], False):
            return await method(*args, **kwargs)


class TracedProcess(Delegate):
    """The context manager of a message's handler, in whose span the message is also settled."""

    __slots__ = ()

    _nanospan: tuple[TracedIncoming, Processing]

    async def __aenter__(self) -> Any:
        message, processing = self._nanospan
        processing.__enter__()
        try:
            entered = await self.__wrapped__.__aenter__()
        except BaseException as error:
            processing.__exit__(type(error), error, error.__traceback__)
            raise
        return message if entered is message.__wrapped__ else entered

    async def __aexit__(
        self, cls: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> Any:
        _, processing = self._nanospan
        try:
            suppressed = await self.__wrapped__.__aexit__(cls, error, traceback)
        except BaseException as failure:
            processing.__exit__(type(failure), failure, failure.__traceback__)
            raise
        processing.__exit__(cls, error, traceback)
        return suppressed
