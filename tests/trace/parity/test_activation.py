"""``start_as_current_span`` as a context manager, and ``with span``: who is active, what is recorded, when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from typing import Any

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Tracer
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, StatusCode, TraceFlags, get_current_span
from support.parity.implementation import STOCK, Implementation
from support.parity.pipeline import Recorder
from support.parity.portrait import without_sdk_frames


class Aborted(BaseException):
    """Neither an Exception nor one that Python knows."""


RECORDED = (ValueError, KeyError, StopIteration, StopAsyncIteration, ExceptionGroup)
PASSED_BY = (KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError, Aborted)


def make(kind: type[BaseException]) -> BaseException:
    return ExceptionGroup("message", [ValueError("inner")]) if kind is ExceptionGroup else kind("message")


def leave_by(tracer: Tracer, kind: type[BaseException], **arguments: Any) -> None:
    """Raise out of an active span, and check that the very object arrives."""
    error = make(kind)
    with pytest.raises(kind) as caught, tracer.start_as_current_span("span", **arguments):
        raise error
    assert caught.value is error


def events_of(recorder: Recorder) -> list[str]:
    (span,) = recorder.ended
    return [event.name for event in span.events]


# --- as a context manager ---------------------------------------------------------------------------------------------


def test_active_inside_and_ended_after(implementation: Implementation) -> None:
    recorder = Recorder()
    tracer = implementation.tracer(recorder)
    before = context.get_current()
    with tracer.start_as_current_span("outer") as outer:
        assert get_current_span() is outer
        with tracer.start_as_current_span("inner") as inner:
            assert get_current_span() is inner
            assert inner.parent == outer.get_span_context()
        assert get_current_span() is outer
        assert [span.name for span in recorder.ended] == ["inner"]
    assert get_current_span() is trace.INVALID_SPAN
    assert context.get_current() is before
    assert [span.name for span in recorder.ended] == ["inner", "outer"]


def test_nothing_starts_before_it_is_entered(implementation: Implementation) -> None:
    recorder = Recorder()
    manager = implementation.tracer(recorder).start_as_current_span("span")
    assert recorder.started == []
    with manager as span:
        assert recorder.started == [span]


def test_entered_once_only(implementation: Implementation) -> None:
    recorder = Recorder()
    manager = implementation.tracer(recorder).start_as_current_span("span")
    with manager:
        pass
    with pytest.raises(Exception), manager:  # noqa: B017 (the SDK lets contextlib raise what it likes)
        pass
    assert len(recorder.ended) == 1


def test_in_an_exit_stack(implementation: Implementation) -> None:
    recorder = Recorder()
    tracer = implementation.tracer(recorder)
    assert isinstance(tracer.start_as_current_span("span"), contextlib.AbstractContextManager)
    with pytest.raises(ValueError), contextlib.ExitStack() as stack:
        outer = stack.enter_context(tracer.start_as_current_span("outer"))
        inner = stack.enter_context(tracer.start_as_current_span("inner"))
        assert get_current_span() is inner
        raise ValueError
    assert [span.name for span in recorder.ended] == ["inner", "outer"]
    assert len(outer.events) == len(inner.events) == 1


def test_left_twice(implementation: Implementation) -> None:
    recorder = Recorder()
    manager = implementation.tracer(recorder).start_as_current_span("span")
    manager.__enter__()
    assert not manager.__exit__(None, None, None)
    assert not manager.__exit__(None, None, None)
    assert len(recorder.ended) == 1
    assert get_current_span() is trace.INVALID_SPAN


def test_left_open(implementation: Implementation) -> None:
    recorder = Recorder()
    tracer = implementation.tracer(recorder)
    with tracer.start_as_current_span("span", end_on_exit=False) as span:
        pass
    assert span.is_recording()
    assert recorder.ended == []
    with pytest.raises(ValueError), tracer.start_as_current_span("other", end_on_exit=False) as other:
        raise ValueError("message")
    assert other.is_recording()
    assert other.status.status_code is StatusCode.ERROR
    assert [event.name for event in other.events] == ["exception"]


def test_ended_inside(implementation: Implementation, caplog: pytest.LogCaptureFixture) -> None:
    recorder = Recorder()
    with implementation.tracer(recorder).start_as_current_span("span") as span:
        span.end(5)
    assert len(recorder.ended) == 1
    assert span.end_time == 5
    assert [record.getMessage() for record in caplog.records] == ["Calling end() on an ended span."]


def test_an_exception_after_the_end_is_not_recorded(implementation: Implementation) -> None:
    with pytest.raises(ValueError), implementation.tracer().start_as_current_span("span") as span:
        span.end(5)
        raise ValueError
    assert span.events == ()
    assert span.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize("sampled", [True, False])
def test_every_argument_in_order(implementation: Implementation, sampled: bool) -> None:
    parent = SpanContext(1, 2, True, TraceFlags(sampled))
    given = trace.set_span_in_context(NonRecordingSpan(parent), Context())
    link = trace.Link(SpanContext(3, 4, True), {"l": 1})
    tracer = implementation.tracer()
    arguments = ("name", given, trace.SpanKind.CLIENT, {"a": 1}, [link], 123, False, False, False)
    with tracer.start_as_current_span(*arguments) as span:
        pass
    assert span.get_span_context().trace_id == 1
    assert span.is_recording() is sampled
    if sampled:
        assert (span.name, span.parent, span.kind) == ("name", parent, trace.SpanKind.CLIENT)
        assert (dict(span.attributes), len(span.links), span.start_time) == ({"a": 1}, 1, 123)


# --- exceptions -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", RECORDED)
def test_exceptions_are_recorded(implementation: Implementation, kind: type[Exception]) -> None:
    recorder = Recorder()
    leave_by(implementation.tracer(recorder), kind)
    (span,) = recorder.ended
    assert [event.name for event in span.events] == ["exception"]
    assert span.events[0].attributes["exception.type"] == kind.__name__
    assert span.events[0].attributes["exception.escaped"] == "False"
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == f"{kind.__name__}: {make(kind)}"


@pytest.mark.parametrize("kind", PASSED_BY)
def test_what_is_no_exception_passes_by(implementation: Implementation, kind: type[BaseException]) -> None:
    recorder = Recorder()
    leave_by(implementation.tracer(recorder), kind)
    assert events_of(recorder) == []
    assert recorder.ended[0].status.status_code is StatusCode.UNSET
    assert get_current_span() is trace.INVALID_SPAN


@pytest.mark.parametrize("kind", [*RECORDED, *PASSED_BY])
@pytest.mark.parametrize(("record", "status"), [(False, True), (True, False), (False, False)])
def test_switches(implementation: Implementation, kind: type[BaseException], record: bool, status: bool) -> None:
    recorder = Recorder()
    leave_by(implementation.tracer(recorder), kind, record_exception=record, set_status_on_exception=status)
    family = issubclass(kind, Exception)
    assert events_of(recorder) == (["exception"] if record and family else [])
    assert recorder.ended[0].status.status_code is (StatusCode.ERROR if status and family else StatusCode.UNSET)


@pytest.mark.parametrize("kind", [*RECORDED, *PASSED_BY])
def test_with_span_records_every_family(implementation: Implementation, kind: type[BaseException]) -> None:
    recorder = Recorder()
    error = make(kind)
    with pytest.raises(kind) as caught, implementation.tracer(recorder).start_span("span") as span:
        assert get_current_span() is trace.INVALID_SPAN
        raise error
    assert caught.value is error
    assert span.events[0].attributes["exception.escaped"] == "True"
    assert span.status.description == f"{kind.__name__}: {error}"
    assert len(recorder.ended) == 1


@pytest.mark.parametrize(("record", "status"), [(False, True), (True, False), (False, False)])
def test_with_span_switches(implementation: Implementation, record: bool, status: bool) -> None:
    tracer = implementation.tracer()
    with (
        pytest.raises(ValueError),
        tracer.start_span("span", record_exception=record, set_status_on_exception=status) as span,
    ):
        raise ValueError
    assert len(span.events) == record
    assert (span.status.status_code is StatusCode.ERROR) == status


def test_a_status_that_was_set_stays(implementation: Implementation) -> None:
    with pytest.raises(ValueError), implementation.tracer().start_as_current_span("span") as span:
        span.set_status(StatusCode.OK)
        raise ValueError
    assert span.status.status_code is StatusCode.OK
    assert len(span.events) == 1


def test_each_level_records_its_own(implementation: Implementation) -> None:
    recorder = Recorder()
    tracer = implementation.tracer(recorder)
    with pytest.raises(ValueError), tracer.start_as_current_span("outer"), tracer.start_as_current_span("inner"):
        raise ValueError("message")
    assert [len(span.events) for span in recorder.ended] == [1, 1]


def test_an_exception_handled_inside_leaves_no_trace(implementation: Implementation) -> None:
    recorder = Recorder()
    with implementation.tracer(recorder).start_as_current_span("span"):
        try:
            raise ValueError
        except ValueError:
            pass
    assert events_of(recorder) == []


def _stack_text(implementation: Implementation, way: str) -> str:
    def deepest() -> None:
        raise ValueError("message")

    def deeper() -> None:
        try:
            deepest()
        except ValueError as error:
            raise KeyError("other") from error

    tracer = implementation.tracer()
    with pytest.raises(KeyError):
        if way == "active":
            with tracer.start_as_current_span("span", end_on_exit=False) as span:
                deeper()
        elif way == "use_span":
            span = tracer.start_span("span")
            with trace.use_span(span):
                deeper()
        else:
            with tracer.start_span("span") as span:
                deeper()
    return span.events[0].attributes["exception.stacktrace"]


@pytest.mark.parametrize("way", ["active", "use_span", "itself"])
def test_the_stack_text_is_the_applications(implementation: Implementation, way: str) -> None:
    """The frames that the SDK's own generators add are the only ones that may be missing."""
    text = without_sdk_frames(_stack_text(implementation, way))
    assert text == without_sdk_frames(_stack_text(STOCK, way))
    assert [line.rpartition(" ")[2] for line in text.splitlines() if line.startswith("  File")] == [
        *("deeper", "deepest", "_stack_text", "deeper")
    ]


