"""The batch span processor among the SDK's classes, other processors, subclasses and those who patch it."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    ReadableSpan,
    Span,
    SpanProcessor,
    SynchronousMultiSpanProcessor,
    TracerProvider,
)
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from support.accounting import WAIT, ended_span, spans_in
from support.receivers import HttpReceiver

import nanospan
from nanospan.export.http import OTLPSpanExporter

pytestmark = pytest.mark.usefixtures("clean_environment")


def new_processor(
    receiver: HttpReceiver, cls: type[nanospan.BatchSpanProcessor] = nanospan.BatchSpanProcessor, **settings: Any
) -> nanospan.BatchSpanProcessor:
    """Exports when a batch is full or somebody asks, and not by the clock."""
    settings.setdefault("schedule_delay_millis", 600_000)
    return cls(OTLPSpanExporter(receiver.url, timeout=WAIT), **settings)


def new_provider(*processors: SpanProcessor, **arguments: Any) -> TracerProvider:
    provider = TracerProvider(shutdown_on_exit=False, **arguments)
    for processor in processors:
        provider.add_span_processor(processor)
    return provider


def end_spans(provider: TracerProvider, *names: str) -> None:
    for name in names:
        provider.get_tracer("test").start_span(name).end()


class RecordOnly(Sampler):
    def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:
        return SamplingResult(Decision.RECORD_ONLY)

    def get_description(self) -> str:
        return "RecordOnly"


def test_recorded_but_unsampled_spans_are_not_exported(receiver: HttpReceiver) -> None:
    processor = new_processor(receiver)
    end_spans(new_provider(processor, sampler=RecordOnly()), "one", "two")
    assert processor.force_flush()
    stats = processor.stats()
    assert (stats["ended"], stats["sampled_out"], stats["exported"]) == (2, 2, 0)
    assert not receiver.requests
    processor.shutdown()


@pytest.mark.parametrize("multi", [SynchronousMultiSpanProcessor, ConcurrentMultiSpanProcessor])
def test_two_processors_of_one_provider(multi: Any) -> None:
    with HttpReceiver() as first, HttpReceiver() as second:
        processors = [new_processor(first), new_processor(second)]
        provider = new_provider(*processors, active_span_processor=multi())
        end_spans(provider, "one", "two")
        assert provider.force_flush(int(WAIT * 1000))
        assert first.span_names() == second.span_names() == ["one", "two"]
        provider.shutdown()
        assert [processor.stats()["exported"] for processor in processors] == [2, 2]


def test_on_start_assigned_to_the_instance_is_called(receiver: HttpReceiver) -> None:
    """As some distributions do to stamp attributes of their own on every span."""
    processor = new_processor(receiver)
    processor.on_start = lambda span, parent_context=None: span.set_attribute("stamp", 7)  # type: ignore[method-assign]
    end_spans(new_provider(processor), "stamped")
    assert processor.force_flush()
    (span,) = spans_in(request.body for request in receiver.requests)
    assert [(pair.key, pair.value.int_value) for pair in span.attributes] == [("stamp", 7)]
    processor.shutdown()


def test_on_end_assigned_to_the_instance_is_called(receiver: HttpReceiver) -> None:
    processor = new_processor(receiver)
    original = processor.on_end
    processor.on_end = lambda span: original(span) if span.name != "health" else None  # type: ignore[method-assign]
    end_spans(new_provider(processor), "health", "work")
    assert processor.force_flush()
    assert receiver.span_names() == ["work"]
    processor.shutdown()


def test_subclass_that_overrides_on_end(receiver: HttpReceiver) -> None:
    class Filtering(nanospan.BatchSpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            if span.name != "health":
                super().on_end(span)

    processor = new_processor(receiver, Filtering)
    end_spans(new_provider(processor), "health", "work")
    processor.shutdown()
    assert receiver.span_names() == ["work"]
    assert processor.stats()["ended"] == 1


def test_subclass_with_a_constructor_of_its_own(receiver: HttpReceiver) -> None:
    class Early(nanospan.BatchSpanProcessor):
        def __init__(self, exporter: Any) -> None:
            # A span that ends before the constructor has run is lost, and nothing else.
            self.on_end(ended_span("too early"))
            super().__init__(exporter, schedule_delay_millis=600_000)
            self.mine = True

    processor = Early(OTLPSpanExporter(receiver.url))
    assert processor.mine
    processor.on_end(ended_span("in time"))
    processor.shutdown()
    assert receiver.span_names() == ["in time"]


def test_is_a_span_processor() -> None:
    assert issubclass(nanospan.BatchSpanProcessor, SpanProcessor)


def test_schedule_delay_can_be_written(receiver: HttpReceiver) -> None:
    """As libraries do that want spans sooner. It holds from the next sleep on."""
    processor = new_processor(receiver)
    processor._batch_processor._schedule_delay = 0.01
    processor.on_end(ended_span("first"))
    assert processor.force_flush()
    processor.on_end(ended_span("second"))
    receiver.wait_for(lambda: len(receiver.requests) == 2)
    processor.shutdown()


class Mutator(SpanProcessor):
    """As processors that scrub: they put other attributes in the place of a span's."""

    def on_end(self, span: ReadableSpan) -> None:
        span._attributes = {**(span._attributes or {}), "mutated": True}

    def on_start(self, span: Span, parent_context: Any = None) -> None:
        span.set_attribute("made", True)


@pytest.mark.parametrize("first", ["mutator", "nanospan"])
def test_mutators_go_first(receiver: HttpReceiver, first: str) -> None:
    """A span is bytes when ``on_end`` returns: who changes it must be registered before."""
    processor = new_processor(receiver)
    processors = [Mutator(), processor] if first == "mutator" else [processor, Mutator()]
    end_spans(new_provider(*processors), "span")
    assert processor.force_flush()
    (span,) = spans_in(request.body for request in receiver.requests)
    keys = [pair.key for pair in span.attributes]
    assert keys == (["made", "mutated"] if first == "mutator" else ["made"])
    processor.shutdown()


def test_nothing_is_logged_when_all_is_well(receiver: HttpReceiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    processor = new_processor(receiver)
    end_spans(new_provider(processor), *map(str, range(100)))
    assert processor.force_flush()
    processor.shutdown()
    assert not [record for record in caplog.records if record.name.startswith("nanospan")]
