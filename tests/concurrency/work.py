"""Functions that other processes can load, which tell in what Context they run."""

from __future__ import annotations

from typing import Any

from opentelemetry import baggage
from opentelemetry.trace import get_current_span


def seen(item: Any = None, *, more: Any = None) -> tuple[Any, Any, int, int, bool, str | None]:
    """The arguments; trace and span id of the current span, whether it is remote; the baggage "who"."""
    span = get_current_span().get_span_context()
    who = baggage.get_baggage("who")
    return item, more, span.trace_id, span.span_id, span.is_remote, who if isinstance(who, str) else None


def fails() -> None:
    raise LookupError("of the task")