# --- contexts ---------------------------------------------------------------------------------------------------------


def test_a_context_that_is_passed_is_not_attached(implementation: Implementation) -> None:
    given = baggage.set_baggage("only", "there", Context())
    ambient = context.attach(baggage.set_baggage("ambient", "kept"))
    try:
        with implementation.tracer().start_as_current_span("span", context=given) as span:
            assert get_current_span() is span
            assert baggage.get_all() == {"ambient": "kept"}
        implementation.tracer().start_span("span", context=given)
        assert get_current_span() is trace.INVALID_SPAN
    finally:
        context.detach(ambient)


def test_other_keys_survive(implementation: Implementation) -> None:
    tracer = implementation.tracer()
    token = context.attach(context.set_value("key", "value"))
    try:
        with tracer.start_as_current_span("span"):
            assert context.get_value("key") == "value"
            inner = context.attach(baggage.set_baggage("b", "1"))
            with tracer.start_as_current_span("inner") as span:
                assert baggage.get_all() == {"b": "1"}
                assert isinstance(context.get_current(), Context)
                assert trace.get_current_span(context.get_current()) is span
            context.detach(inner)
        assert context.get_value("key") == "value"
    finally:
        context.detach(token)


def test_the_context_inside_is_a_context_like_any_other(implementation: Implementation) -> None:
    with implementation.tracer().start_as_current_span("span") as span:
        current = context.get_current()
        assert dict(current) == {trace.set_span_in_context(span).__iter__().__next__(): span}
        with pytest.raises(ValueError):
            current["key"] = 1
        assert current.copy() == dict(current)
        assert context.set_value("key", 1)["key"] == 1


