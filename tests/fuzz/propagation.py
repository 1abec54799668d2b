"""Headers of any kind, read and written by the propagator: the same context, the same warnings and the same headers as by
the API's own, with level 2 of the specification where that one follows level 1."""

from __future__ import annotations

from typing import Any

from fuzz.draw import Draw
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, TraceState, set_span_in_context
from support.propagation.carriers import OURS, RIGHT, THEIRS, Headers, Mapped, outcome

CARRIERS = [dict, dict, Headers, Mapped]
HEADERS = ["", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "01-" + "1" * 32 + "-" + "2" * 16 + "-ff-rest"]
REPLACEMENTS = ["", *"- \t\n0gA,=\x00\xe9\ud800\u0661", "ot=th:8", "x" * 500]


def header(draw: Draw) -> Any:
    """Characters of the input around or instead of a legal header; or no text at all, or several."""
    choice = draw.byte()
    text = draw.one(HEADERS)
    for _ in range(choice >> 4):
        at = draw.byte() % (len(text) + 1)
        replaced = draw.one(REPLACEMENTS)
        text = text[:at] + replaced + text[at + draw.byte() % 2 :]
    if choice & 15 == 15:
        return draw.value(hostile=False)
    return [text] if choice & 15 == 14 else [text, draw.text()] if choice & 15 == 13 else text


def states(draw: Draw) -> TraceState:
    return TraceState([(draw.text(), draw.text()) for _ in range(draw.byte() % 4)])


def check(data: bytes) -> None:
    draw = Draw(data)
    kind = draw.one(CARRIERS)
    given: dict[str, Any] = {"traceparent": header(draw)}
    if draw.flag():
        given["tracestate"] = header(draw)
    if draw.flag():
        # What is left of the input, as a header of its own.
        given[draw.one(["traceparent", "tracestate"])] = draw.rest().decode("latin-1")
    right = outcome(lambda: RIGHT.extract(kind(given)))
    assert outcome(lambda: OURS.extract(kind(given))) == right

    trace_id = draw.one([1, 2**128 - 1, draw.integer(), draw.value(hostile=False)])
    span_id = draw.one([1, 2**64 - 1, draw.integer()])
    flags = draw.one([TraceFlags(1), TraceFlags(draw.byte()), draw.integer()])
    try:
        made = SpanContext(trace_id, span_id, draw.flag(), flags, states(draw))
    except Exception:
        return
    context = set_span_in_context(NonRecordingSpan(made))

    def injected(propagator: Any) -> Any:
        carrier = kind({})
        propagator.inject(carrier, context)
        return dict(carrier)

    theirs = outcome(lambda: injected(THEIRS))
    assert outcome(lambda: injected(OURS)) == theirs
