"""Celery: `instrument` an application, by its signals.

::

    app = Celery("shop", broker="redis://localhost")
    instrument(app)

The context goes into the headers of the message, beside Celery's own: a worker without this reads on as before. Nested
headers (``headers["headers"]``), in which others keep theirs, stay as they are; they are read if there is no context beside
them. A task that is called eagerly has no message, and no span.

The signals tell of no send that fails: ``send_task`` of the application, through which each goes, is wrapped for that.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Self, Unpack
from weakref import WeakKeyDictionary

from celery import Celery, signals

from nanospan._common.arguments import safe_repr
from nanospan.messaging._carriers import TEXT_MAP
from nanospan.messaging._carriers.counts import log_failure
from nanospan.messaging._spans.consuming import Processing
from nanospan.messaging._spans.sending import Sending
from nanospan.messaging.tasks._tracing import Broker, TaskOptions, TaskTracing, context_kept, end, guarded

__all__ = ["CeleryTracing", "instrument"]

_SYSTEMS = {
    "amqp": "rabbitmq",
    "amqps": "rabbitmq",
    "pyamqp": "rabbitmq",
    "librabbitmq": "rabbitmq",
    "qpid": "qpid",
    "rediss": "redis",
    "sentinel": "redis",
    "valkey": "valkey",
    "sqs": "aws_sqs",
    "confluentkafka": "kafka",
    "azureservicebus": "servicebus",
    "gcpubsub": "gcp_pubsub",
}
"""`messaging.system` by the name of kombu's transport; others have it already, such as "redis"."""


def _broker_of(app: Celery) -> Broker:
    connection = app.connection_for_write()
    transport = str(connection.transport_cls or "amqp").partition("+")[0].rpartition(":")[2].lower()
    system = _SYSTEMS.get(transport, transport)
    host, port = connection.hostname, connection.port
    if len(connection.alt or ()) > 1 or not host or "/" in host:  # several brokers, a socket, a folder
        return Broker(system)
    default = connection.transport.default_port
    return Broker(system, host, port or (default if isinstance(default, int) else None))


def _destination(exchange: Any, routing_key: Any) -> str | None:
    """The queue; with an exchange, both."""
    name = getattr(exchange, "name", exchange)
    return f"{name}:{routing_key or ''}" if name else routing_key or None


class _Publishing:
    """One call of ``send_task``, and the span that the signal inside has begun."""

    __slots__ = ("sending", "tracing")

    def __init__(self, tracing: CeleryTracing) -> None:
        self.tracing = tracing
        self.sending: Sending | None = None

    def end(self, error: BaseException | None) -> None:
        sending, self.sending = self.sending, None
        if sending is not None:
            end(sending, error)


_publishing: ContextVar[_Publishing | None] = ContextVar("nanospan_celery_publishing", default=None)