def test_a_parent_that_is_no_span_context(implementation: Implementation) -> None:
    class Strange(NonRecordingSpan):
        def get_span_context(self) -> Any:
            return "no context"

    given = trace.set_span_in_context(Strange(trace.INVALID_SPAN_CONTEXT))
    with pytest.raises(TypeError, match=r"parent_span_context must be a SpanContext or None\."):
        implementation.tracer().start_span("span", context=given)


def test_a_parent_without_a_context_means_a_root(implementation: Implementation) -> None:
    class Empty(NonRecordingSpan):
        def get_span_context(self) -> Any:
            return None

    given = trace.set_span_in_context(Empty(trace.INVALID_SPAN_CONTEXT))
    assert implementation.tracer().start_span("span", context=given).parent is None


def test_a_span_of_another_implementation_is_a_parent(implementation: Implementation) -> None:
    with STOCK.tracer().start_as_current_span("other") as parent:
        span = implementation.tracer().start_span("span")
    assert span.parent == parent.get_span_context()
    with implementation.tracer().start_as_current_span("parent") as parent:
        assert STOCK.tracer().start_span("child").parent == parent.get_span_context()


def test_sampled_out_spans_are_active_too(implementation: Implementation) -> None:
    recorder = Recorder()
    tracer = implementation.tracer(recorder, sampler=ALWAYS_OFF)
    with pytest.raises(ValueError), tracer.start_as_current_span("span", attributes={"a": 1}) as span:
        assert get_current_span() is span
        assert isinstance(span, NonRecordingSpan | Span)
        assert not isinstance(span, ReadableSpan)
        assert not span.is_recording()
        with tracer.start_as_current_span("child") as child:
            assert child.get_span_context().trace_id == span.get_span_context().trace_id
            assert child.get_span_context().span_id != span.get_span_context().span_id
        raise ValueError
    assert get_current_span() is trace.INVALID_SPAN
    assert recorder.calls == []


def test_the_signature_is_python(implementation: Implementation) -> None:
    for method in ("start_span", "start_as_current_span"):
        own = inspect.signature(getattr(implementation.tracer_class, method))
        assert list(own.parameters) == list(inspect.signature(getattr(Tracer, method)).parameters)
        defaults = {name: parameter.default for name, parameter in own.parameters.items()}
        assert defaults == {name: p.default for name, p in inspect.signature(getattr(Tracer, method)).parameters.items()}
