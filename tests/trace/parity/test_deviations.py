"""Where nanospan is decided to differ from the SDK: faults of other people's code stay away from the application."""

from __future__ import annotations

import logging
from itertools import count
from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, Sampler, SamplingResult
from opentelemetry.trace import (
    INVALID_SPAN,
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)
from support.parity.implementation import Implementation
from support.parity.pipeline import ByteCollector, Recorder, collecting_batches, spans_in_order

import nanospan

_numbers = count()
CALLS = ("on_start", "_on_ending", "on_end")


def raising_processor(call: str, error: type[BaseException] = RuntimeError) -> SpanProcessor:
    """Of a class of its own, since faults are logged once per class and call in a window."""

    def fail(self: Any, *args: Any, **kwargs: Any) -> None:
        raise error("broken")

    return type(f"Broken{next(_numbers)}", (SpanProcessor,), {call: fail})()


def raising_sampler(error: type[BaseException] = RuntimeError) -> Sampler:
    def should_sample(self: Any, *args: Any, **kwargs: Any) -> SamplingResult:
        raise error("broken")

    members = {"should_sample": should_sample, "get_description": lambda self: "Broken"}
    return type(f"Broken{next(_numbers)}", (Sampler,), members)()


def faults(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name.startswith("nanospan")]


@pytest.mark.parametrize("call", CALLS)
def test_a_processor_that_raises(native_implementation: Implementation, caplog: pytest.LogCaptureFixture, call: str) -> None:
    """The others are called, before it and after it, nanospan's own included."""
    first, last = Recorder(), Recorder()
    batches, collector = collecting_batches()
    broken = raising_processor(call)
    provider = native_implementation.provider(first, broken, batches, last)
    with provider.get_tracer("name").start_as_current_span("span") as span:
        span.set_attribute("a", 1)
    assert provider.force_flush()
    for recorder in (first, last):
        assert [recorded[1] for recorded in recorder.calls if recorded[1] != "force_flush"] == list(CALLS)
    assert [one.name for one in spans_in_order(collector)] == ["span"]
    (record,) = faults(caplog)
    assert record.levelno == logging.ERROR
    assert record.getMessage() == f"Exception in {type(broken).__name__}.{call}"
    assert record.exc_info is not None
    provider.shutdown()


def test_a_processor_that_raises_at_the_shutdown(
    native_implementation: Implementation, caplog: pytest.LogCaptureFixture
) -> None:
    """Those behind it are shut down too."""
    batches, collector = collecting_batches()
    broken = raising_processor("shutdown")
    provider = native_implementation.provider(broken, batches)
    provider.get_tracer("name").start_span("span").end()
    provider.shutdown()
    assert [one.name for one in spans_in_order(collector)] == ["span"]
    (record,) = faults(caplog)
    assert record.getMessage() == f"Exception in {type(broken).__name__}.shutdown"


@pytest.mark.parametrize("call", CALLS)
def test_it_is_logged_once_in_a_window(
    native_implementation: Implementation, caplog: pytest.LogCaptureFixture, call: str
) -> None:
    tracer = native_implementation.tracer(raising_processor(call))
    for _ in range(50):
        tracer.start_span("span").end()
    assert len(faults(caplog)) == 1


@pytest.mark.parametrize("call", CALLS)
def test_a_composite_that_raises(native_implementation: Implementation, caplog: pytest.LogCaptureFixture, call: str) -> None:
    """Also where the SDK's concurrent composite hands the exception on."""
    composite = ConcurrentMultiSpanProcessor(2)
    tracer = native_implementation.tracer(raising_processor(call), active_span_processor=composite)
    with tracer.start_as_current_span("span") as span:
        assert get_current_span() is span
    assert not span.is_recording()
    assert len(faults(caplog)) <= 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_interrupts_are_not_swallowed(native_implementation: Implementation, error: type[BaseException]) -> None:
    span = native_implementation.tracer(raising_processor("on_end", error)).start_span("span")
    with pytest.raises(error):
        span.end()
    with pytest.raises(error):
        native_implementation.tracer(sampler=raising_sampler(error)).start_span("span")


@pytest.mark.parametrize("wrap", [lambda sampler: sampler, ParentBased], ids=["itself", "as a delegate"])
def test_a_sampler_that_raises(native_implementation: Implementation, caplog: pytest.LogCaptureFixture, wrap: Any) -> None:
    """Means DROP: the span carries its parent's trace, and is not sampled."""
    recorder = Recorder()
    sampler = raising_sampler()
    tracer = native_implementation.tracer(recorder, sampler=wrap(sampler))
    with tracer.start_as_current_span("span", attributes={"a": 1}) as span:
        assert get_current_span() is span
    assert isinstance(span, NonRecordingSpan)
    assert span.get_span_context().is_valid
    assert not span.get_span_context().trace_flags.sampled
    assert recorder.calls == []
    assert get_current_span() is INVALID_SPAN
    assert len(faults(caplog)) <= 1


