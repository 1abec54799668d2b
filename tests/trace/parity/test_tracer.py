"""What a tracer asks of samplers and id generators, and its attributes, which may be replaced at any time."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, SynchronousMultiSpanProcessor, sampling
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, SamplingResult
from opentelemetry.trace import INVALID_SPAN, Link, NonRecordingSpan, SpanContext, SpanKind, TraceFlags, set_span_in_context
from opentelemetry.trace.span import TraceState
from support.parity.implementation import Implementation
from support.parity.pipeline import CountingIds, Recorder

import nanospan
from nanospan import sampling as nanospan_sampling


class Asked:
    """A sampler by its methods alone, which keeps the arguments of every call."""

    def __init__(self, decision: Decision = Decision.RECORD_AND_SAMPLE, ids: CountingIds | None = None) -> None:
        self.calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
        self._decision = decision
        self._ids = ids

    def should_sample(self, *args: Any, **kwargs: Any) -> SamplingResult:
        self.calls.append((args, kwargs))
        if self._ids is not None:
            self._ids.asked.append("sampler")
        return SamplingResult(self._decision, {"from": "sampler"}, TraceState([("from", "sampler")]))

    def get_description(self) -> str:
        return "Asked"


def test_the_sampler_gets_six_positional_arguments(implementation: Implementation) -> None:
    sampler = Asked()
    tracer = implementation.tracer(sampler=sampler, id_generator=CountingIds())
    context, attributes, links = Context({"k": 1}), {"a": 1}, [Link(SpanContext(1, 2, True))]
    span = tracer.start_span("name", context, SpanKind.SERVER, attributes, links)
    ((args, kwargs),) = sampler.calls
    assert kwargs == {}
    assert len(args) == 6
    assert args[0] is context
    assert args[1] == span.get_span_context().trace_id
    assert (args[2], args[3]) == ("name", SpanKind.SERVER)
    assert args[4] is attributes
    assert args[5] is links


@pytest.mark.parametrize("links", [None, (), []])
def test_what_was_left_out_reaches_the_sampler_raw(implementation: Implementation, links: Any) -> None:
    sampler = Asked()
    implementation.tracer(sampler=sampler).start_span("name", links=links)
    ((args, _),) = sampler.calls
    assert args[0] is None
    assert args[3:] == (SpanKind.INTERNAL, None, ())
    assert isinstance(args[5], tuple)


def test_the_samplers_attributes_replace_the_callers(implementation: Implementation) -> None:
    span = implementation.tracer(sampler=Asked()).start_span("name", attributes={"a": 1})
    assert dict(span.attributes) == {"from": "sampler"}
    assert span.get_span_context().trace_state.to_header() == "from=sampler"


@pytest.mark.parametrize("decision", list(Decision))
def test_ids_are_asked_for_around_the_sampler(implementation: Implementation, decision: Decision) -> None:
    """A dropped span takes a span id as well."""
    ids = CountingIds()
    tracer = implementation.tracer(sampler=Asked(decision, ids), id_generator=ids)
    root = tracer.start_span("root")
    tracer.start_span("child", set_span_in_context(root))
    assert ids.asked == ["trace", "sampler", "span", "sampler", "span"]


@pytest.mark.parametrize("decision", list(Decision))
@pytest.mark.parametrize("random", [True, False])
def test_flags_of_a_root(implementation: Implementation, decision: Decision, random: bool) -> None:
    tracer = implementation.tracer(sampler=Asked(decision), id_generator=CountingIds(random))
    flags = tracer.start_span("root").get_span_context().trace_flags
    assert isinstance(flags, TraceFlags)
    assert (flags.sampled, flags.random_trace_id) == (decision is Decision.RECORD_AND_SAMPLE, random)


@pytest.mark.parametrize("flags", range(4))
def test_flags_of_a_child(implementation: Implementation, flags: int) -> None:
    """The random bit is the parent's, and the sampled bit the sampler's."""
    parent = set_span_in_context(NonRecordingSpan(SpanContext(1, 2, True, TraceFlags(flags))))
    found = implementation.tracer(sampler=sampling.ALWAYS_ON).start_span("child", parent).get_span_context().trace_flags
    assert found == 1 | (flags & 2)


def test_parts_of_the_context(implementation: Implementation) -> None:
    context = implementation.tracer().start_span("root").get_span_context()
    assert type(context) is SpanContext
    assert type(context.trace_state) is TraceState
    assert type(context.trace_flags) is TraceFlags
    assert (context.is_remote, context.is_valid) == (False, True)
    assert len(context) == 6


def test_a_dropped_span(implementation: Implementation) -> None:
    recorder = Recorder()
    tracer = implementation.tracer(recorder, sampler=Asked(Decision.DROP))
    span = tracer.start_span("dropped", attributes={"a": 1})
    assert isinstance(span, NonRecordingSpan)
    assert repr(span) == f"NonRecordingSpan({span.get_span_context()!r})"
    assert span.get_span_context().trace_state.to_header() == "from=sampler"
    for call in (
        lambda: span.set_attribute("a", 1),
        lambda: span.set_attributes({"a": 1}),
        lambda: span.add_event("e", {"a": 1}, 5),
        lambda: span.add_link(span.get_span_context(), {}),
        lambda: span.update_name("new"),
        lambda: span.set_status("anything", "at all"),
        lambda: span.record_exception(ValueError(), {"a": 1}, 5, True),
        lambda: span.end(5),
        lambda: span.end(end_time=5),
    ):
        assert call() is None
    with span as entered:
        assert entered is span
    assert recorder.calls == []


# --- attributes of the tracer -----------------------------------------------------------------------------------------


def test_attributes(implementation: Implementation) -> None:
    limits, ids = SpanLimits(max_attributes=3), CountingIds()
    provider = implementation.provider(span_limits=limits, id_generator=ids, sampler=sampling.ALWAYS_ON)
    tracer = provider.get_tracer("name", "1.0", "https://example.com/schema", {"a": 1})
    assert isinstance(tracer, implementation.tracer_class)
    assert tracer.sampler is sampling.ALWAYS_ON
    assert tracer.resource is provider.resource
    assert tracer.span_processor is provider._active_span_processor
    assert tracer.id_generator is ids
    assert tracer._span_limits is limits
    assert tracer.instrumentation_info.name == "name"
    assert tracer._instrumentation_scope.attributes == {"a": 1}
    assert tracer._tracer_config.is_enabled
    assert tracer._is_enabled()


@pytest.mark.parametrize("before", [sampling.ALWAYS_ON, nanospan_sampling.ALWAYS_ON, sampling.DEFAULT_ON])
def test_another_sampler(implementation: Implementation, before: Any) -> None:
    tracer = implementation.tracer(sampler=before)
    assert tracer.start_span("before").is_recording()
    for after in (sampling.ALWAYS_OFF, nanospan_sampling.ALWAYS_OFF, Asked(Decision.DROP)):
        tracer.sampler = after
        assert not tracer.start_span("after").is_recording()
        tracer.sampler = before
        assert tracer.start_span("again").is_recording()


@pytest.mark.parametrize("before", [RandomIdGenerator, nanospan.RandomIdGenerator, CountingIds])
def test_another_id_generator(implementation: Implementation, before: Any) -> None:
    tracer = implementation.tracer(id_generator=before())
    tracer.start_span("before")
    ids = tracer.id_generator = CountingIds()
    first, second = (tracer.start_span("after").get_span_context().trace_id for _ in range(2))
    assert ids.asked == ["trace", "span"] * 2
    fresh = CountingIds()
    assert first == fresh.generate_trace_id()
    fresh.generate_span_id()
    assert second == fresh.generate_trace_id()
    tracer.id_generator = before()
    tracer.start_span("again")
    assert len(ids.asked) == 4


def test_another_resource(implementation: Implementation) -> None:
    tracer = implementation.tracer()
    open_before = tracer.start_span("before")
    resource = tracer.resource = Resource({"other": True})
    assert tracer.start_span("after").resource is resource
    assert open_before.resource is not resource


def test_another_processor(implementation: Implementation) -> None:
    first, second = Recorder(), Recorder()
    tracer = implementation.tracer(first)
    span = tracer.start_span("before")
    tracer.span_processor = SynchronousMultiSpanProcessor()
    tracer.span_processor.add_span_processor(second)
    tracer.start_span("after").end()
    span.end()
    assert [span.name for span in first.ended] == ["before"]
    assert [span.name for span in second.ended] == ["after"]
    single = tracer.span_processor = Recorder()
    tracer.start_span("single").end()
    assert [span.name for span in single.ended] == ["single"]


def test_other_limits(implementation: Implementation) -> None:
    tracer = implementation.tracer()
    tracer._span_limits = SpanLimits(max_span_attributes=1, max_span_attribute_length=2)
    span = tracer.start_span("limited", attributes={"a": 1, "b": "long"})
    assert dict(span.attributes) == {"b": "lo"}
    assert span.dropped_attributes == 1
    tracer._span_limits = SpanLimits()
    assert len(tracer.start_span("free", attributes={"a": 1, "b": "long"}).attributes) == 2


def test_another_scope(implementation: Implementation) -> None:
    tracer = implementation.tracer()
    other = implementation.provider().get_tracer("other")._instrumentation_scope
    tracer._instrumentation_scope = other
    assert tracer.start_span("span").instrumentation_scope is other


def test_any_attribute_may_be_added(implementation: Implementation) -> None:
    tracer = implementation.tracer()
    tracer.something = 1
    assert tracer.something == 1


def test_one_link_for_many_spans(implementation: Implementation) -> None:
    link = Link(SpanContext(1, 2, True), {"a": 1})
    tracer = implementation.tracer()
    spans = [tracer.start_span(str(number), links=[link]) for number in range(3)]
    assert [[dict(one.attributes) for one in span.links] for span in spans] == [[{"a": 1}]] * 3


def test_an_invalid_current_span_means_a_root(implementation: Implementation) -> None:
    span = implementation.tracer().start_span("span", set_span_in_context(INVALID_SPAN))
    assert span.parent is None
    assert span.get_span_context().is_valid
