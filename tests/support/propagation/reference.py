"""What the propagator should answer: as the API's does, with W3C Trace Context level 2 where that one follows level 1."""

from __future__ import annotations

import re
from typing import Any

from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter, default_getter
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceState, get_current_span, set_span_in_context
from opentelemetry.trace.propagation import tracecontext as api

KEY = re.compile(r"[0-9a-z][0-9a-z_*/@-]*")
VALUE = re.compile(r"[\x20-\x7e]*[\x21-\x7e]")


def level2_members(headers: list[str]) -> dict[str, str] | None:
    """The members of these headers, the first of each key; None if one is malformed or they are too many."""
    if sum(map(len, headers)) + len(headers) - 1 > 8192:
        return None
    members = [member.strip(" \t") for header in headers for member in header.split(",")]
    pairs = [member.split("=") for member in members if member]
    if len(pairs) > 32 or not all(len(pair) == 2 and len(pair[0]) <= 256 and len(pair[1]) <= 256 for pair in pairs):
        return None
    if not all(KEY.fullmatch(key) and VALUE.fullmatch(value) for key, value in pairs):
        return None
    first: dict[str, str] = {}
    for key, value in pairs:
        first.setdefault(key, value)
    return first


class Answers(Getter[Any]):
    def __init__(self, answers: list[Any]) -> None:
        self.answers = answers

    def get(self, carrier: Any, key: str) -> Any:
        return self.answers.pop(0)

    def keys(self, carrier: Any) -> list[str]:
        return []


class Level2Propagator(api.TraceContextTextMapPropagator):
    """Asks for each header as often as the API's propagator, which it calls for all but legal states."""

    def extract(self, carrier: Any, context: Context | None = None, getter: Getter[Any] = default_getter) -> Context:
        parents = getter.get(carrier, "traceparent")
        if isinstance(parents, (list, tuple)) and len(parents) > 1:
            return Context() if context is None else context
        before = Context() if context is None else context
        tried = Context()
        answer = super().extract(carrier, tried, Answers([parents, None]))
        if answer is tried:
            return before
        states = getter.get(carrier, "tracestate")
        is_text = isinstance(states, (list, tuple)) and all(isinstance(state, str) for state in states)
        members = level2_members(list(states)) if is_text and str(parents[0]).isascii() else None
        if not members:
            return super().extract(carrier, before, Answers([parents, states]))
        remote = get_current_span(answer).get_span_context()
        state = TraceState()
        state._dict = members
        ids = remote.trace_id, remote.span_id
        return set_span_in_context(NonRecordingSpan(SpanContext(*ids, True, remote.trace_flags, state)), before)
