"""What is wrong with single spans of a test: names against the conventions, secrets, too many children."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan

from nanospan.contract import Conventions, Redaction, compiled_contract
from nanospan.contract.conventions import LEVELS, Checker

__all__ = ["against_conventions", "too_many_children", "with_secrets"]


def against_conventions(spans: Iterable[ReadableSpan], conventions: Conventions | None) -> list[str]:
    """The findings of the level violation, a line each. Raises TypeError."""
    if conventions is not None and not isinstance(conventions, Conventions):
        raise TypeError(f"conventions must be nanospan.contract.Conventions, not {type(conventions).__name__}")
    checker = Checker(conventions or Conventions())
    for span in spans:
        items: list[Any] = [*span.events, *span.links]
        dropped = (span.dropped_attributes, span.dropped_events, span.dropped_links)
        checker.check_span(
            span.instrumentation_scope,
            span.name,
            span.kind.value,
            span.attributes or {},
            [item.attributes or {} for item in items],
            dropped,
        )
    return [
        f"{one.id} in {one.scope or 'a scope without a name'}: {one.hint}"
        for one in checker.findings.report()
        if LEVELS.get(one.id) == "violation"
    ]


def with_secrets(spans: Iterable[ReadableSpan], canaries: Iterable[str], redaction: Redaction | None) -> list[str]:
    """A line for each span that holds a canary, or what the rules would redact; no secret is in it. Raises TypeError."""
    if redaction is not None and not isinstance(redaction, Redaction):
        raise TypeError(f"redaction must be a nanospan.contract.Redaction, not {type(redaction).__name__}")
    rules = redaction or Redaction()
    texts = list(canaries)
    found = []
    for span in spans:
        written = span.to_json()
        numbers = [str(number) for number, text in enumerate(texts, 1) if text in written]
        contract = compiled_contract([rules])
        assert contract is not None
        left = contract.allowed_span(span)
        name = repr(left.name) if left is not None and not any(text in left.name for text in texts) else "a span"
        if numbers:
            found.append(f"{name} holds canary {', '.join(numbers)}")
        if left is not span:
            counts = contract.redaction._by_name(contract.secrets())
            names = [rule for rule, count in counts.items() if count]
            found.append(f"{name} holds what is to be redacted: {', '.join(names)}")
    return found


def too_many_children(spans: Iterable[ReadableSpan], max_children: int) -> list[str]:
    """A line for each parent with more children than that, and the commonest of their names."""
    named = {_key(span): span.name for span in spans}
    children: dict[tuple[int, int], Counter[str]] = {}
    for span in spans:
        if span.parent is not None:
            children.setdefault((span.parent.trace_id, span.parent.span_id), Counter())[span.name] += 1
    found = []
    for parent, names in children.items():
        if names.total() > max_children:
            (name, count), *_ = names.most_common(1)
            found.append(
                f"{named.get(parent, 'a parent elsewhere')!r} has {names.total()} children, {count} of them {name!r}; "
                f"at most {max_children} are wanted"
            )
    return found


def _key(span: ReadableSpan) -> tuple[int, int]:
    own = span.get_span_context()
    return (0, 0) if own is None else (own.trace_id, own.span_id)
