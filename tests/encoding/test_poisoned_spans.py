"""Spans that cannot be encoded as they are: a bad field costs that field, and nothing of the spans around it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from opentelemetry.trace import SpanContext, TraceFlags
from support.accounting import WAIT, check_balance, ended_span, lost, spans_in
from support.receivers import HttpReceiver

import nanospan
from nanospan import tail
from nanospan.export.http import OTLPSpanExporter

pytestmark = pytest.mark.usefixtures("clean_environment")


def odd_context() -> SpanContext:
    """Ids that are no numbers: without an id a span is worth nothing."""
    return tuple.__new__(SpanContext, ("trace", "span", False, TraceFlags(1), None, True))


def context_with(state: Any) -> SpanContext:
    """Good ids, and a trace state that the API's constructor would not have taken."""
    return tuple.__new__(SpanContext, (1 << 100, 77, False, TraceFlags(1), state, True))


POISONS: dict[str, dict[str, Any]] = {
    "lone surrogate in the name": {"name": "bad \ud800"},
    "name that is an int": {"name": 42},
    "name that is None": {"name": None},
    "int past 64 bits": {"attributes": {"bad": 1 << 70, "good": 1}},
    "value of no known kind": {"attributes": {"bad": object(), "good": 1}},
    "lone surrogate in a value": {"attributes": {"bad": "\udfff", "good": 1}},
    "key that is an int": {"attributes": {7: "bad", "good": 1}},
    "negative time": {"start_time": -5},
    "time that is None": {"end_time": None},
    "time past 64 bits": {"end_time": 1 << 64},
    "kind that is None": {"kind": None},
    "status that is None": {"status": None},
    "events that are no events": {"events": (object(),)},
    "status of another kind": {"status": object()},
    "trace state of another kind": {"context": context_with(object())},
}


ABSENT = {"name that is None", "time that is None", "status that is None"}


def send_512(poisoned: Any, tail_sampling: tail.TailSampling | None = None) -> tuple[dict[str, Any], list[Any]]:
    """The account, and the spans that arrive when one of 512 is ``poisoned``."""
    with HttpReceiver() as receiver:
        processor = nanospan.BatchSpanProcessor(
            OTLPSpanExporter(receiver.url), schedule_delay_millis=600_000, tail_sampling=tail_sampling
        )
        for number in range(512):
            processor.on_end(poisoned if number == 100 else ended_span(f"healthy {number}"))
        assert processor.force_flush(int(WAIT * 1000))
        stats = processor.stats()
        check_balance(stats)
        processor.shutdown()
        return stats, list(spans_in(request.body for request in receiver.requests))


HEALTHY = Counter(f"healthy {number}" for number in range(512) if number != 100)


@pytest.mark.parametrize("poison", POISONS)
def test_poisoned_field_costs_that_field(poison: str) -> None:
    fields = {"name": "poisoned", "attributes": {"good": 1}} | POISONS[poison]
    bad = ended_span(**fields)
    stats, spans = send_512(bad)
    assert (stats["exported"], lost(stats)) == (512, {})
    (found,) = [span for span in spans if span.span_id == bad.context.span_id.to_bytes(8, "big")]
    assert "good" in {pair.key for pair in found.attributes}
    spans.remove(found)
    assert Counter(span.name for span in spans) == HEALTHY
    # What is merely absent has not been lost.
    touched = stats["detail"]["values_lost"] + stats["detail"]["values_repaired"]
    assert touched == (0 if poison in ABSENT else 1)


@pytest.mark.parametrize("tail_sampling", [None, tail.TailSampling([tail.AlwaysSample()])], ids=["head", "tail"])
@pytest.mark.parametrize("bad", [ended_span(context=odd_context()), object()], ids=["ids", "no span at all"])
def test_span_that_cannot_be_encoded_costs_that_span(bad: Any, tail_sampling: tail.TailSampling | None) -> None:
    stats, spans = send_512(bad, tail_sampling)
    assert (stats["ended"], stats["exported"], lost(stats)) == (512, 511, {"encode_failed": 1})
    assert Counter(span.name for span in spans) == HEALTHY
