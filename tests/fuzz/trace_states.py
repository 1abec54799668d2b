"""Consistent samplers with any trace state for a parent's, against a decision made of strings and regular expressions."""

from __future__ import annotations

import logging
import re
from typing import Any

from fuzz.draw import Draw
from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, set_span_in_context

from nanospan._native.sampling import sample_span, threshold_to_text
from nanospan.sampling import AlwaysRecord, ConsistentProbability, ParentBased, RateLimited, RuleBased

PIECES = [
    *("th:8", "th:0", "th:c", "th:ffffffffffffff", "th:", "th:C", "th:123456789012345", "rv:6e6d1a75832a2f"),
    *("rv:00000000000000", "rv:ffffffffffffff", "rv:0", "rv:FFFFFFFFFFFFFF", ";", ";", "a:1", "a:", "xy:Z_.-", ":", "="),
    *(",", " ", "1a:b", "x" * 120, "z:" + "y" * 238, "th", "a:\xe9", "\ud800", "a:\x00", "th:8;", ";th:8"),
]
ITEM = re.compile(r"([a-z][a-z0-9]*):([A-Za-z0-9._-]*)")
LIMIT = 2**56
SAMPLERS = [ConsistentProbability(share, precision=14) for share in (1.0, 0.5, 0.1, 2.0**-56)]
OTHERS = [
    ParentBased(ConsistentProbability(0.5)),
    ParentBased(RuleBased([], default=ConsistentProbability(0.25))),
    AlwaysRecord(ConsistentProbability(0.5)),
    RateLimited(1e6, consistent=True),
    ConsistentProbability(0.5, randomness="hash"),
]


def items_of(ot: str) -> list[tuple[str, str]]:
    """The sub-keys of a legal value in their order; none of any other."""
    if not 0 < len(ot) <= 256:
        return []
    matches = [ITEM.fullmatch(item) for item in ot.split(";")]
    if not all(matches):
        return []
    items = [(match[1], match[2]) for match in matches if match]
    return items if len({key for key, _ in items}) == len(items) else []


def randomness(ot: str, trace_id: int) -> int:
    rv = dict(items_of(ot)).get("rv", "")
    return int(rv, 16) if re.fullmatch("[0-9a-f]{14}", rv) else trace_id % LIMIT


def expected_ot(ot: str, kept: bool, threshold: int) -> str:
    """With the threshold in front if the trace is kept and there is room for it, and without any other."""
    others = [f"{key}:{value}" for key, value in items_of(ot) if key != "th"]
    mine = [f"th:{threshold_to_text(threshold)}"] if kept else []
    written = ";".join(mine + others)
    return written if len(written) <= 256 else ";".join(others)


def state(draw: Draw) -> TraceState:
    """What another process could have put there: TraceState checks what it is made with, and leaves bad members out."""
    ot = "".join(draw.one(PIECES) for _ in range(draw.byte() % 8))
    if draw.flag():
        ot += draw.rest().decode("latin-1")
    members = [(f"k{number}", str(number)) for number in range(draw.one([0, 1, 2, 31, 32]))]
    members.insert(draw.byte() % (len(members) + 1), ("ot", ot))
    return TraceState(members[:32])


def parent(draw: Draw, trace_id: int, made: TraceState) -> Context:
    context = SpanContext(trace_id, 1 + draw.byte(), draw.flag(), TraceFlags(draw.byte() & 3), made)
    return set_span_in_context(NonRecordingSpan(context), Context())


def check(data: bytes) -> None:
    draw = Draw(data)
    trace_id = draw.one([1, LIMIT - 1, LIMIT // 2, LIMIT // 2 - 1, 2**128 - 1, 1 << 64 | draw.byte() << 48])
    sampler: Any = draw.one(SAMPLERS + OTHERS)
    is_consistent = sampler in SAMPLERS
    logging.disable(logging.CRITICAL)
    try:
        context = parent(draw, trace_id, made := state(draw))
        result = sampler.should_sample(context, trace_id, "name")
        is_random = bool(draw.byte() & 1)
        native = sample_span(
            sampler, context, trace_id, "name", None, None, None, trace_id_random=is_random, scope_name=None
        )
    finally:
        logging.disable(logging.NOTSET)
    after = result.trace_state if result.trace_state is not None else TraceState()
    assert len(after) <= 32
    ot = made.get("ot") or ""
    others = [pair for pair in made.items() if pair[0] != "ot"]
    # What has to go to make room for `ot` are the last.
    assert [pair for pair in after.items() if pair[0] != "ot"] == others[: 32 - ("ot" in after)]
    if is_consistent:
        kept = randomness(ot, trace_id) >= sampler.threshold
        assert result.decision is (Decision.RECORD_AND_SAMPLE if kept else Decision.DROP)
        assert (after.get("ot") or "") == expected_ot(ot, kept, sampler.threshold), (ot, after.get("ot"))
        assert (native.decision, native.trace_state) == (result.decision, result.trace_state)
