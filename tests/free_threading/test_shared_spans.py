"""Spans, tracers and samplers that several threads use at once: nothing is lost, counted twice, or torn."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits
from opentelemetry.trace import SpanContext, StatusCode, TraceFlags, TraceState
from support.accounting import WAIT
from support.crowd import THREADS, EncodedCollector, ObjectCollector, beside, pipeline, together

import nanospan
from nanospan.propagation import TraceContextTextMapPropagator
from nanospan.sampling import (
    ALWAYS_ON,
    Adaptive,
    AlwaysRecord,
    ConsistentProbability,
    OverheadBudget,
    ParentBased,
    RateLimited,
    Rule,
    RuleBased,
)

ROUNDS = 200


@pytest.mark.parametrize("collector", [EncodedCollector, ObjectCollector])
def test_a_span_that_all_threads_end_is_counted_once(collector: type) -> None:
    sent = pipeline(collector())
    spans = [sent.tracer.start_span(f"span {number}") for number in range(ROUNDS)]

    def end(number: int) -> None:
        for span in spans:
            span.end()

    with beside(sent.stats):
        together(end)
    assert sent.names() == sorted(f"span {number}" for number in range(ROUNDS))
    assert sent.stats()["exported"] == sent.stats()["ended"] == ROUNDS
    sent.provider.shutdown()


def test_what_all_threads_do_to_one_span_at_a_time() -> None:
    """Set and read while others do, and while one of them ends it: what was set before the end is there, whole."""
    sent = pipeline()
    spans = [sent.tracer.start_span(f"span {number}") for number in range(ROUNDS // 4)]
    shared = {"shared": 1, "list": [1, 2, 3]}
    moving = {"moving": 1}
    steps = threading.Barrier(THREADS)

    def work(number: int) -> None:
        for index, span in enumerate(spans):
            steps.wait(WAIT)
            for key in range(5):
                span.set_attribute(f"{number} {key}", key)
            span.set_attributes(shared)
            with suppress(RuntimeError):  # the SDK's own code says so where it meets a dict that changes its size
                span.set_attributes(moving)
            span.add_event(f"event {number}", shared)
            if number == index % THREADS:
                span.set_status(StatusCode.ERROR, "text")
                span.attributes.get(f"{number} 4")  # makes the SDK's container take over
                span.update_name(f"named {index}")
            if number == (index + 1) % THREADS:
                assert span.get_span_context() is span.get_span_context()
                assert all(event.attributes["list"] == (1, 2, 3) for event in span.events)
            if index % 2:
                steps.wait(WAIT)  # else the end comes in the middle of it
            span.end()
            assert not span.is_recording()

    def change(_: int) -> None:
        for number in range(ROUNDS * THREADS):
            shared["shared"] = number
            moving[f"key {number % 50}"] = number
            moving.pop(f"key {(number + 25) % 50}", None)

    with beside(lambda: change(0)):
        together(work)
    assert len(sent.names()) == len(spans)
    for span in sent.collector.spans():
        index = int(span.name.split()[1])
        if index % 2:
            keys = {pair.key for pair in span.attributes}
            assert {f"{number} {key}" for number in range(THREADS) for key in range(5)} <= keys
            assert sorted(event.name for event in span.events) == [f"event {number}" for number in range(THREADS)]
            assert span.name == f"named {index}"
    sent.provider.shutdown()


def test_private_names_assigned_while_others_read_and_end() -> None:
    sent = pipeline()
    other = nanospan.TracerProvider(resource=Resource({"other": True}), shutdown_on_exit=False).get_tracer("other")
    contexts = [SpanContext(number, number, False, TraceFlags(1), TraceState([("a", str(number))])) for number in (1, 2)]
    spans = [sent.tracer.start_span("span") for _ in range(ROUNDS // 4)]
    own = {span: span.get_span_context() for span in spans}

    def assign(number: int) -> None:
        for span in spans:
            span._context = contexts[number % 2]
            span._resource = other.resource
            span._instrumentation_scope = other._instrumentation_scope
            span._limits = SpanLimits(max_span_attributes=7)
            span._parent = contexts[number % 2]
            span._name = f"named {number}"
            span._status = trace.Status(StatusCode.OK)

    def read(number: int) -> None:
        for span in spans:
            assert span.get_span_context() in (own[span], *contexts)
            assert span.resource in (sent.provider.resource, other.resource)
            assert span.to_json()
            span._readable_span()
            child = sent.tracer.start_span("child", trace.set_span_in_context(span))
            carrier: dict[str, str] = {}
            TraceContextTextMapPropagator().inject(carrier, trace.set_span_in_context(span))
            assert carrier["traceparent"].startswith("00-")
            child.end()
            if number == 0:
                span.end()

    together(assign, read, threads=2)
    stats = sent.stats()
    assert stats["ended"] == len(spans) * 3 and not sum(stats["dropped"].values())
    sent.provider.shutdown()


def test_one_parent_in_many_threads() -> None:
    """Its children show the very context that it shows itself."""
    sent = pipeline()
    seen: list[Any] = []

    def start(number: int) -> None:
        for parent in parents:
            with sent.tracer.start_as_current_span(
                "child", trace.set_span_in_context(parent), attributes={"number": number}
            ) as child:
                seen.append((parent, child.parent, child.get_span_context()))

    parents = [sent.tracer.start_span("parent") for _ in range(ROUNDS // 4)]
    together(start)
    assert len(seen) == THREADS * len(parents)
    for parent, shown, own in seen:
        assert shown is parent.get_span_context()
        assert own.trace_id == shown.trace_id and own.span_id != shown.span_id
    assert len({own.span_id for _, _, own in seen}) == len(seen)
    sent.provider.shutdown()


def test_an_activation_that_all_threads_enter_and_leave() -> None:
    sent = pipeline()
    activations = [sent.tracer.start_as_current_span(f"span {number}") for number in range(ROUNDS)]
    outcomes: Counter[str] = Counter()
    lock = threading.Lock()

    def enter(number: int) -> None:
        mine: Counter[str] = Counter()
        for activation in activations:
            try:
                activation.__enter__()
                mine["entered"] += 1
                activation.__exit__(None, None, None)
            except RuntimeError:
                mine["refused"] += 1
        with lock:
            outcomes.update(mine)

    together(enter)
    assert outcomes == {"entered": ROUNDS, "refused": ROUNDS * (THREADS - 1)}
    assert sent.names() == sorted(f"span {number}" for number in range(ROUNDS))
    sent.provider.shutdown()


def test_a_tracer_whose_fields_are_assigned() -> None:
    sent = pipeline()
    resources = [Resource({"number": number}) for number in range(3)]
    samplers = [ALWAYS_ON, ParentBased(ALWAYS_ON), ConsistentProbability(1.0)]
    turn = [0]

    def assign() -> None:
        turn[0] += 1
        sent.tracer.resource = resources[turn[0] % 3]
        sent.tracer.sampler = samplers[turn[0] % 3]
        sent.tracer.id_generator = nanospan.RandomIdGenerator()

    def start(number: int) -> None:
        for _ in range(ROUNDS):
            with sent.tracer.start_as_current_span("outer"):
                sent.tracer.start_span("inner").end()

    with beside(assign):
        together(start)
    assert Counter(sent.names()) == {"outer": THREADS * ROUNDS, "inner": THREADS * ROUNDS}
    sent.provider.shutdown()


SAMPLERS = {
    "probability": lambda: ConsistentProbability(0.5),
    "limited": lambda: RateLimited(1000),
    "limited, consistent": lambda: RateLimited(1000, consistent=True),
    "adaptive": lambda: Adaptive(100_000),
    "budget": lambda: OverheadBudget(0.5),
    "recorded": lambda: AlwaysRecord(ConsistentProbability(0.5)),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_samplers_miss_no_span(name: str) -> None:
    sampler = SAMPLERS[name]()
    rules = RuleBased([Rule(name="other*", sampler=ConsistentProbability(0.25))], default=sampler)
    sent = pipeline(sampler=ParentBased(rules))
    sampled: Counter[str] = Counter()
    lock = threading.Lock()

    def start(number: int) -> None:
        mine: Counter[str] = Counter()
        for round_ in range(ROUNDS):
            for label in ("span", "other"):
                with sent.tracer.start_as_current_span(f"{label} {round_}") as span:
                    mine[label] += span.get_span_context().trace_flags.sampled
                    sent.tracer.start_span("child").end()
        with lock:
            sampled.update(mine)

    with beside(sampler.stats):
        together(start)
    stats = sampler.stats()
    assert (stats["asked"], stats["sampled"]) == (THREADS * ROUNDS, sampled["span"])
    assert rules.stats()["asked"] == 2 * THREADS * ROUNDS
    assert rules.stats()["sampled"] == sampled.total()
    assert len([name for name in sent.names() if name == "child"]) == sampled.total()
    sent.provider.shutdown()
