"""What libraries do to the objects of the SDK beside its documented interface, on both implementations."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import trace as api
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, SynchronousMultiSpanProcessor
from opentelemetry.sdk.trace import export as sdk_export
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

import nanospan

PRIVATE_NAMES = [
    "_attributes",
    "_events",
    "_links",
    "_status",
    "_name",
    "_context",
    "_kind",
    "_parent",
    "_resource",
    "_start_time",
    "_end_time",
    "_instrumentation_info",
    "_instrumentation_scope",
    "_lock",
    "_limits",
    "_span_processor",
    "_sampler",
    "_record_exception",
    "_set_status_on_exception",
]


class Implementation:
    """The classes under test, and providers that are shut down after the test."""

    def __init__(self, module: Any, processor: type) -> None:
        self.module = module
        self.batch = processor
        self.exported = InMemorySpanExporter()
        self._providers: list[sdk.TracerProvider] = []

    def provider(self, *processors: SpanProcessor, **arguments: Any) -> sdk.TracerProvider:
        provider = self.module.TracerProvider(shutdown_on_exit=False, **arguments)
        for processor in processors:
            provider.add_span_processor(processor)
        self._providers.append(provider)
        return provider

    def tracer(self, *processors: SpanProcessor, **arguments: Any) -> sdk.Tracer:
        return self.provider(*processors, **arguments).get_tracer("surface")

    def close(self) -> tuple[ReadableSpan, ...]:
        for provider in self._providers:
            provider.shutdown()
        return self.exported.get_finished_spans()


@pytest.fixture(params=["stock", "nanospan"])
def under_test(request: pytest.FixtureRequest) -> Any:
    stock = Implementation(sdk, sdk_export.BatchSpanProcessor)
    made = stock if request.param == "stock" else Implementation(nanospan, nanospan.BatchSpanProcessor)
    yield made
    made.close()


def test_methods_assigned_after_the_first_span(under_test):
    batch = under_test.batch(under_test.exported)
    tracer = under_test.tracer(batch)
    tracer.start_span("before").end()
    on_start, on_end, ending = batch.on_start, batch.on_end, []

    def started(span: Any, parent_context: Any = None) -> None:
        span.set_attribute("started", True)
        on_start(span, parent_context)

    def ended(span: Any) -> None:
        span._attributes = {**span._attributes, "ended": True}
        on_end(span)

    batch.on_start, batch.on_end = started, ended
    batch._on_ending = lambda span: ending.append(span.name)
    tracer.start_span("after").end()
    before, after = under_test.close()
    assert dict(before.attributes) == {}
    assert dict(after.attributes) == {"started": True, "ended": True}
    assert ending == ["after"]


def test_a_subclass_of_the_batch_processor_changes_spans(under_test):
    class Renaming(under_test.batch):
        def on_end(self, span: ReadableSpan) -> None:
            span._name = f"renamed {span.name}"
            super().on_end(span)

    under_test.tracer(Renaming(under_test.exported)).start_span("span").end()
    assert [span.name for span in under_test.close()] == ["renamed span"]


def test_a_tracer_is_given_another_sampler_and_id_generator(under_test):
    class Counting(IdGenerator):
        def generate_span_id(self) -> int:
            return 7

        def generate_trace_id(self) -> int:
            return 9

    tracer = under_test.tracer()
    tracer.start_span("before").end()
    tracer.id_generator = Counting()
    assert tuple(tracer.start_span("span").get_span_context())[:2] == (9, 7)
    assert isinstance(tracer.id_generator, Counting)
    tracer.sampler = ALWAYS_OFF
    assert not tracer.start_span("span").is_recording()


def test_a_tracer_whose_start_span_is_replaced(under_test):
    tracer = under_test.tracer()
    start_span, names = tracer.start_span, []

    def noting(name: str, *arguments: Any, **named: Any) -> Any:
        names.append(name)
        return start_span(name, *arguments, **named)

    tracer.start_span = noting
    tracer.start_span("a").end()
    with tracer.start_as_current_span("b"):
        pass
    assert names == ["a", "b"]


def test_a_span_whose_methods_are_replaced(under_test):
    tracer, calls = under_test.tracer(), []
    span = tracer.start_span("end")
    end = span.end

    def noting(*arguments: Any) -> None:
        calls.append("end")
        end(*arguments)

    span.end = noting
    with span:
        pass
    span = tracer.start_span("record_exception")
    span.record_exception = lambda *arguments, **named: calls.append("record_exception")
    with pytest.raises(ValueError, match="broken"), span:
        raise ValueError("broken")
    assert calls == ["end", "record_exception"]


def test_attributes_of_ones_own(under_test):
    """On everything that applications hold: to set them, find them again, refer to the object weakly, use it as a key."""
    tracer = under_test.tracer(SimpleSpanProcessor(under_test.exported))
    span = tracer.start_span("span")
    span.end()
    (ended,) = under_test.exported.get_finished_spans()
    dropped = under_test.tracer(sampler=ALWAYS_OFF).start_span("dropped")
    for thing in (tracer, span, ended, dropped, under_test.provider()):
        thing.of_ones_own = "here"
        assert thing.of_ones_own == "here"
        assert vars(thing)["of_ones_own"] == "here"
        assert thing.__dict__["of_ones_own"] == "here"
        assert {"of_ones_own", "__class__"} <= set(dir(thing))
        assert weakref.ref(thing)() is thing
        assert {thing: 1}[thing] == 1
        del thing.of_ones_own
        assert not hasattr(thing, "of_ones_own")


def test_private_names_of_a_live_span(under_test):
    span = under_test.tracer().start_span("span", attributes={"key": 1}, links=[api.Link(SpanContext(1, 2, True))])
    for name in PRIVATE_NAMES:
        assert hasattr(span, name), name
    assert dict(span._attributes) == {"key": 1}
    assert span._readable_span().name == "span"
    assert type(span._readable_span()) is ReadableSpan
    span.end()
    with pytest.raises(TypeError):
        span._attributes["late"] = 1


def test_private_names_of_a_live_span_are_assigned(under_test):
    tracer = under_test.tracer(SimpleSpanProcessor(under_test.exported))
    span = tracer.start_span("span", attributes={"key": 1})
    span._name, span._kind, span._start_time = "assigned", SpanKind.SERVER, 5
    span._parent = SpanContext(1, 2, True, TraceFlags(1))
    span._status = Status(StatusCode.ERROR, "assigned")
    span._attributes["direct"] = 2
    span.set_attribute("later", 3)
    span.end(9)
    (ended,) = under_test.close()
    assert (ended.name, ended.kind, ended.start_time, ended.end_time) == ("assigned", SpanKind.SERVER, 5, 9)
    assert (ended.parent.span_id, ended.status.description) == (2, "assigned")
    assert dict(ended.attributes) == {"key": 1, "direct": 2, "later": 3}
    assert (span.name, span.start_time) == ("assigned", 5)


def test_the_attributes_of_a_live_span_are_replaced(under_test):
    tracer = under_test.tracer(SimpleSpanProcessor(under_test.exported))
    span = tracer.start_span("span", attributes={"key": 1})
    replaced = BoundedAttributes(attributes={"other": 2}, immutable=False)
    span._attributes = replaced
    span.set_attribute("later", 3)
    assert dict(replaced) == {"other": 2, "later": 3}
    span.end()
    assert dict(under_test.close()[0].attributes) == {"other": 2, "later": 3}


def test_one_store_of_attributes_from_start_to_end(under_test):
    """A processor keeps what it saw in on_start and compares it with what on_end brings."""
    seen: list[Any] = []

    class Keeping(SpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            seen.append(span._attributes)

        def on_end(self, span: Any) -> None:
            seen.append(span._attributes)

    under_test.tracer(Keeping()).start_span("span", attributes={"key": 1}).end()
    assert seen[0] is seen[1]


@pytest.mark.parametrize("make", [copy.copy, lambda span: span._readable_span()], ids=["copy", "readable"])
def test_copies_of_a_live_span(under_test, make: Callable[[Any], Any]):
    span = under_test.tracer().start_span("span", attributes={"key": 1})
    made = make(span)
    assert made is not span
    assert (made.name, dict(made.attributes), made.context) == ("span", {"key": 1}, span.get_span_context())


def test_processors_are_exchanged_under_the_providers_lock(under_test):
    first, second = SimpleSpanProcessor(InMemorySpanExporter()), SimpleSpanProcessor(under_test.exported)
    provider = under_test.provider(first)
    tracer = provider.get_tracer("surface")
    tracer.start_span("before").end()
    assert provider._active_span_processor._span_processors == (first,)
    with provider._active_span_processor._lock:
        provider._active_span_processor._span_processors = (second,)
    tracer.start_span("after").end()
    assert [span.name for span in under_test.close()] == ["after"]


def test_the_composite_processor_is_replaced(under_test):
    provider = under_test.provider()
    before = provider.get_tracer("before")
    provider._active_span_processor = SynchronousMultiSpanProcessor()
    provider.add_span_processor(SimpleSpanProcessor(under_test.exported))
    before.start_span("not seen").end()
    provider.get_tracer("after").start_span("seen").end()
    assert [span.name for span in under_test.close()] == ["seen"]


class Duck(api.Span):
    """A span of another make, as Sentry's and Logfire's wrappers are."""

    def __init__(self, context: SpanContext) -> None:
        self._context = context

    def get_span_context(self) -> SpanContext:
        return self._context

    def is_recording(self) -> bool:
        return True

    def end(self, *arguments: Any, **named: Any) -> None: ...

    set_attribute = set_attributes = add_event = update_name = set_status = record_exception = end


def test_a_span_of_another_make_is_a_parent(under_test):
    parent = Duck(SpanContext(11, 22, False, TraceFlags(1)))
    tracer = under_test.tracer()
    child = tracer.start_span("child", context=api.set_span_in_context(parent))
    assert (child.parent.span_id, child.get_span_context().trace_id) == (22, 11)
    with api.use_span(parent), tracer.start_as_current_span("inner") as inner:
        assert inner.parent.span_id == 22
        assert api.get_current_span() is inner
