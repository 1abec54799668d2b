"""Dramatiq: `instrument` a broker, by a middleware.

::

    broker = RedisBroker(url="redis://localhost")
    instrument(broker)
    dramatiq.set_broker(broker)

The context goes into the options of the message. The middleware stands before the others, so that what these hand over, such
as retries and pipelines, belongs to the span of the message before. A message with a delay is sent once: its way from the
queue of delayed messages into its own makes no span and leaves its context.

Middleware is not told of a message that the broker refuses: ``enqueue`` of the broker is wrapped for that.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Unpack

from dramatiq import Broker as DramatiqBroker
from dramatiq import Middleware

from nanospan._common.arguments import safe_repr
from nanospan.messaging._carriers.counts import log_failure
from nanospan.messaging._spans.consuming import Processing
from nanospan.messaging._spans.sending import Sending
from nanospan.messaging.tasks._tracing import Broker, TaskOptions, TaskTracing, broker_of_redis, context_kept, end, guarded

__all__ = ["TracingMiddleware", "instrument"]


def _broker_of(broker: DramatiqBroker) -> Broker:
    module = type(broker).__module__
    if hasattr(broker, "scripts") and hasattr(broker, "client"):
        return broker_of_redis(broker.client)
    if hasattr(broker, "parameters"):
        parameters = broker.parameters if isinstance(broker.parameters, list) else [broker.parameters]
        if len(parameters) != 1 or isinstance(parameters[0], dict):
            return Broker("rabbitmq")
        return Broker("rabbitmq", parameters[0].host, parameters[0].port)
    return Broker(module.rpartition(".")[2])  # such as "stub"


class _Enqueueing:
    """One call of ``enqueue``, and the span that the middleware inside has begun."""

    __slots__ = ("sending",)

    def __init__(self) -> None:
        self.sending: Sending | None = None

    def end(self, error: BaseException | None) -> None:
        sending, self.sending = self.sending, None
        if sending is not None:
            end(sending, error)


_enqueueing: ContextVar[_Enqueueing | None] = ContextVar("nanospan_dramatiq_enqueueing", default=None)


class TracingMiddleware(Middleware):  # type: ignore[misc]
    """The middleware that `instrument` adds. `undo` removes it."""

    def __init__(self, broker: DramatiqBroker, options: Mapping[str, Any]) -> None:
        self._broker = broker
        self._tracing = TaskTracing("dramatiq.actor_name", lambda: _broker_of(broker), options)
        self._running: dict[int, Processing] = {}  # by the identity of the message, which lives as long
        self._delayed: set[str] = set()
        self._wrapper: Callable[..., Any] | None = None

    def _connect(self) -> None:
        self._broker.add_middleware(self)
        others = [middleware for middleware in self._broker.middleware if middleware is not self]
        self._broker.middleware[:] = [self, *others]
        self._wrapper = self._broker.enqueue = self._wrapped(self._broker.enqueue)

    def undo(self) -> None:
        """Make no more spans. Those of messages that run end only if none does."""
        if self._wrapper is None:
            return
        if vars(self._broker).get("enqueue") is self._wrapper:
            del self._broker.enqueue
        self._wrapper = None  # one that others have wrapped in turn passes calls on
        self._broker.middleware[:] = [middleware for middleware in self._broker.middleware if middleware is not self]
        for processing in list(self._running.values()):
            end(processing)
        self._running.clear()

    def _wrapped(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def enqueue(*args: Any, **kwargs: Any) -> Any:
            if self._wrapper is None:
                return original(*args, **kwargs)
            enqueueing = _Enqueueing()
            token = _enqueueing.set(enqueueing)
            try:
                with context_kept():
                    result = original(*args, **kwargs)
            except BaseException as error:
                enqueueing.end(error)
                raise
            finally:
                _enqueueing.reset(token)
                enqueueing.end(None)
            return result

        return enqueue

    # --- hooks ---

    @guarded
    def before_enqueue(self, broker: Any, message: Any, delay: int | None) -> None:
        enqueueing = _enqueueing.get()
        if delay is None and message.message_id in self._delayed:
            self._delayed.discard(message.message_id)
            return
        if enqueueing is None or enqueueing.sending is not None:
            return
        enqueueing.sending = sending = self._tracing.send(
            message.queue_name.removesuffix(".DQ") if delay is not None else message.queue_name,
            message.actor_name,
            message.options,
            message_id=message.message_id,
            more={"dramatiq.retries": message.options.get("retries") or None},
        )
        # Middleware writes into the message's options: there is no other way to the broker.
        for name in message.options.keys() - sending.headers.keys():
            del message.options[name]
        message.options.update(sending.headers)

    @guarded
    def after_enqueue(self, broker: Any, message: Any, delay: int | None) -> None:
        enqueueing = _enqueueing.get()
        if enqueueing is not None:
            enqueueing.end(None)

    @guarded
    def before_delay_message(self, broker: Any, message: Any) -> None:
        self._delayed.add(message.message_id)

    @guarded
    def before_process_message(self, broker: Any, message: Any) -> None:
        self._running[id(message)] = self._tracing.process(
            message.queue_name,
            message.actor_name,
            message.options,
            message_id=message.message_id,
            more={"dramatiq.retries": message.options.get("retries") or None},
        )

    @guarded
    def after_process_message(
        self, broker: Any, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        processing = self._running.pop(id(message), None)
        if processing is not None:
            if exception is not None:
                processing.failed(exception)
            end(processing)

    @guarded
    def after_skip_message(self, broker: Any, message: Any) -> None:
        processing = self._running.pop(id(message), None)
        if processing is not None:
            try:
                processing.span.set_attribute("dramatiq.skipped", True)
            finally:
                end(processing)


def instrument(broker: DramatiqBroker, **options: Unpack[TaskOptions]) -> TracingMiddleware:
    """Make the spans of a broker: where it is made, before other middleware if possible.

    A second call for the same broker does nothing, and returns what the first did.

    Raises:
        TypeError: if ``broker`` is no broker, or an option is wrong, by name.
        ValueError: for a wrong option, by name.
    """
    if not isinstance(broker, DramatiqBroker):
        raise TypeError(f"broker must be a broker of Dramatiq, not {safe_repr(broker)}")
    for middleware in broker.middleware:
        if isinstance(middleware, TracingMiddleware):
            return middleware
    made = TracingMiddleware(broker, options)
    try:
        made._connect()
    except Exception:
        log_failure("the middleware of Dramatiq")
    return made
