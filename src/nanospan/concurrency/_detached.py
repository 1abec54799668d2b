"""Work that outlives the request that starts it: a trace of its own, linked to the request's."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, TypeVar

from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Tracer, get_current_span, get_tracer
from opentelemetry.util.types import Attributes

from nanospan._native.context import attach_context, detach_context

__all__ = ["detached", "spawn_detached"]

R = TypeVar("R")

_running: set[asyncio.Task[Any]] = set()
"""An event loop holds its tasks by weak references alone."""


def _links() -> list[Link]:
    starter = get_current_span().get_span_context()
    return [Link(starter)] if starter.is_valid else []


@contextmanager
def _root(name: str, tracer: Tracer | None, kind: SpanKind, attributes: Attributes, links: list[Link]) -> Iterator[Span]:
    token = attach_context(Context())
    try:
        own = tracer or get_tracer("nanospan.concurrency")
        with own.start_as_current_span(name, kind=kind, attributes=attributes, links=links) as span:
            yield span
    finally:
        detach_context(token)


@contextmanager
def detached(
    name: str = "detached",
    *,
    tracer: Tracer | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Attributes = None,
) -> Iterator[Span]:
    """A new root span, current in an otherwise empty Context, with a link to the span that was current.

    For work that goes on after the request has been answered: as children its spans would belong to a request that is over.
    """
    with _root(name, tracer, kind, attributes, _links()) as span:
        yield span


def spawn_detached(
    coro: Coroutine[Any, Any, R],
    *,
    name: str | None = None,
    tracer: Tracer | None = None,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Attributes = None,
) -> asyncio.Task[R]:
    """A task that runs ``coro`` in a span of its own, a root with a link to the span that is current now.

    The span is named ``name``, by default as the coroutine is. The task keeps the other context variables, and is kept alive
    until it is done. Raises RuntimeError if no event loop runs.
    """
    span_name: str = name or getattr(coro, "__qualname__", None) or "detached"
    links = _links()

    async def run() -> R:
        with _root(span_name, tracer, kind, attributes, links):
            return await coro

    context = copy_context()
    # Emptied before the task starts: a Context that the task attached over would be held until the task's end.
    context.run(attach_context, Context())
    runner = run()
    try:
        task = asyncio.get_running_loop().create_task(runner, context=context, name=span_name)
    except BaseException:
        runner.close()
        coro.close()
        raise
    _running.add(task)
    # Without a context of its own the callback would hold the request's.
    task.add_done_callback(_running.discard, context=context)
    return task
