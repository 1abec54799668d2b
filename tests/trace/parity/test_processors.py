"""What processors are given, in which order, and when they are added, replaced or patched."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.trace import (
    ConcurrentMultiSpanProcessor,
    ReadableSpan,
    Span,
    SpanProcessor,
    SynchronousMultiSpanProcessor,
    sampling,
)
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import get_current_span, set_span_in_context
from support.parity.implementation import Implementation
from support.parity.pipeline import Recorder, collecting_batches, spans_in_order

from nanospan._compat.stock import AlwaysRecordSampler


def test_the_order_of_calls(implementation: Implementation) -> None:
    """on_start while it records; then, with an end time, _on_ending for all and on_end for all, in the order of adding."""
    calls: list[Any] = []
    tracer = implementation.tracer(*(Recorder(name, calls) for name in "abc"))
    tracer.start_span("span").end()
    assert calls == [
        *((name, "on_start", "span", True) for name in "abc"),
        *((name, "_on_ending", "span", True) for name in "abc"),
        *((name, "on_end", "span", False) for name in "abc"),
    ]


def test_the_objects_that_are_passed(implementation: Implementation) -> None:
    """on_start and _on_ending get the span; on_end one new ReadableSpan, the same for all."""
    ending: list[Any] = []

    class Watching(Recorder):
        def _on_ending(self, span: Span) -> None:
            ending.append((span, span.end_time))

    recorders = [Watching(), Watching()]
    span = implementation.tracer(*recorders).start_span("span")
    span.end(end_time=99)
    assert [recorder.started for recorder in recorders] == [[span], [span]]
    assert ending == [(span, 99), (span, 99)]
    first, second = recorders[0].ended[0], recorders[1].ended[0]
    assert first is second
    assert type(first) is ReadableSpan
    assert first.context is span.get_span_context()
    assert first.end_time == 99


def test_the_context_argument_arrives_raw(implementation: Implementation) -> None:
    recorder = Recorder()
    tracer = implementation.tracer(recorder)
    given = Context({"key": 1})
    with tracer.start_as_current_span("implicit"):
        tracer.start_span("child")
        tracer.start_span("given", given)
        tracer.start_as_current_span("given", context=given).__enter__()
    assert recorder.contexts[:2] == [None, None]
    assert recorder.contexts[2] is given
    assert recorder.contexts[3] is given


def test_the_context_is_passed_by_its_name(implementation: Implementation) -> None:
    class Named(SpanProcessor):
        def on_start(self, span: Span, *args: Any, **kwargs: Any) -> None:
            found.append((args, list(kwargs)))

    found: list[Any] = []
    implementation.tracer(Named()).start_span("span")
    assert found == [((), ["parent_context"])]


def test_called_where_the_span_is_not_active_yet(implementation: Implementation) -> None:
    class Looking(SpanProcessor):
        def on_start(self, span: Span, parent_context: Context | None = None) -> None:
            seen.append(("on_start", get_current_span() is span))

        def on_end(self, span: ReadableSpan) -> None:
            seen.append(("on_end", get_current_span().get_span_context() == span.context))

    seen: list[Any] = []
    with implementation.tracer(Looking()).start_as_current_span("span"):
        pass
    assert seen == [("on_start", False), ("on_end", False)]


def test_a_processor_added_later(implementation: Implementation) -> None:
    """Tracers that exist and spans that are open notice it."""
    first, second = Recorder("first"), Recorder("second")
    provider = implementation.provider(first)
    tracer = provider.get_tracer("name")
    span = tracer.start_span("open")
    provider.add_span_processor(second)
    span.end()
    tracer.start_span("new").end()
    assert [span.name for span in first.ended] == ["open", "new"]
    assert [call[1:3] for call in second.calls] == [
        *[("_on_ending", "open"), ("on_end", "open")],
        *[("on_start", "new"), ("_on_ending", "new"), ("on_end", "new")],
    ]
    assert provider._active_span_processor._span_processors == (first, second)


def test_a_processor_added_to_a_provider_without_any(implementation: Implementation) -> None:
    recorder = Recorder()
    provider = implementation.provider()
    tracer = provider.get_tracer("name")
    span = tracer.start_span("open", attributes={"a": 1})
    provider.add_span_processor(recorder)
    span.end()
    assert [span.attributes["a"] for span in recorder.ended] == [1]


def test_the_tuple_of_processors_replaced(implementation: Implementation) -> None:
    """Some applications take processors away by assigning the tuple."""
    first, second = Recorder(), Recorder()
    provider = implementation.provider(first)
    tracer = provider.get_tracer("name")
    tracer.start_span("before").end()
    provider._active_span_processor._span_processors = (second,)
    tracer.start_span("after").end()
    provider._active_span_processor._span_processors = ()
    tracer.start_span("nobody").end()
    assert [span.name for span in first.ended] == ["before"]
    assert [span.name for span in second.ended] == ["after"]


def test_one_processor_twice(implementation: Implementation) -> None:
    recorder = Recorder()
    implementation.tracer(recorder, recorder).start_span("span").end()
    assert len(recorder.started) == len(recorder.ended) == 2


@pytest.mark.parametrize("composite", [SynchronousMultiSpanProcessor, lambda: ConcurrentMultiSpanProcessor(2)])
def test_a_composite_of_the_sdk(implementation: Implementation, composite: Any) -> None:
    made = composite()
    batches, collector = collecting_batches()
    first, second = Recorder(), Recorder()
    provider = implementation.provider(active_span_processor=made)
    for processor in (first, batches, second):
        provider.add_span_processor(processor)
    provider.get_tracer("name").start_span("span", attributes={"a": 1}).end()
    assert len(first.ended) == len(second.ended) == 1
    assert first.ended[0] is second.ended[0]
    assert provider.force_flush()
    assert [span.name for span in spans_in_order(collector)] == ["span"]
    provider.shutdown()


def test_a_composite_inside_another(implementation: Implementation) -> None:
    inner, recorder = SynchronousMultiSpanProcessor(), Recorder()
    tracer = implementation.tracer(inner)
    inner.add_span_processor(recorder)
    tracer.start_span("span").end()
    assert [call[1] for call in recorder.calls] == ["on_start", "_on_ending", "on_end"]


def test_spans_that_are_only_recorded(implementation: Implementation) -> None:
    """Processors see them; exporters behind processors that look at the flag do not."""
    recorder, exporter = Recorder(), InMemorySpanExporter()
    batches, collector = collecting_batches()
    sampler = AlwaysRecordSampler(sampling.ALWAYS_OFF)
    provider = implementation.provider(recorder, SimpleSpanProcessor(exporter), batches, sampler=sampler)
    provider.get_tracer("name").start_span("span").end()
    assert provider.force_flush()
    assert len(recorder.ended) == 1
    assert exporter.get_finished_spans() == ()
    assert collector.bodies == []
    provider.shutdown()


def test_the_sdks_simple_processor(implementation: Implementation) -> None:
    exporter = InMemorySpanExporter()
    tracer = implementation.tracer(SimpleSpanProcessor(exporter))
    with tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
        pass
    assert [span.name for span in exporter.get_finished_spans()] == ["inner", "outer"]


# --- what processors do to spans --------------------------------------------------------------------------------------


def test_writing_on_start(implementation: Implementation) -> None:
    class Writing(SpanProcessor):
        def on_start(self, span: Span, parent_context: Context | None = None) -> None:
            span.set_attribute("parent", get_current_span(parent_context).get_span_context().span_id)
            span.update_name(f"{span.name}!")

    recorder = Recorder()
    tracer = implementation.tracer(Writing(), recorder)
    with tracer.start_as_current_span("parent") as parent:
        tracer.start_span("child").end()
    child, _ = recorder.ended
    assert child.name == "child!"
    assert child.attributes["parent"] == parent.get_span_context().span_id


def test_ending_on_start(implementation: Implementation) -> None:
    class Hasty(SpanProcessor):
        def on_start(self, span: Span, parent_context: Context | None = None) -> None:
            span.end()

    recorder = Recorder()
    tracer = implementation.tracer(Hasty(), recorder)
    assert not tracer.start_span("span").is_recording()
    assert [span.name for span in recorder.ended] == ["span"]


def test_too_late_to_write(implementation: Implementation) -> None:
    class Late(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            with pytest.raises(TypeError):
                span._attributes["late"] = 1  # type: ignore[index]
            with pytest.raises(TypeError):
                span.attributes["late"] = 1  # type: ignore[index]

    recorder = Recorder()
    implementation.tracer(Late(), recorder).start_span("span", attributes={"a": 1}).end()
    assert dict(recorder.ended[0].attributes) == {"a": 1}


def test_spans_inside_processors(implementation: Implementation) -> None:
    """A processor that traces: its own spans go the same way."""

    class Tracing(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            if span.name == "outer":
                with tracer.start_as_current_span("inside", context=set_span_in_context(get_current_span())):
                    pass

    recorder = Recorder()
    tracer = implementation.tracer(Tracing(), recorder)
    with tracer.start_as_current_span("outer"):
        pass
    assert [span.name for span in recorder.ended] == ["inside", "outer"]


# --- patches of instances ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("added_before", [True, False])
def test_methods_assigned_to_an_instance(implementation: Implementation, added_before: bool) -> None:
    recorder, seen = Recorder(), []
    provider = implementation.provider()
    tracer = provider.get_tracer("name")
    if added_before:
        provider.add_span_processor(recorder)
        tracer.start_span("before").end()
    recorder.on_start = lambda span, parent_context=None: seen.append(("on_start", span.name))  # type: ignore
    recorder.on_end = lambda span: seen.append(("on_end", span.name))  # type: ignore
    if not added_before:
        provider.add_span_processor(recorder)
    tracer.start_span("after").end()
    assert seen == [("on_start", "after"), ("on_end", "after")]
    assert [span.name for span in recorder.ended] == (["before"] if added_before else [])


@pytest.mark.parametrize("added_before", [True, False])
def test_methods_assigned_to_nanospans_processor(implementation: Implementation, added_before: bool) -> None:
    """As some do with the SDK's batch processor, to add attributes."""
    batches, collector = collecting_batches()
    provider = implementation.provider()
    tracer = provider.get_tracer("name")
    if added_before:
        provider.add_span_processor(batches)
        tracer.start_span("before").end()
    inherited = batches.on_end

    def on_start(span: Span, parent_context: Context | None = None) -> None:
        span.set_attribute("patched", True)

    def on_end(span: ReadableSpan) -> None:
        span._name = f"{span.name}, patched"
        inherited(span)

    batches.on_start, batches.on_end = on_start, on_end  # type: ignore[method-assign]
    if not added_before:
        provider.add_span_processor(batches)
    tracer.start_span("after").end()
    assert provider.force_flush()
    spans = spans_in_order(collector)
    assert [span.name for span in spans] == ["before", "after, patched"][not added_before :]
    assert [pair.key for pair in spans[-1].attributes] == ["patched"]
    provider.shutdown()
