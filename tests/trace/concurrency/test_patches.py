"""Classes of the SDK that others patch, borrow from, wrap and subclass."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk import trace as sdk
from opentelemetry.sdk.trace import sampling
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Span, SpanContext, StatusCode, get_current_span
from support.parity.implementation import Implementation
from support.parity.pipeline import CountingIds, Recorder

import nanospan.sampling


def test_record_exception_patched_on_the_sdks_class(implementation: Implementation, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    original = sdk.Span.record_exception

    def patched(self: Any, exception: BaseException, *args: Any, **kwargs: Any) -> None:
        seen.append((exception, kwargs.get("escaped", False)))
        original(self, exception, *args, **kwargs)

    tracer = implementation.tracer()
    before = tracer.start_span("before")
    monkeypatch.setattr(sdk.Span, "record_exception", patched)
    error = ValueError("message")
    before.record_exception(error)
    with pytest.raises(ValueError), tracer.start_as_current_span("active") as active:
        raise error
    with pytest.raises(ValueError), tracer.start_span("itself") as itself:
        raise error
    assert seen == [(error, False), (error, False), (error, True)]
    assert [len(span.events) for span in (before, active, itself)] == [1, 1, 1]


def test_record_exception_assigned_to_a_span(implementation: Implementation) -> None:
    seen: list[Any] = []
    error = ValueError("message")
    with pytest.raises(ValueError), implementation.tracer().start_as_current_span("span") as span:
        span.record_exception = seen.append
        raise error
    assert seen == [error]
    assert span.events == ()


@pytest.mark.parametrize("method", ["end", "set_status"])
def test_methods_patched_on_the_concrete_class(
    implementation: Implementation, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    seen: list[str] = []
    original = getattr(implementation.span_class, method)

    def patched(self: Any, *args: Any, **kwargs: Any) -> None:
        seen.append(self.name)
        original(self, *args, **kwargs)

    monkeypatch.setattr(implementation.span_class, method, patched)
    with pytest.raises(ValueError), implementation.tracer().start_as_current_span("span"):
        raise ValueError
    assert seen == ["span"]


def test_end_assigned_to_a_span(implementation: Implementation) -> None:
    """As instrumentations do that must know when a span ends."""
    recorder, seen = Recorder(), []
    with implementation.tracer(recorder).start_as_current_span("span") as span:
        original = span.end

        def end(*args: Any, **kwargs: Any) -> None:
            seen.append("end")
            original(*args, **kwargs)

        span.end = end
    assert seen == ["end"]
    assert len(recorder.ended) == 1


def test_any_attribute_may_be_added_to_a_span(implementation: Implementation) -> None:
    span = implementation.tracer().start_span("span")
    span._private_mark = [1]
    assert span._private_mark == [1]
    del span._private_mark
    assert not hasattr(span, "_private_mark")


# --- tracers borrowed and wrapped -------------------------------------------------------------------------------------


class Proxy:
    """Passes everything on, and is no tracer itself."""

    def __init__(self, wrapped: Any) -> None:
        self.__wrapped__ = wrapped

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__wrapped__, name)

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(self.__wrapped__)


def test_start_span_called_on_the_class_with_a_proxy(implementation: Implementation) -> None:
    """A proxy overrides ``id_generator``, and ``start_span`` of the class is called with it."""

    class OwnIds(Proxy):
        id_generator = CountingIds()

    recorder = Recorder()
    tracer = implementation.tracer(recorder)
    proxy = OwnIds(tracer)
    span = proxy.__class__.start_span(self=proxy, name="span", attributes={"a": 1})
    span.end()
    assert OwnIds.id_generator.asked == ["trace", "span"]
    assert [span.name for span in recorder.ended] == ["span"]
    assert isinstance(span, implementation.span_class)


def test_start_as_current_span_borrowed_by_another_class(implementation: Implementation) -> None:
    class Borrower:
        start_as_current_span = implementation.tracer_class.start_as_current_span

        def __init__(self, tracer: Any) -> None:
            self.tracer = tracer
            self.started: list[str] = []

        def start_span(self, name: str, *args: Any, **kwargs: Any) -> Span:
            self.started.append(name)
            return self.tracer.start_span(f"{name}, borrowed", *args, **kwargs)

    borrower = Borrower(implementation.tracer())
    with borrower.start_as_current_span("span", attributes={"a": 1}) as span:
        assert get_current_span() is span
    assert borrower.started == ["span"]
    assert span.name == "span, borrowed"

    @borrower.start_as_current_span("decorated")
    def work() -> str:
        return get_current_span().name

    assert work() == "decorated, borrowed"


def test_through_the_proxy_of_the_api(implementation: Implementation) -> None:
    """What applications hold that asked for a tracer before there was a provider."""
    recorder = Recorder()
    proxy = trace.ProxyTracer("name")
    proxy._real_tracer = implementation.tracer(recorder)
    with pytest.raises(ValueError), proxy.start_as_current_span("active", attributes={"a": 1}) as span:
        assert get_current_span() is span
        proxy.start_span("child").end()
        raise ValueError

    @proxy.start_as_current_span("decorated")
    async def work() -> str:
        await asyncio.sleep(0)
        return get_current_span().name

    assert asyncio.run(work()) == "decorated"
    assert [span.name for span in recorder.ended] == ["child", "active", "decorated"]
    assert len(recorder.ended[1].events) == 1


def test_a_subclass_of_the_tracer(implementation: Implementation) -> None:
    class Subclass(implementation.tracer_class):  # type: ignore[name-defined, misc]
        def start_span(self, name: str, *args: Any, **kwargs: Any) -> Span:
            span = super().start_span(name, *args, **kwargs)
            span.set_attribute("subclass", True)
            return span

    recorder = Recorder()
    provider = implementation.provider(recorder)
    plain = provider.get_tracer("name")
    tracer = Subclass(
        plain.sampler,
        plain.resource,
        plain.span_processor,
        plain.id_generator,
        plain.instrumentation_info,
        plain._span_limits,
        plain._instrumentation_scope,
    )
    with tracer.start_as_current_span("active"):
        tracer.start_span("child").end()
    assert [dict(span.attributes) for span in recorder.ended] == [{"subclass": True}] * 2


def test_start_span_assigned_to_a_tracer(implementation: Implementation) -> None:
    tracer = implementation.tracer()
    original = tracer.start_span
    tracer.start_span = lambda name, *args, **kwargs: original(f"{name}!", *args, **kwargs)  # type: ignore
    with tracer.start_as_current_span("span") as span:
        assert span.name == "span!"


def test_start_span_patched_on_the_class(implementation: Implementation, monkeypatch: pytest.MonkeyPatch) -> None:
    original = implementation.tracer_class.start_span

    def patched(self: Any, name: str, *args: Any, **kwargs: Any) -> Any:
        return original(self, f"{name}!", *args, **kwargs)

    tracer = implementation.tracer()
    monkeypatch.setattr(implementation.tracer_class, "start_span", patched)
    assert tracer.start_span("span").name == "span!"
    with tracer.start_as_current_span("span") as span:
        assert span.name == "span!"


def test_methods_of_the_tracer_are_functions(implementation: Implementation) -> None:
    """What wraps them asks for ``__name__`` and binds them to instances of its own."""
    for name in ("start_span", "start_as_current_span"):
        method = getattr(implementation.tracer_class, name)
        assert callable(method)
        assert method.__name__ == name
        assert hasattr(method, "__get__")


# --- samplers and id generators ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("made", [lambda: None, RandomIdGenerator], ids=["default", "the SDK's"])
@pytest.mark.parametrize("patched_before", [True, False])
def test_methods_assigned_to_an_id_generator(implementation: Implementation, made: Any, patched_before: bool) -> None:
    provider = implementation.provider(id_generator=made())
    if not patched_before:
        provider.get_tracer("name").start_span("before")
    provider.id_generator.generate_trace_id = lambda: 5
    provider.id_generator.generate_span_id = lambda: 7
    context = provider.get_tracer("name").start_span("span").get_span_context()
    assert (context.trace_id, context.span_id) == (5, 7)


def always_drops(*args: Any, **kwargs: Any) -> sampling.SamplingResult:
    return sampling.SamplingResult(sampling.Decision.DROP)


@pytest.mark.parametrize("wrap", [lambda sampler: sampler, sampling.ParentBased], ids=["itself", "delegate"])
def test_should_sample_assigned_to_a_sampler(implementation: Implementation, wrap: Callable[[Any], Any]) -> None:
    sampler = sampling.TraceIdRatioBased(1.0)
    sampler.should_sample = always_drops  # type: ignore[method-assign]
    assert not implementation.tracer(sampler=wrap(sampler)).start_span("span").is_recording()


@pytest.mark.parametrize("wrap", [lambda sampler: sampler, sampling.ParentBased], ids=["itself", "delegate"])
def test_should_sample_assigned_to_a_sampler_later(implementation: Implementation, wrap: Callable[[Any], Any]) -> None:
    """Which rule a sampler of the SDK stands for is read when the tracer is made."""
    sampler = sampling.TraceIdRatioBased(1.0)
    tracer = implementation.tracer(sampler=wrap(sampler))
    assert tracer.start_span("before").is_recording()
    sampler.should_sample = always_drops  # type: ignore[method-assign]
    assert tracer.start_span("span").is_recording() == (implementation.name == "native")


@pytest.mark.parametrize("wrap", [lambda sampler: sampler, nanospan.sampling.ParentBased], ids=["itself", "delegate"])
def test_should_sample_assigned_to_a_sampler_of_nanospan(implementation: Implementation, wrap: Callable[[Any], Any]) -> None:
    sampler = nanospan.sampling.TraceIdRatioBased(1.0)
    tracer = implementation.tracer(sampler=wrap(sampler))
    assert tracer.start_span("before").is_recording()
    sampler.should_sample = always_drops  # type: ignore[method-assign]
    assert not tracer.start_span("span").is_recording()


def test_should_sample_patched_on_the_sdks_class(implementation: Implementation, monkeypatch: pytest.MonkeyPatch) -> None:
    def drop(self: Any, *args: Any, **kwargs: Any) -> sampling.SamplingResult:
        return sampling.SamplingResult(sampling.Decision.DROP)

    monkeypatch.setattr(sampling.TraceIdRatioBased, "should_sample", drop)
    tracer = implementation.tracer(sampler=sampling.TraceIdRatioBased(1.0))
    assert not tracer.start_span("span").is_recording()


# --- wrappers of spans ------------------------------------------------------------------------------------------------


class Wrapper(trace.Span, sdk.ReadableSpan):
    """A span that forwards what it lacks to another, and never calls the constructor of its base."""

    def __init__(self, span: Any) -> None:
        self.span = span

    def __getattr__(self, name: str) -> Any:
        return getattr(self.span, name)

    def end(self, end_time: int | None = None) -> None:
        self.span.end(end_time)

    def get_span_context(self) -> SpanContext:
        return self.span.get_span_context()

    def set_attributes(self, attributes: Any) -> None:
        self.span.set_attributes(attributes)

    def set_attribute(self, key: str, value: Any) -> None:
        self.span.set_attribute(key, value)

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        self.span.add_event(name, attributes, timestamp)

    def update_name(self, name: str) -> None:
        self.span.update_name(name)

    def is_recording(self) -> bool:
        return self.span.is_recording()

    def set_status(self, status: Any, description: str | None = None) -> None:
        self.span.set_status(status, description)

    def record_exception(self, exception: BaseException, *args: Any, **kwargs: Any) -> None:
        self.span.record_exception(exception, *args, **kwargs)


def test_a_wrapper_reads_every_private_name(implementation: Implementation) -> None:
    recorder = Recorder()
    tracer = implementation.tracer(recorder)
    span = tracer.start_span("span", attributes={"a": 1})
    wrapper = Wrapper(span)
    assert (wrapper.name, dict(wrapper.attributes), wrapper.kind) == ("span", {"a": 1}, trace.SpanKind.INTERNAL)
    assert wrapper.to_json() == span.to_json()
    with trace.use_span(wrapper, end_on_exit=True):
        child = tracer.start_span("child")
    assert child.parent == span.get_span_context()
    assert wrapper.end_time == recorder.ended[0].end_time


def test_a_wrapper_around_an_exception(implementation: Implementation) -> None:
    span = implementation.tracer().start_span("span")
    with pytest.raises(ValueError), trace.use_span(Wrapper(span)):
        raise ValueError("message")
    assert span.status.status_code is StatusCode.ERROR
    assert len(span.events) == 1
