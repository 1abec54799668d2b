"""`OperationScope`: the life of one span around the application's code. What fails inside it, the code does not notice."""

from __future__ import annotations

from contextvars import Token
from time import perf_counter
from typing import Any, Unpack

from opentelemetry import context as context_api
from opentelemetry.context import Context
from opentelemetry.trace import Span, Status, StatusCode

from nanospan._native.messaging import NativeScope, add_facts, bind_scope, check_facts
from nanospan.messaging._carriers.counts import count, log_failure
from nanospan.messaging._conventions.facts import Facts, text_of
from nanospan.messaging._conventions.operation import Operation
from nanospan.messaging._conventions.vocabulary import ERROR_TYPE
from nanospan.messaging._spans.client import ClientTracing

__all__ = ["OperationScope", "check_first_use", "detach_quietly", "error_type_of", "mark_failed"]


def error_type_of(error: BaseException) -> str:
    """(Specification: semantic conventions, `error.type`.)"""
    cls = type(error)
    return cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"


def mark_failed(span: Span, error: BaseException | str) -> str:
    """Set the status of ``span``, `error.type`, and the exception if it is one. Returns the type."""
    if isinstance(error, str):
        error_type, text = error, error
    else:
        error_type, text = error_type_of(error), type(error).__name__
        try:
            text = f"{text}: {error}"
        except Exception:
            log_failure("the text of an exception")
    span.set_attribute(ERROR_TYPE, error_type)
    span.set_status(Status(StatusCode.ERROR, text))
    if not isinstance(error, str):
        span.record_exception(error)
    return error_type


def detach_quietly(token: Token[Context]) -> None:
    """Make the context current again that was so before; do nothing, and count it, in another task or thread."""
    try:
        if isinstance(token, Token):
            # Not `context.detach`, which logs a traceback: a generator or a callback may end anywhere.
            token.var.reset(token)
        else:
            context_api.detach(token)  # of a runtime context other than contextvars
    except Exception:
        count("foreign_detach")


def check_first_use(entered: bool) -> None:
    """Raise RuntimeError if a scope was entered before: the span and the token of the first time would be lost."""
    if entered:
        raise RuntimeError("it was used before: make one for each operation")


bind_scope(failure=log_failure, mark=mark_failed, detach=detach_quietly)


class OperationScope(NativeScope):
    """Context manager of one operation. Its span is current inside; it ends with the block.

    ``span`` is the span, for attributes and events of the application; one that does nothing before the block, and if the
    span could not be started. An exception of the block goes on to the caller; it sets the status, `error.type`, and an
    event.

    Where a library has callbacks in place of a block, call ``__enter__()`` in the first and ``__exit__(None, None, None)``,
    or with the exception, in the last. They may run in different tasks or threads. A second ``__enter__`` or ``__exit__``
    does nothing.
    """

    __slots__ = ()
    _client: ClientTracing
    _operation: Operation
    _facts: Facts

    def failed(self, error: BaseException | str) -> None:
        """Mark the operation as failed where no exception leaves the block; the text is `error.type`. Never raises."""
        try:
            if not self._ended:
                self._error_type = mark_failed(self.span, error)
        except Exception:
            log_failure("failed()")

    def add(self, **facts: Unpack[Facts]) -> None:
        """Add what became known inside the block. Never raises; after the block it does nothing."""
        check_facts(facts)
        if self._ended:
            return
        try:
            added: dict[str, Any] = {}
            add_facts(added, facts, self._client.client.system, self._client.client.both_sets)
            self.span.set_attributes(added)
            if facts.get("partition") is not None:
                self._facts = {**self._facts, "partition": facts["partition"]}
        except Exception:
            log_failure("add()")

    # --- for the operations ---

    def _begin(self) -> None:
        raise NotImplementedError

    def _measure(self, *, sent: int = 0, consumed: int = 0) -> None:
        """Called at the end where there are metrics."""
        if self._client.metrics is not None:
            partition = self._facts.get("partition")
            self._client.metrics.record(
                self._operation,
                perf_counter() - self._began,
                partition=None if partition is None else text_of(partition),
                error_type=self._error_type,
                sent=sent,
                consumed=consumed,
            )
