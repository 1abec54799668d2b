"""How long spans and contexts live, and that nothing of one is left in the next."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import subprocess
import sys
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, SpanLimits, sampling
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags, get_current_span
from opentelemetry.trace.span import TraceState
from support.parity.implementation import STOCK, Implementation
from support.parity.pipeline import Alternating, Recorder, collecting_batches, spans_in_order
from support.parity.portrait import Names, of_span

REMOTE = SpanContext(5, 6, True, TraceFlags(1), TraceState([("vendor", "1")]))
MANY = 200
"""More than any store of spare objects may hold."""

# --- nothing is left --------------------------------------------------------------------------------------------------


def _raise_inside(span: Any) -> None:
    with pytest.raises(ValueError), trace.use_span(span, end_on_exit=True):
        raise ValueError


TRACES: dict[str, Callable[[Any], Any]] = {
    "attributes": lambda span: span.set_attributes({f"key {number}": "x" * number for number in range(150)}),
    "events": lambda span: span.add_event("event", {"a": 1}),
    "links": lambda span: span.add_link(REMOTE, {"a": 1}),
    "status": lambda span: span.set_status(StatusCode.OK),
    "name": lambda span: span.update_name("other"),
    "exception": _raise_inside,
    "an attribute of the instance": lambda span: setattr(span, "mark", 1),
    "a method of the instance": lambda span: setattr(span, "end", lambda *args: None),
    "the dict of the instance": lambda span: vars(span),
    "container of attributes": lambda span: span._attributes,
    "container of events": lambda span: span._events,
    "container of links": lambda span: span._links,
    "lock": lambda span: span._lock.acquire(),
    "private name": lambda span: setattr(span, "_name", 5),
    "private kind": lambda span: setattr(span, "_kind", SpanKind.CLIENT),
    "private parent": lambda span: setattr(span, "_parent", REMOTE),
    "private context": lambda span: setattr(span, "_context", REMOTE),
    "private attributes": lambda span: setattr(span, "_attributes", None),
    "private events": lambda span: setattr(span, "_events", [Event("e")]),
    "private start": lambda span: setattr(span, "_start_time", 5),
    "private end": lambda span: setattr(span, "_end_time", 5),
    "private resource": lambda span: setattr(span, "_resource", Resource({})),
    "private scope": lambda span: setattr(span, "_instrumentation_scope", InstrumentationScope("x")),
    "private limits": lambda span: setattr(span, "_limits", SpanLimits(max_events=0, max_span_attributes=0)),
    "private processor": lambda span: setattr(span, "_span_processor", Recorder()),
    "private switches": lambda span: (
        setattr(span, "_record_exception", False),
        setattr(span, "_set_status_on_exception", False),
    ),
    "private metrics": lambda span: setattr(span, "_record_end_metrics", lambda: None),
    "the end": lambda span: span.end(5),
    "a weak reference": lambda span: weakref.ref(span),
}
STARTS: dict[str, dict[str, Any]] = {
    "root": {},
    "child": {"context": trace.set_span_in_context(NonRecordingSpan(REMOTE), context.Context())},
    "all arguments": {
        "kind": SpanKind.SERVER,
        "attributes": {"at": "start"},
        "links": [Link(REMOTE, {"a": 1})],
        "start_time": 5,
        "record_exception": False,
        "set_status_on_exception": False,
    },
}


@pytest.mark.parametrize("leave", TRACES.values(), ids=TRACES)
@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_nothing_is_left_of_spans_that_were(implementation: Implementation, start: Any, leave: Any) -> None:
    tracer = implementation.tracer(sampler=sampling.ALWAYS_ON)
    spans = [tracer.start_span(f"span {number}", **start) for number in range(MANY)]
    for span in spans:
        leave(span)
    del span, spans
    expected = of_span(STOCK.tracer(sampler=sampling.ALWAYS_ON).start_span("fresh"), Names(True))
    fresh = [tracer.start_span("fresh") for _ in range(MANY)]
    for span in fresh:
        assert of_span(span, Names(True)) == expected
        assert not hasattr(span, "mark")
        assert (span._record_exception, span._set_status_on_exception) == (True, True)
        assert span._lock.acquire(blocking=False)
    assert len({span.get_span_context().span_id for span in fresh}) == MANY


def test_nothing_is_left_of_dropped_spans(implementation: Implementation) -> None:
    tracer = implementation.tracer(sampler=sampling.ParentBased(sampling.ALWAYS_OFF))
    parent = trace.set_span_in_context(NonRecordingSpan(SpanContext(5, 6, True, TraceFlags(2), TraceState([("a", "b")]))))
    spans = [tracer.start_span("span", parent) for _ in range(MANY)]
    for span in spans:
        assert span.get_span_context().trace_state == {"a": "b"}
        span.mark = 1
    del span, spans
    for _ in range(MANY):
        fresh = tracer.start_span("fresh")
        assert fresh.get_span_context().trace_id != 5
        assert not fresh.get_span_context().trace_state
        assert not hasattr(fresh, "mark")


def test_sampled_and_dropped_in_turn(implementation: Implementation) -> None:
    """What is used again for one kind is not used for the other."""
    recorder = Recorder()
    tracer = implementation.tracer(recorder, sampler=Alternating())
    kinds = []
    for number in range(3 * MANY):
        with tracer.start_as_current_span(str(number), attributes={"n": number}) as span:
            kinds.append(span.is_recording())
    assert kinds.count(True) == len(recorder.ended) == 2 * MANY
    assert all(span.attributes == {"n": int(span.name)} for span in recorder.ended)


# --- what is kept stays -----------------------------------------------------------------------------------------------


def test_kept_spans_and_what_they_showed(implementation: Implementation) -> None:
    tracer = implementation.tracer()
    kept = []
    for number in range(MANY):
        with tracer.start_as_current_span(f"span {number}", attributes={"n": number}) as span:
            tracer.start_span("dropped at once").end()
        kept.append((span, span.get_span_context(), span.attributes, span._readable_span()))
    del span
    for number, (span, identity, attributes, readable) in enumerate(kept):
        assert span.name == readable.name == f"span {number}"
        assert span.get_span_context() is identity
        assert dict(attributes) == dict(readable.attributes) == {"n": number}


@pytest.mark.parametrize("way", ["current", "copied", "token", "set_value", "task"])
def test_kept_contexts_keep_their_span(implementation: Implementation, way: str) -> None:
    tracer = implementation.tracer()
    kept: list[tuple[Any, Any]] = []
    for number in range(MANY):
        with tracer.start_as_current_span(f"span {number}") as span:
            if way == "current":
                kept.append((span, context.get_current()))
            elif way == "copied":
                kept.append((span, contextvars.copy_context()))
            elif way == "token":
                token = context.attach(context.Context())
                kept.append((span, token))
                context.detach(token)
            elif way == "set_value":
                kept.append((span, context.set_value("key", number)))
            else:

                async def child() -> Any:
                    await asyncio.sleep(0)
                    return get_current_span()

                kept.append((span, child()))
                kept[-1] = (span, asyncio.run(kept[-1][1]))
    for span, holder in kept:
        if way in ("current", "set_value"):
            seen = get_current_span(holder)
        elif way == "copied":
            seen = holder.run(get_current_span)
        elif way == "token":
            seen = get_current_span(holder.old_value)
        else:
            seen = holder
        assert seen is span


def test_nothing_is_left_of_contexts_that_were(implementation: Implementation) -> None:
    tracer = implementation.tracer()
    references = []
    for _ in range(MANY):
        with tracer.start_as_current_span("span"):
            context.get_current().mark = 1  # type: ignore[attr-defined]
            references.append(weakref.ref(context.get_current()))
    gc.collect()
    assert [reference() for reference in references] == [None] * MANY
    for _ in range(MANY):
        with tracer.start_as_current_span("span"):
            assert not hasattr(context.get_current(), "mark")


# --- the end of a life ------------------------------------------------------------------------------------------------


def test_an_ended_span_goes_when_nobody_holds_it(implementation: Implementation) -> None:
    batches, collector = collecting_batches()
    provider = implementation.provider(batches)
    tracer = provider.get_tracer("name")
    gone: list[int] = []
    gc.disable()
    try:
        for number in range(MANY):
            with tracer.start_as_current_span("span") as span:
                weakref.finalize(span, gone.append, number)
            del span
    finally:
        gc.enable()
    assert gone == list(range(MANY))
    assert provider.force_flush()
    assert len(spans_in_order(collector)) == MANY
    provider.shutdown()


def test_a_parent_goes_before_its_child(implementation: Implementation) -> None:
    """A child keeps its parent's SpanContext, and no more than that once it has ended."""
    tracer = implementation.tracer()
    with tracer.start_as_current_span("parent") as parent:
        child = tracer.start_span("child")
    identity = parent.get_span_context()
    reference = weakref.ref(parent)
    child.end()
    del parent
    gc.collect()
    assert reference() is None
    assert child.parent == identity


