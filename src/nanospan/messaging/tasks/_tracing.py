"""`TaskTracing`: what the modules of this package share. The description of the broker, and spans named by the task."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import Token
from typing import Any, Literal, NamedTuple, ParamSpec, TypedDict, cast

from opentelemetry import context as context_api
from opentelemetry.context import Context
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from nanospan.messaging._carriers import TEXT_MAP
from nanospan.messaging._carriers.counts import log_failure
from nanospan.messaging._carriers.propagation import Incoming
from nanospan.messaging._spans.client import Relation
from nanospan.messaging._spans.consuming import Processing
from nanospan.messaging._spans.messaging import Messaging, check_choice
from nanospan.messaging._spans.scope import OperationScope, detach_quietly
from nanospan.messaging._spans.sending import Sending

__all__ = ["Broker", "TaskOptions", "TaskTracing", "broker_of_redis", "context_kept", "end", "guarded"]

SpanNames = Literal["queue", "task"]


class TaskOptions(TypedDict, total=False):
    """Keywords of the functions of this package. None is as if it were not given."""

    tracer_provider: TracerProvider | None
    """The global one by default."""
    meter_provider: MeterProvider | None
    """No metrics by default."""
    system: str | None
    """`messaging.system`; by default that of the broker."""
    server_address: str | None
    """The broker's host; by default that of the application's settings."""
    server_port: int | None
    client_id: str | None
    consumer_group: str | None
    relation: Relation
    """See `Messaging`."""
    incoming: Incoming
    """See `Messaging`."""
    max_links: int | None
    """See `Messaging`."""
    span_names: SpanNames
    """What follows the operation in the name of a span: the "queue", as the conventions say, or the "task"."""


class Broker(NamedTuple):
    """Where messages go through."""

    system: str
    address: str | None = None
    port: int | None = None


def broker_of_redis(connection: Any) -> Broker:
    """The server of a client of redis-py; without a host for a socket or a sentinel. May raise."""
    settings = connection.connection_pool.connection_kwargs
    host, port = settings.get("host"), settings.get("port")
    return Broker("redis", host or None, port if host and isinstance(port, int) else None)


class _Mark(NamedTuple):
    """In the context of a span, and in those that are made of it."""

    scope: OperationScope
    before: Context
    """The context that was current before the span's."""


_MARK = context_api.create_key("nanospan-task")


def end(scope: OperationScope, error: BaseException | None = None) -> None:
    """End a span of `TaskTracing.send` or `TaskTracing.process`.

    Other tracers of the same library have callbacks of their own, which may end before these although they have begun
    before. They have then made the context current again that was so before both: it stays.
    """
    mark = context_api.get_value(_MARK)
    if not isinstance(mark, _Mark) or mark.scope is not scope:
        scope._token = None
    scope.__exit__(None if error is None else type(error), error, None)


@contextmanager
def context_kept() -> Iterator[None]:
    """After the block the same context is current as before, in whichever order the callbacks inside it end."""
    token: Token[Context] | None = None
    try:
        token = context_api.attach(context_api.get_current())
    except Exception:
        log_failure("the context of a send")
    try:
        yield
    finally:
        if token is not None:
            detach_quietly(token)


P = ParamSpec("P")


def guarded(function: Callable[P, None]) -> Callable[P, None]:
    """A function that the library calls, and which never raises."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            function(*args, **kwargs)
        except Exception:
            log_failure(function.__qualname__)

    return call


class TaskTracing:
    """The spans of one application of a task queue.

    Args:
        task_attribute: The name of the attribute with the task's name.
        broker: Finds out where messages go, when the first does; the settings may not be complete before.
        options: See `TaskOptions`.

    Raises:
        TypeError, ValueError: for a wrong option, by name.
    """

    def __init__(self, task_attribute: str, broker: Callable[[], Broker], options: Mapping[str, Any]) -> None:
        known = TaskOptions.__annotations__
        if unknown := sorted(options.keys() - known.keys()):
            raise TypeError(f"unexpected keyword argument {unknown[0]!r}; accepted are {', '.join(known)}")
        given = {name: value for name, value in options.items() if value is not None}
        span_names = given.pop("span_names", "queue")
        check_choice("span_names", span_names, ("queue", "task"))
        self._by_task = span_names == "task"
        self._task_attribute = task_attribute
        self._broker = broker
        self._given = given
        self._messaging: Messaging | None = None
        self._described(Broker("redis"))  # raises for a wrong option

    def _described(self, broker: Broker) -> Messaging:
        found = {"system": broker.system, "server_address": broker.address, "server_port": broker.port}
        if "server_address" in self._given:
            del found["server_port"]
        return Messaging(carrier=TEXT_MAP, **cast(Any, found | self._given))

    @property
    def messaging(self) -> Messaging:
        if self._messaging is None:
            try:
                self._messaging = self._described(self._broker())
            except Exception:
                log_failure("the settings of a task queue's broker")
                self._messaging = self._described(Broker(self._task_attribute.partition(".")[0]))
        return self._messaging

    def send(
        self,
        queue: str | None,
        task: str,
        headers: Any = None,
        *,
        message_id: object = None,
        conversation_id: object = None,
        more: Mapping[str, Any] | None = None,
    ) -> Sending:
        """Begin the span of a task that is handed over; it is current until its ``__exit__``. May raise."""
        attributes = {self._task_attribute: task, **(more or {})}
        sending = self.messaging.send(
            queue, headers, message_id=message_id, conversation_id=conversation_id, attributes=attributes
        )
        return cast(Sending, self._begun(sending, "send", task))

    def process(
        self,
        queue: str | None,
        task: str,
        headers: Any,
        *,
        message_id: object = None,
        conversation_id: object = None,
        more: Mapping[str, Any] | None = None,
    ) -> Processing:
        """Begin the span of a task that runs; it is current until its ``__exit__``. May raise."""
        attributes = {self._task_attribute: task, **(more or {})}
        processing = self.messaging.process(
            queue, headers, push=True, message_id=message_id, conversation_id=conversation_id, attributes=attributes
        )
        return cast(Processing, self._begun(processing, "process", task))

    def _begun(self, scope: OperationScope, operation: str, task: str) -> OperationScope:
        stale = context_api.get_value(_MARK)
        if isinstance(stale, _Mark) and stale.scope._ended:
            context_api.attach(stale.before)  # another tracer has made the context of an ended task current again
        before = context_api.get_current()
        scope.__enter__()
        if scope._token is not None:
            context_api.attach(context_api.set_value(_MARK, _Mark(scope, before)))
        if self._by_task:
            try:
                scope.span.update_name(f"{operation} {task}")
            except Exception:
                log_failure("the name of a span")
        return scope