def test_a_sampler_that_raises_for_a_child(native_implementation: Implementation) -> None:
    parent = SpanContext(1, 2, True, TraceFlags(1))
    tracer = native_implementation.tracer(sampler=raising_sampler())
    context = tracer.start_span("span", set_span_in_context(NonRecordingSpan(parent))).get_span_context()
    assert (context.trace_id, context.trace_flags.sampled) == (1, False)
    assert context.span_id != 2


@pytest.mark.parametrize("answer", [None, "record", SamplingResult], ids=["nothing", "text", "a class"])
def test_a_sampler_that_answers_nonsense(native_implementation: Implementation, answer: Any) -> None:
    members = {"should_sample": lambda self, *args: answer, "get_description": lambda self: "Strange"}
    sampler = type(f"Strange{next(_numbers)}", (Sampler,), members)()
    span = native_implementation.tracer(sampler=sampler).start_span("span")
    assert not span.is_recording()


def test_processors_without_all_the_methods(native_implementation: Implementation, caplog: pytest.LogCaptureFixture) -> None:
    """Old ones have no ``_on_ending``; the SDK would raise AttributeError at the end of every span."""

    class Old:
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            seen.append("on_start")

        def on_end(self, span: ReadableSpan) -> None:
            seen.append("on_end")

    seen: list[str] = []
    native_implementation.tracer(Old()).start_span("span").end()  # type: ignore[arg-type]
    assert seen == ["on_start", "on_end"]
    assert len(faults(caplog)) <= 1


# --- nanospan's own processors come last ------------------------------------------------------------------------------


class Rewriting(SpanProcessor):
    def on_end(self, span: ReadableSpan) -> None:
        span._attributes = {"rewritten": True}
        span._name = "rewritten"


def test_what_later_processors_rewrite_is_exported(native_implementation: Implementation) -> None:
    """With the SDK, a batch processor that was added first would have queued what the others then rewrite."""
    batches, collector = collecting_batches()
    provider = native_implementation.provider(batches, Rewriting())
    provider.get_tracer("name").start_span("span", attributes={"a": 1}).end()
    assert provider.force_flush()
    (span,) = spans_in_order(collector)
    assert span.name == "rewritten"
    assert [pair.key for pair in span.attributes] == ["rewritten"]
    provider.shutdown()


def test_a_subclass_of_nanospans_processor_is_somebody_elses(native_implementation: Implementation) -> None:
    """Its calls come in their place among the foreign ones."""

    class Subclass(nanospan.BatchSpanProcessor):
        def on_start(self, span: Any, parent_context: Context | None = None) -> None:
            span.set_attribute("subclass", True)

        def on_end(self, span: ReadableSpan) -> None:
            span._name = f"{span._name}!"
            super().on_end(span)

    collector = ByteCollector()
    provider = native_implementation.provider(Subclass(collector, schedule_delay_millis=600_000))
    provider.get_tracer("name").start_span("span").end()
    assert provider.force_flush()
    (span,) = spans_in_order(collector)
    assert span.name == "span!"
    assert [pair.key for pair in span.attributes] == ["subclass"]
    provider.shutdown()


# --- attributes written from other places while they are cleaned ------------------------------------------------------


def test_a_value_that_writes_to_its_own_span(native_implementation: Implementation) -> None:
    """The SDK waits for its own lock for ever; here every key is there once, whoever comes first."""

    class Writing:
        def __str__(self) -> str:
            span.set_attribute("second", "from inside")
            span.set_attribute("third", "from inside")
            return "first"

    batches, collector = collecting_batches()
    provider = native_implementation.provider(batches)
    span = provider.get_tracer("name").start_span("span")
    span.set_attributes({"first": Writing(), "second": 2, "other": 3})
    span.end()
    assert provider.force_flush()
    (message,) = spans_in_order(collector)
    keys = [pair.key for pair in message.attributes]
    assert sorted(keys) == ["first", "other", "second", "third"]
    provider.shutdown()


def test_a_value_that_ends_its_own_span(native_implementation: Implementation) -> None:
    class Ending:
        def __str__(self) -> str:
            span.end()
            return "late"

    recorder = Recorder()
    span = native_implementation.tracer(recorder).start_span("span")
    span.set_attributes({"before": 1, "ending": Ending(), "after": 2})
    assert len(recorder.ended) == 1
    assert not span.is_recording()