class Text(str):
    """A kind of str that can refer to things."""


CYCLES: dict[str, Callable[[Any, Any], Any]] = {
    "an attribute": lambda span, witness: setattr(span, "own", witness),
    "the name": lambda span, witness: span.update_name([witness]),
    "a private field": lambda span, witness: setattr(span, "_trace_config", witness),
    "an assigned container": lambda span, witness: setattr(span, "_events", [witness]),
    "a value": lambda span, witness: span.set_attribute("text", witness.text),
    "an attribute of an event": lambda span, witness: span.add_event("e", {"text": witness.text}),
}


@pytest.mark.parametrize("tie", CYCLES.values(), ids=CYCLES)
@pytest.mark.parametrize("ended", [False, True])
def test_cycles_are_collected(implementation: Implementation, tie: Any, ended: bool) -> None:
    class Witness:
        def __init__(self, span: Any) -> None:
            self.span = span
            self.text = Text("text")
            self.text.witness = self  # type: ignore[attr-defined]

    span = implementation.tracer().start_span("span")
    witness = Witness(span)
    tie(span, witness)
    if ended:
        span.end()
    reference = weakref.ref(witness)
    del span, witness
    gc.collect()
    assert reference() is None


def test_classes_are_not_held_by_what_was(implementation: Implementation) -> None:
    """Instances of a Python class hold it, and give it back."""

    class Subclass(implementation.span_class):  # type: ignore[name-defined, misc]
        pass

    identity = SpanContext(1, 2, False)
    tracer = implementation.tracer()
    for cls in (Subclass, implementation.span_class, implementation.non_recording_class):
        del [cls(*(("name", identity) if issubclass(cls, implementation.span_class) else (identity,)))][:]
        before = sys.getrefcount(cls)
        for _ in range(10 * MANY):
            cls(*(("name", identity) if issubclass(cls, implementation.span_class) else (identity,)))
            tracer.start_span("span").end()
        spans = [tracer.start_span("span") for _ in range(MANY)]
        del spans
        assert abs(sys.getrefcount(cls) - before) <= MANY


