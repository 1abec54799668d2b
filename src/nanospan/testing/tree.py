"""Spans as a text: each below its parent, with its links, its kind and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind

__all__ = ["draw"]


def _of(span: ReadableSpan) -> tuple[int, int]:
    own = span.get_span_context()
    return (0, 0) if own is None else (own.trace_id, own.span_id)


def _line(span: ReadableSpan, names: dict[tuple[int, int], str]) -> str:
    parts = [span.name]
    if span.kind is not SpanKind.INTERNAL:
        parts.append(f"[{span.kind.name}]")
    parts += [f"{key}={value!r}" for key, value in (span.attributes or {}).items()]
    for link in span.links:
        found = names.get((link.context.trace_id, link.context.span_id))
        parts.append(f"-> {found}" if found else f"-> a span of trace {link.context.trace_id:032x} that is not here")
    if span.end_time is None:
        parts.append("(not ended)")
    if span.parent is not None and (span.parent.trace_id, span.parent.span_id) not in names:
        where = "of another process" if span.parent.is_remote else "LOST"
        parts.append(f"(parent {span.parent.span_id:016x} is {where})")
    return " ".join(parts)


def draw(spans: Iterable[ReadableSpan]) -> str:
    """One line a span; a trace after the other, in the order of their first span."""
    ordered = sorted(spans, key=lambda span: span.start_time or 0)
    names = {_of(span): span.name for span in ordered}
    children: dict[tuple[int, int] | None, list[ReadableSpan]] = {}
    for span in ordered:
        parent = None if span.parent is None else (span.parent.trace_id, span.parent.span_id)
        children.setdefault(parent if parent in names else None, []).append(span)
    traces: dict[int, list[str]] = {}
    stack = [(span, 0) for span in reversed(children.get(None, []))]
    drawn: set[tuple[int, int]] = set()
    while stack:
        span, depth = stack.pop()
        if _of(span) in drawn:
            continue
        drawn.add(_of(span))
        lines = traces.setdefault(_of(span)[0], [])
        lines.append(f"  {'  ' * (depth - 1)}{'└ ' if depth else ''}{_line(span, names)}")
        stack += [(child, depth + 1) for child in reversed(children.get(_of(span), []))]
    if not traces:
        return "no spans"
    return "\n".join(line for trace, lines in traces.items() for line in (f"trace {trace:032x}", *lines))