class CeleryTracing:
    """The spans of one application. `undo` ends them; as a context manager it does so with the block."""

    def __init__(self, app: Celery, options: Mapping[str, Any]) -> None:
        self._app = app
        self._tracing = TaskTracing("celery.task_name", lambda: _broker_of(app), options)
        self._running: WeakKeyDictionary[Any, Processing] = WeakKeyDictionary()  # by the request
        self._wrapper: Callable[..., Any] | None = None
        self._handlers = {
            signals.before_task_publish: self._before_publish,
            signals.after_task_publish: self._after_publish,
            signals.task_prerun: self._before_run,
            signals.task_retry: self._retried,
            signals.task_failure: self._failed,
            signals.task_postrun: self._after_run,
            signals.task_unknown: self._unknown,
        }

    def _connect(self) -> Self:
        self._wrapper = self._app.send_task = self._wrapped(self._app.send_task)
        for signal, handler in self._handlers.items():
            signal.connect(handler, weak=False)
        return self

    def undo(self) -> None:
        """Make no more spans. Those that have begun end with their tasks."""
        if self._wrapper is None:
            return
        if vars(self._app).get("send_task") is self._wrapper:
            del self._app.send_task
        self._wrapper = None  # one that others have wrapped in turn passes calls on
        _instrumented.pop(self._app, None)
        for signal in (signals.before_task_publish, signals.task_prerun, signals.task_unknown):
            signal.disconnect(self._handlers[signal])
        if not self._running:
            for signal, handler in self._handlers.items():
                signal.disconnect(handler)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.undo()

    def _wrapped(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def send_task(*args: Any, **kwargs: Any) -> Any:
            if self._wrapper is None:
                return original(*args, **kwargs)
            publishing = _Publishing(self)
            token = _publishing.set(publishing)
            try:
                with context_kept():
                    result = original(*args, **kwargs)
            except BaseException as error:
                publishing.end(error)
                raise
            finally:
                _publishing.reset(token)
                publishing.end(None)
            return result

        return send_task

    @guarded
    def _before_publish(
        self,
        sender: Any = None,
        headers: Any = None,
        body: Any = None,
        exchange: Any = None,
        routing_key: Any = None,
        **_: Any,
    ) -> None:
        publishing = _publishing.get()
        if publishing is None or publishing.tracing is not self or publishing.sending is not None or headers is None:
            return
        of_task = headers if "id" in headers or not isinstance(body, dict) else body  # protocol 1 has it in the body
        publishing.sending = sending = self._tracing.send(
            _destination(exchange, routing_key),
            str(sender),
            headers,
            message_id=of_task.get("id"),
            conversation_id=of_task.get("root_id"),
            more={"celery.retries": of_task.get("retries") or None},
        )
        # The signal's receivers change the message's own dict: there is no other way to the broker.
        for name in headers.keys() - sending.headers.keys():
            del headers[name]
        headers.update(sending.headers)

    @guarded
    def _after_publish(self, **_: Any) -> None:
        publishing = _publishing.get()
        if publishing is not None and publishing.tracing is self:
            publishing.end(None)

    @guarded
    def _before_run(self, task: Any = None, task_id: Any = None, **_: Any) -> None:
        request = task.request
        if task.app is not self._app or request.is_eager or request.called_directly:
            return
        delivered = request.delivery_info or {}
        self._running[request] = self._tracing.process(
            _destination(delivered.get("exchange"), delivered.get("routing_key")),
            task.name,
            _carried(vars(request)),
            message_id=task_id,
            conversation_id=request.root_id,
            more={"celery.retries": request.retries or None, "celery.redelivered": delivered.get("redelivered") or None},
        )

    @guarded
    def _retried(self, request: Any = None, reason: Any = None, **_: Any) -> None:
        processing = self._running.get(request)
        if processing is not None:
            processing.span.set_attribute("celery.retry.reason", str(reason))
            if isinstance(error := getattr(reason, "exc", None), Exception):
                processing.failed(error)

    @guarded
    def _failed(self, sender: Any = None, exception: Any = None, **_: Any) -> None:
        # It is also sent in the process that has lost its worker, where no span is open.
        processing = self._running.get(sender.request)
        if processing is not None and exception is not None:
            processing.failed(exception)

    @guarded
    def _after_run(self, task: Any = None, state: Any = None, **_: Any) -> None:
        processing = self._running.pop(task.request, None)
        if processing is not None:
            try:
                if state is not None:
                    processing.span.set_attribute("celery.state", str(state))
            finally:
                end(processing)

    @guarded
    def _unknown(self, sender: Any = None, message: Any = None, name: Any = None, id: Any = None, **_: Any) -> None:
        if getattr(sender, "app", None) is not self._app:
            return
        delivered = message.delivery_info or {}
        queue = _destination(delivered.get("exchange"), delivered.get("routing_key"))
        processing = self._tracing.process(queue, str(name), _carried(message.headers), message_id=id)
        processing.failed("celery.exceptions.NotRegistered")
        end(processing)


def _carried(headers: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The headers with the context: the nested ones if only they have one."""
    nested = (headers or {}).get("headers")
    if isinstance(nested, Mapping) and TEXT_MAP.get(headers, "traceparent") is None:
        return nested
    return headers


_instrumented: WeakKeyDictionary[Celery, CeleryTracing] = WeakKeyDictionary()


def instrument(app: Celery, **options: Unpack[TaskOptions]) -> CeleryTracing:
    """Make the spans of an application: where it is made, before it sends tasks and before a worker forks.

    A second call for the same application does nothing, and returns what the first did.

    Raises:
        TypeError: if ``app`` is no application, or an option is wrong, by name.
        ValueError: for a wrong option, by name.
    """
    app = getattr(app, "_get_current_object", lambda: app)()  # a proxy, such as celery.current_app
    if not isinstance(app, Celery):
        raise TypeError(f"app must be a Celery application, not {safe_repr(app)}")
    made = _instrumented.get(app)
    if made is None:
        made = CeleryTracing(app, options)
        _instrumented[app] = made
        try:
            made._connect()
        except Exception:
            log_failure("the signals of Celery")
    return made