def test_values_are_let_go(implementation: Implementation) -> None:
    tracer = implementation.tracer()
    text, events = Text("held"), Text("event")
    before = sys.getrefcount(text), sys.getrefcount(events)
    for _ in range(MANY):
        span = tracer.start_span(text, attributes={"a": text})
        span.set_attribute("b", text)
        span.set_attribute("a", 1)
        span.set_attribute("b", [text, 1])
        span.add_event(events, {"a": events})
        span.end()
    del span
    gc.collect()
    # A few last ones may wait to be used again.
    assert sys.getrefcount(text) - before[0] <= 8
    assert sys.getrefcount(events) - before[1] <= 8


LONG_CHAIN = """
import sys
from opentelemetry import trace
from opentelemetry.context import Context
if sys.argv[1] == "native":
    from nanospan import TracerProvider
else:
    from opentelemetry.sdk.trace import TracerProvider
tracer = TracerProvider(shutdown_on_exit=False).get_tracer("chain")
span = tracer.start_span("first")
for _ in range(100_000):
    span = tracer.start_span("next", trace.set_span_in_context(span, Context()))
if sys.argv[2] == "ended":
    span.end()
del span
print("alive")
"""


@pytest.mark.parametrize("how", ["open", "ended"])
def test_a_long_chain_of_children(implementation: Implementation, how: str) -> None:
    """None of them ended but perhaps the last: letting go of it must not take the interpreter's stack."""
    command = [sys.executable, "-c", LONG_CHAIN, implementation.name, how]
    finished = subprocess.run(command, capture_output=True, text=True)
    assert (finished.returncode, finished.stdout) == (0, "alive\n"), finished.stderr
