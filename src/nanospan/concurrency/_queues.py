"""Queues within a process whose items travel with the span context of whoever put them."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, overload

from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Tracer, get_current_span, get_tracer

from nanospan._common.arguments import check_has

__all__ = ["AsyncCarryingQueue", "CarryingQueue", "Taken", "carrying"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Taken(Generic[T]):
    """An item, and the span that was current when it was put."""

    item: T
    span_context: SpanContext | None
    """None if no span was current, or the item was put past the wrapper."""

    @property
    def links(self) -> list[Link]:
        """For ``start_span``: one link, or none."""
        return [] if self.span_context is None else [Link(self.span_context)]


class _Carried(Generic[T]):
    """What lies in the wrapped queue; a PriorityQueue orders the items."""

    __slots__ = ("item", "span_context")

    def __init__(self, item: T) -> None:
        self.item = item
        current = get_current_span().get_span_context()
        # The span itself would be held until the item is taken.
        self.span_context = current if current.is_valid else None

    def __lt__(self, other: Any) -> bool:
        return bool(self.item < (other.item if isinstance(other, _Carried) else other))

    def __gt__(self, other: Any) -> bool:
        return bool(self.item > (other.item if isinstance(other, _Carried) else other))


def _taken(found: Any) -> Taken[Any]:
    return Taken(found.item, found.span_context) if isinstance(found, _Carried) else Taken(found, None)


@contextmanager
def _processing(taken: Taken[T], name: str, tracer: Tracer | None) -> Iterator[tuple[T, Span]]:
    own = tracer or get_tracer("nanospan.concurrency")
    with own.start_as_current_span(name, kind=SpanKind.CONSUMER, links=taken.links) as span:
        yield taken.item, span


class _Wrapper:
    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped

    def __getattr__(self, name: str) -> Any:
        # qsize, empty, full, task_done, join, maxsize, shutdown
        return getattr(self._wrapped, name)

    def __repr__(self) -> str:
        return f"carrying({self._wrapped!r})"


class CarryingQueue(_Wrapper, Generic[T]):
    """A `queue.Queue`, or one of its kind, whose items keep the span context of their ``put``; see `carrying`."""

    def put(self, item: T, block: bool = True, timeout: float | None = None) -> None:
        """Put the item, with the context of the current span."""
        self._wrapped.put(_Carried(item), block, timeout)

    def put_nowait(self, item: T) -> None:
        """As ``put(item, block=False)``."""
        self._wrapped.put_nowait(_Carried(item))

    def get(self, block: bool = True, timeout: float | None = None) -> T:
        """The item alone."""
        return self.take(block, timeout).item

    def get_nowait(self) -> T:
        """As ``get(block=False)``."""
        return self.take(block=False).item

    def take(self, block: bool = True, timeout: float | None = None) -> Taken[T]:
        """The item with the span context of its ``put``. Raises `queue.Empty`."""
        return _taken(self._wrapped.get(block, timeout))

    @contextmanager
    def process(
        self,
        name: str = "process",
        *,
        tracer: Tracer | None = None,
        block: bool = True,
        timeout: float | None = None,
    ) -> Iterator[tuple[T, Span]]:
        """Take an item, and process it in a CONSUMER span that links to the span of its ``put``.

        Waiting for the item is not part of the span. Raises `queue.Empty`.
        """
        with _processing(self.take(block, timeout), name, tracer) as processed:
            yield processed


class AsyncCarryingQueue(_Wrapper, Generic[T]):
    """An `asyncio.Queue` whose items keep the span context of their ``put``; see `carrying`."""

    async def put(self, item: T) -> None:
        """Put the item, with the context of the current span."""
        await self._wrapped.put(_Carried(item))

    def put_nowait(self, item: T) -> None:
        """Put the item now. Raises `asyncio.QueueFull`."""
        self._wrapped.put_nowait(_Carried(item))

    async def get(self) -> T:
        """The item alone."""
        return (await self.take()).item

    def get_nowait(self) -> T:
        """An item that is there. Raises `asyncio.QueueEmpty`."""
        found: Taken[T] = _taken(self._wrapped.get_nowait())
        return found.item

    async def take(self) -> Taken[T]:
        """The item with the span context of its ``put``."""
        return _taken(await self._wrapped.get())

    @asynccontextmanager
    async def process(self, name: str = "process", *, tracer: Tracer | None = None) -> AsyncIterator[tuple[T, Span]]:
        """Take an item, and process it in a CONSUMER span that links to the span of its ``put``."""
        with _processing(await self.take(), name, tracer) as processed:
            yield processed


@overload
def carrying(queue: asyncio.Queue[T]) -> AsyncCarryingQueue[T]: ...
@overload
def carrying(queue: queue.Queue[T] | queue.SimpleQueue[T]) -> CarryingQueue[T]: ...
def carrying(queue: Any) -> Any:
    """A queue over ``queue`` whose items travel with the span context of their ``put``.

    ``put`` and ``get`` are as before. ``take()`` gives the item with the span context, ``process()`` takes an item and
    processes it in a span with a link. The consumer has no parent: the span of the ``put`` may be long over.

    ``queue``: a `queue.Queue`, LifoQueue, PriorityQueue, SimpleQueue or `asyncio.Queue`. Raises TypeError for anything else.
    """
    if isinstance(queue, _Wrapper):
        return queue
    check_has("queue", queue, ("put", "get", "put_nowait", "get_nowait"), "a queue of the modules queue or asyncio")
    if isinstance(queue, asyncio.Queue):
        return AsyncCarryingQueue(queue)
    return CarryingQueue(queue)
