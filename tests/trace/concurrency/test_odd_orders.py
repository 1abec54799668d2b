"""Odd orders of things, in which a span could be lost, doubled, or the process with it."""

from __future__ import annotations

import contextlib
import copy
import pickle
import subprocess
import sys
from typing import Any

import pytest
from opentelemetry import context as context_api
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import SpanContext, get_current_span
from support.parity.implementation import Implementation
from support.parity.pipeline import Recorder

import nanospan


class Nowhere(SpanExporter):
    def export(self, spans: Any) -> SpanExportResult:
        return SpanExportResult.SUCCESS


def counting_processor() -> nanospan.BatchSpanProcessor:
    return nanospan.BatchSpanProcessor(Nowhere(), schedule_delay_millis=60_000)


class RefusingContext(type(context_api._RUNTIME_CONTEXT)):  # type: ignore[misc]
    """A foreign runtime context whose attach fails."""

    error: BaseException

    def attach(self, context: Any) -> Any:
        raise self.error


@pytest.mark.parametrize("error", [RuntimeError("no room"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_a_span_that_cannot_be_made_current_ends(
    implementation: Implementation, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    recorder = Recorder()
    tracer = implementation.tracer(recorder)
    refusing = RefusingContext()
    refusing.error = error
    monkeypatch.setattr(context_api, "_RUNTIME_CONTEXT", refusing)
    with pytest.raises(type(error)), tracer.start_as_current_span("span"):
        pass
    (span,) = recorder.ended
    assert bool(span.events) == isinstance(error, Exception)
    assert span.status.is_unset != isinstance(error, Exception)


class LongSpanIds(RandomIdGenerator):
    def generate_span_id(self) -> int:
        return 1 << 64


def test_a_span_with_odd_ids_is_sampled_as_its_flags_say(implementation: Implementation) -> None:
    processor = counting_processor()
    tracer = implementation.tracer(processor, id_generator=LongSpanIds())
    tracer.start_span("span").end()
    assert processor.stats()["sampled_out"] == 0
    processor.shutdown()


class Interrupting(SpanProcessor):
    def on_end(self, span: Any) -> None:
        raise KeyboardInterrupt


def test_an_interrupt_in_a_foreign_processor_costs_nanospan_no_span(implementation: Implementation) -> None:
    processor = counting_processor()
    tracer = implementation.tracer(processor, Interrupting())
    with pytest.raises(KeyboardInterrupt):
        tracer.start_span("span").end()
    assert processor.stats()["ended"] == 1
    processor.shutdown()


def test_what_is_left_on_a_context_stays_with_it(implementation: Implementation) -> None:
    tracer = implementation.tracer()
    with tracer.start_as_current_span("one"):
        context_api.get_current().mark = "secret"  # type: ignore[attr-defined]
    with tracer.start_as_current_span("two"):
        assert not hasattr(context_api.get_current(), "mark")


def test_a_context_whose_span_was_taken_out(implementation: Implementation) -> None:
    tracer = implementation.tracer()
    with tracer.start_as_current_span("one"):
        current = context_api.get_current()
        dict.clear(current)
        dict.__setitem__(current, "other", "value")
        del current
    with tracer.start_as_current_span("two") as two:
        assert list(context_api.get_current().values()) == [two]
        assert get_current_span() is two


class AskingContext(SpanContext):
    """Of a kind whose fields are asked for, and ask back."""

    span: Any = None

    @property
    def trace_id(self) -> int:
        if AskingContext.span is not None:
            assert AskingContext.span._parent is not NotImplemented
        return 1


def test_a_parent_that_asks_for_the_parent(implementation: Implementation) -> None:
    span = implementation.tracer().start_span("span")
    AskingContext.span = span
    try:
        span._parent = parent = AskingContext(1, 2, False)
    finally:
        AskingContext.span = None
    assert span.parent is parent
    span.end()


@pytest.mark.parametrize("field", ["_name", "_parent", "_status", "_kind"])
def test_a_long_chain_through_a_private_field(field: str) -> None:
    """In a process of its own: what it must not do is end that."""
    script = f"""
import nanospan
tracer = nanospan.TracerProvider(shutdown_on_exit=False).get_tracer("name")
last = None
for _ in range(200_000):
    span = tracer.start_span("span")
    span.{field} = last
    last = span
del span, last
print("alive")
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert run.stdout == "alive\n", run.stderr[-2000:]


def test_a_value_that_changes_the_mapping_it_is_in(implementation: Implementation) -> None:
    """The mapping was looked at before: what comes into it meanwhile is no key of a span unless it is a str."""
    attributes: dict[Any, Any] = {}

    class Changing(list):  # type: ignore[type-arg]
        def __iter__(self) -> Any:
            attributes.pop("b", None)
            attributes[5] = 1
            return iter(())

    attributes.update({"a": Changing([object()]), "b": 2})
    span = implementation.tracer().start_span("span", attributes=attributes)
    assert all(isinstance(key, str) for key in span.attributes)
    span.end()


def test_copies_of_spans_that_were_sampled_out(implementation: Implementation) -> None:
    span = implementation.tracer(sampler=ALWAYS_OFF).start_span("span")
    span.mark = "own"  # type: ignore[attr-defined]
    for made in (copy.copy(span), copy.deepcopy(span), pickle.loads(pickle.dumps(span))):
        assert type(made) is type(span)
        assert made.get_span_context() == span.get_span_context()
        assert made.mark == "own"


def test_a_copy_keeps_the_attributes_of_the_instance(implementation: Implementation) -> None:
    span = implementation.tracer().start_span("span")
    span.mark = "own"  # type: ignore[attr-defined]
    assert copy.copy(span).mark == "own"


def test_an_exit_that_is_given_the_type_alone(implementation: Implementation) -> None:
    activation = implementation.tracer().start_as_current_span("span")
    span = activation.__enter__()
    with contextlib.suppress(ValueError):  # the SDK's generator raises it again
        activation.__exit__(ValueError, None, None)
    assert [event.name for event in span.events] == ["exception"]
