"""What can be read from tracer providers and processors of any origin.

Nothing here raises: what a release has moved, or what raises when it is read, counts as absent.
"""

from __future__ import annotations

import sys
from collections.abc import Sized
from typing import Any, NamedTuple

from nanospan._compat.sdk import STOOD_FOR

__all__ = ["BatchState", "batch_state", "configurator_ran", "exporter_of", "is_disabled", "real_provider", "span_processors"]

MAX_DEPTH = 8
"""Wrappers around wrappers, and composites within composites."""

_WRAPPED = ("processor", "_processor", "wrapped", "_wrapped")
_EXPORTER = ("span_exporter", "_span_exporter", "exporter", "_exporter")


class BatchState(NamedTuple):
    """The queue and the export thread of a batch processor, nanospan's or the SDK's."""

    queued: int | None
    """Spans in the queue; None if it cannot be told."""
    capacity: int | None
    is_alive: bool
    """Whether the export thread runs."""
    is_shut_down: bool


def _read(thing: Any, name: str) -> Any:
    try:
        return getattr(thing, name, None)
    except Exception:
        return None


def real_provider(provider: Any) -> Any:
    """The provider that has the processors, where another object stands before it, as logfire's does."""
    provider = _read(provider, STOOD_FOR) or provider
    for _ in range(MAX_DEPTH):
        inner = _read(provider, "provider")
        if inner is None or _read(provider, "_active_span_processor") is not None:
            break
        provider = inner
    return provider


def is_disabled(provider: Any) -> bool:
    """Whether ``OTEL_SDK_DISABLED`` was true when the provider was made."""
    return _read(provider, "_disabled") is True


def span_processors(provider: Any) -> list[tuple[Any, tuple[Any, ...]]] | None:
    """The processors of a provider, each with the wrappers around it; None for a provider that has none by its kind."""
    composite = _read(provider, "_active_span_processor")
    if composite is None:
        return None
    found: list[tuple[Any, tuple[Any, ...]]] = []
    _collect(composite, (), found)
    return found


def _collect(processor: Any, wrappers: tuple[Any, ...], found: list[tuple[Any, tuple[Any, ...]]]) -> None:
    members = _read(processor, "_span_processors")
    if len(wrappers) < MAX_DEPTH:
        if isinstance(members, tuple | list):
            # The provider's own composite is no wrapper that anybody wrote.
            around = (*wrappers, processor) if wrappers else wrappers
            for member in members:
                _collect(member, around, found)
            return
        if exporter_of(processor) is None:
            for name in _WRAPPED:
                inner = _read(processor, name)
                if callable(_read(inner, "on_end")):
                    _collect(inner, (*wrappers, processor), found)
                    return
    found.append((processor, wrappers))


def exporter_of(processor: Any) -> Any | None:
    """The exporter of a batch or simple processor; None if it shows none."""
    for name in _EXPORTER:
        exporter = _read(processor, name)
        if callable(_read(exporter, "export")) or callable(_read(exporter, "export_encoded")):
            return exporter
    return None


def batch_state(processor: Any) -> BatchState | None:
    """The state of a processor with an export thread; None for another one."""
    worker = _read(processor, "_batch_processor")
    thread = _read(worker, "_worker_thread")
    if thread is None:
        return None
    queue = _read(worker, "_queue")
    return BatchState(
        queued=len(queue) if isinstance(queue, Sized) else None,
        capacity=_read(worker, "_max_queue_size"),
        is_alive=bool(thread.is_alive()),
        is_shut_down=bool(_read(worker, "_shutdown")),
    )


def configurator_ran() -> bool:
    """Whether the SDK's configuration without code has run in this process. Imports nothing."""
    module = sys.modules.get("opentelemetry.sdk._configuration")
    base = getattr(module, "_OTelSDKConfigurator", None)
    if base is None:
        return False
    return any(vars(cls).get("_instance") is not None for cls in (base, *base.__subclasses__()))
