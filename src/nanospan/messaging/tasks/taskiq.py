"""taskiq: `instrument` a broker, by a middleware.

::

    broker = ListQueueBroker("redis://localhost")
    instrument(broker)

The context goes into the labels of the message. A task whose function is not ``async`` runs in its span too, in a thread;
not so with a worker of processes (``--use-process-pool``), to which taskiq passes no context.

Middleware is not told of a message that the broker refuses: ``kick`` of the broker is wrapped for that.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Unpack
from weakref import finalize

from opentelemetry.trace import use_span
from taskiq import AsyncBroker, TaskiqMessage, TaskiqMiddleware

from nanospan._common.arguments import safe_repr
from nanospan.messaging._carriers.counts import log_failure
from nanospan.messaging._spans.consuming import Processing
from nanospan.messaging._spans.scope import detach_quietly
from nanospan.messaging._spans.sending import Sending
from nanospan.messaging.tasks._tracing import Broker, TaskOptions, TaskTracing, end, guarded

__all__ = ["TracingMiddleware", "instrument"]

_SYSTEMS = {"aio_pika": "rabbitmq", "taskiq_aio_pika": "rabbitmq", "taskiq_nats": "nats", "taskiq_aio_kafka": "kafka"}
"""`messaging.system` by the package of the broker."""


def _broker_of(broker: AsyncBroker) -> Broker:
    package = type(broker).__module__.partition(".")[0]
    if package == "taskiq_redis":
        pool = getattr(broker, "connection_pool", None)
        settings = getattr(pool, "connection_kwargs", None) or {}
        host, port = settings.get("host"), settings.get("port")
        return Broker("redis", host or None, port if host and isinstance(port, int) else None)
    if package == "taskiq":
        return Broker(type(broker).__name__.removesuffix("Broker").lower())  # of one process, such as InMemoryBroker
    return Broker(_SYSTEMS.get(package, package.removeprefix("taskiq_")))


def _queue_of(broker: AsyncBroker, message: TaskiqMessage | None = None) -> str | None:
    named = message.labels.get("queue_name") if message is not None else None
    queue = named or getattr(broker, "queue_name", None)
    return queue if isinstance(queue, str) else None


class _Kicking:
    """The span of a message on its way from the middleware to ``kick``."""

    __slots__ = ("__weakref__", "sending")

    def __init__(self, sending: Sending) -> None:
        self.sending: Sending | None = sending

    def end(self, error: BaseException | str | None) -> None:
        sending, self.sending = self.sending, None
        if sending is not None:
            if error is not None:
                sending.failed(error)
            sending.__exit__(None, None, None)


_kicking: ContextVar[_Kicking | None] = ContextVar("nanospan_taskiq_kicking", default=None)


class TracingMiddleware(TaskiqMiddleware):  # type: ignore[misc]
    """The middleware that `instrument` adds. `undo` removes it."""

    def __init__(self, broker: AsyncBroker, options: Mapping[str, Any]) -> None:
        super().__init__()
        self._tracing = TaskTracing("taskiq.task_name", lambda: _broker_of(broker), options)
        self._running: dict[int, Processing] = {}  # by the identity of the message, which lives as long
        self._traced = broker
        self._wrapper: Callable[..., Any] | None = None

    def _connect(self) -> None:
        self._traced.add_middlewares(self)
        self._wrapper = self._traced.kick = self._wrapped(self._traced.kick)

    def undo(self) -> None:
        """Make no more spans."""
        if self._wrapper is None:
            return
        if vars(self._traced).get("kick") is self._wrapper:
            del self._traced.kick
        self._wrapper = None  # one that others have wrapped in turn passes calls on
        self._traced.middlewares[:] = [middleware for middleware in self._traced.middlewares if middleware is not self]

    def _wrapped(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def kick(*args: Any, **kwargs: Any) -> Any:
            kicking = _kicking.get()
            if kicking is None or kicking.sending is None:
                return await original(*args, **kwargs)
            _kicking.set(None)
            error: BaseException | None = None
            try:
                with use_span(kicking.sending.span, record_exception=False, set_status_on_exception=False):
                    return await original(*args, **kwargs)
            except BaseException as raised:
                error = raised
                raise
            finally:
                kicking.end(error)

        return kick

    # --- hooks ---

    def pre_send(self, message: TaskiqMessage) -> TaskiqMessage:
        self._begin(message)
        return message

    @guarded
    def _begin(self, message: TaskiqMessage) -> None:
        retries = message.labels.get("_retries")
        sending = self._tracing.send(
            _queue_of(self._traced, message),
            message.task_name,
            message.labels,
            message_id=message.task_id,
            more={"taskiq.retries": int(retries) if retries else None},
        )
        # Current inside `kick` alone: what comes before may fail without a word to the middleware.
        if sending._token is not None:
            detach_quietly(sending._token)
            sending._token = None
        message.labels = sending.headers
        kicking = _Kicking(sending)
        _kicking.set(kicking)
        finalize(message, kicking.end, "taskiq.exceptions.SendTaskError").atexit = False

    def pre_execute(self, message: TaskiqMessage) -> TaskiqMessage:
        self._start(message)
        return message

    @guarded
    def _start(self, message: TaskiqMessage) -> None:
        retries = message.labels.get("_retries")
        self._running[id(message)] = processing = self._tracing.process(
            _queue_of(self._traced, message),
            message.task_name,
            message.labels,
            message_id=message.task_id,
            more={"taskiq.retries": int(retries) if retries else None},
        )
        # A later middleware may make another message of it, or fail: the span then ends with this one.
        finalize(message, self._drop, id(message), processing).atexit = False

    @guarded
    def _drop(self, key: int, processing: Processing) -> None:
        if self._running.get(key) is processing:
            del self._running[key]
            end(processing)

    @guarded
    def on_error(self, message: TaskiqMessage, result: Any, exception: BaseException) -> None:
        processing = self._running.get(id(message))
        if processing is not None:
            processing.failed(exception)

    @guarded
    def post_execute(self, message: TaskiqMessage, result: Any) -> None:
        processing = self._running.pop(id(message), None)
        if processing is not None:
            end(processing)


def instrument(broker: AsyncBroker, **options: Unpack[TaskOptions]) -> TracingMiddleware:
    """Make the spans of a broker: where it is made, after its other middleware if possible.

    A second call for the same broker does nothing, and returns what the first did.

    Raises:
        TypeError: if ``broker`` is no broker, or an option is wrong, by name.
        ValueError: for a wrong option, by name.
    """
    if not isinstance(broker, AsyncBroker) or not inspect.iscoroutinefunction(broker.kick):
        raise TypeError(f"broker must be a broker of taskiq, not {safe_repr(broker)}")
    for middleware in broker.middlewares:
        if isinstance(middleware, TracingMiddleware):
            return middleware
    made = TracingMiddleware(broker, options)
    try:
        made._connect()
    except Exception:
        log_failure("the middleware of taskiq")
    return made
