"""What tail sampling says of how many traces a kept one stands for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.trace import Span, TraceFlags, TraceState
from support.accounting import lost
from support.tail_pipeline import ERRORS, Pipeline, context_with, fail, remote_parent

from nanospan import sampling, tail
from nanospan.sampling import AlwaysRecord, ConsistentProbability, ParentBased

pytestmark = pytest.mark.usefixtures("clean_environment")


def threshold_of(span: Any) -> str | None:
    members = dict(member.split("=", 1) for member in span.trace_state.split(",") if member)
    fields = dict(field.split(":") for field in members.get("ot", "").split(";") if field)
    return fields.get("th")


ALL_KEPT = 0xFF_FF_FF_FF_FF_FF_FF
"""Low bits of a trace id that every probability keeps."""


@pytest.mark.parametrize(
    ("policies", "arriving", "leaving"),
    [
        ([tail.StatusCode("ERROR")], None, None),
        ([tail.StatusCode("ERROR")], "8", "8"),
        ([tail.Probabilistic(0.25)], None, "c"),
        ([tail.Probabilistic(0.25)], "8", "c"),
        ([tail.Probabilistic(0.25)], "e", "e"),
        ([tail.StatusCode("ERROR"), tail.Probabilistic(0.25)], "8", "8"),
        ([tail.And(tail.StatusCode("ERROR"), tail.Probabilistic(0.25))], "8", "c"),
        ([tail.RateLimiting(1000)], "8", None),
    ],
)
def test_adjusted_count_stays_truthful(
    make_pipeline: Callable[..., Pipeline], policies: list[Any], arriving: str | None, leaving: str | None
) -> None:
    pipeline = make_pipeline()
    tracer = pipeline.start(policies)
    entries = [("vendor", "1")] + ([("ot", f"th:{arriving};xy:z")] if arriving else [])
    root = tracer.start_span("root", remote_parent(ALL_KEPT, TraceState(entries)))
    child = tracer.start_span("child", context_with(root))
    fail(child)
    child.end()
    root.end()
    received = pipeline.received()
    assert [threshold_of(received[name]) for name in ("root", "child")] == [leaving, leaving]
    for span in received.values():
        assert "vendor=1" in span.trace_state
        assert ("xy:z" in span.trace_state) == bool(arriving)


def test_unsampled_spans_are_decided_on_too(make_pipeline: Callable[..., Pipeline]) -> None:
    """Recorded but not sampled: the flag sent downstream stays, errors are exported all the same."""
    pipeline = make_pipeline(sampler=sampling.AlwaysRecord(sampling.ALWAYS_OFF))
    tracer = pipeline.start(ERRORS)
    for name in ("bad", "good"):
        span = tracer.start_span(name)
        assert span.is_recording() and not span.get_span_context().trace_flags.sampled
        if name == "bad":
            fail(span)
        span.end()
    (span,) = pipeline.received().values()
    assert span.name == "bad" and not span.flags & TraceFlags.SAMPLED
    assert pipeline.stats()["sampled_out"] == 1


def test_always_record_exports_errors_and_what_the_head_sampled(make_pipeline: Callable[..., Pipeline]) -> None:
    """The second way to feed it, from tracer to receiver: the flag sent downstream is the head's."""
    pipeline = make_pipeline(sampler=AlwaysRecord(ParentBased(ConsistentProbability(0.25))))
    tracer = pipeline.start([tail.TraceFlags(), tail.StatusCode("ERROR")])
    sampled, failed = set(), set()
    for number in range(200):
        root = tracer.start_span(f"root {number}")
        child = tracer.start_span(f"child {number}", context_with(root))
        flag = root.get_span_context().trace_flags.sampled
        assert root.is_recording() and child.get_span_context().trace_flags.sampled == flag
        if flag:
            sampled.add(number)
        if number % 20 == 0:
            failed.add(number)
            fail(child)
        child.end()
        root.end()
    received = pipeline.received()
    assert set(received) == {f"{name} {number}" for number in sampled | failed for name in ("root", "child")}
    for name, span in received.items():
        number = int(name.split()[1])
        assert bool(span.flags & TraceFlags.SAMPLED) == (number in sampled)
        assert adjusted_count(span) == (4 if number in sampled else 0)


def adjusted_count(span: Any) -> float:
    """How many traces the span's stands for; 0 if it does not say."""
    threshold = threshold_of(span)
    return 0.0 if threshold is None else 2**56 / (2**56 - int(threshold.ljust(14, "0"), 16))


def test_counts_of_head_and_tail_do_not_add_up_to_more_than_there_was(make_pipeline: Callable[..., Pipeline]) -> None:
    """What the head sampled stands for everything; what the tail keeps beyond that by chance stands for nothing more."""
    pipeline = make_pipeline(sampler=AlwaysRecord(ParentBased(ConsistentProbability(0.1))))
    tracer = pipeline.start([tail.Probabilistic(0.5)])
    # Callers that did not sample, evenly over the range of R: the tail keeps half of them.
    for number in range(20):
        randomness = (2 * number + 1) * 2**56 // 40
        tracer.start_span(f"root {number}", remote_parent(1 << 64 | randomness, flags=0)).end()
    received = pipeline.received()
    assert len(received) == 10
    assert [threshold_of(span) for span in received.values()] == [None] * 10
    for number in range(200):
        tracer.start_span(f"own {number}").end()
    own = [span for name, span in pipeline.received().items() if name.startswith("own")]
    sampled = [span for span in own if span.flags & TraceFlags.SAMPLED]
    assert sum(map(adjusted_count, own)) == pytest.approx(10 * len(sampled), rel=1e-3)


@pytest.mark.parametrize(("rv", "th"), [("00000000000000", None), ("ffffffffffffff", "8")])
def test_threshold_of_an_early_decision_holds_or_goes(
    make_pipeline: Callable[..., Pipeline], rv: str, th: str | None
) -> None:
    """Decided on before a span of it had ended, a trace is judged by its id; it may say otherwise."""
    pipeline = make_pipeline()
    tracer = pipeline.start([tail.Probabilistic(0.5)], num_traces=1)
    span = tracer.start_span("early", remote_parent(ALL_KEPT, TraceState([("ot", f"rv:{rv}")])))
    other = tracer.start_span("other", remote_parent(1))
    span.end()
    other.end()
    (received,) = pipeline.received().values()
    assert (received.name, threshold_of(received)) == ("early", th)


class Stubborn(TraceState):
    """Lets nothing be encoded the first time: what a signal handler can do to any Python code."""

    raised = False

    def items(self) -> Any:
        if not Stubborn.raised:
            Stubborn.raised = True
            raise KeyboardInterrupt
        return super().items()


@pytest.mark.parametrize("native", [True, False])
def test_an_interrupt_while_encoding_loses_nothing(make_pipeline: Callable[..., Pipeline], native: bool) -> None:
    from opentelemetry.sdk.trace import TracerProvider

    Stubborn.raised = False
    pipeline = make_pipeline() if native else make_pipeline(provider_class=TracerProvider)
    tracer = pipeline.start(ERRORS)
    root: Span = tracer.start_span("root", remote_parent(5, Stubborn([("a", "b")])))
    child = tracer.start_span("child", context_with(root))
    Stubborn.raised = True
    child.end()
    fail(root)
    Stubborn.raised = False
    with pytest.raises(KeyboardInterrupt):
        root.end()
    assert set(pipeline.received()) == {"root", "child"}
    assert lost(pipeline.stats()) == {}
