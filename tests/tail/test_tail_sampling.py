"""Tail sampling from the tracer to a receiver: what is kept whole, what is dropped whole, and what the accounts say."""

from __future__ import annotations

import socket
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider as StockTracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, TraceFlags
from support.accounting import WAIT, lost, spans_in, wait_until
from support.receivers import HttpReceiver, answer
from support.tail_pipeline import ERRORS, Pipeline, context_with, fail, remote_parent

import nanospan
from nanospan import tail

SECOND = 1_000_000_000
EPOCH = 1_700_000_000 * SECOND


pytestmark = pytest.mark.usefixtures("clean_environment")


@pytest.fixture(params=[nanospan.TracerProvider, StockTracerProvider], ids=["native", "stock"])
def provider_class(request: pytest.FixtureRequest) -> type[StockTracerProvider]:
    return request.param


@pytest.fixture
def pipeline(receiver: HttpReceiver, provider_class: type) -> Iterator[Pipeline]:
    pipeline = Pipeline(receiver, provider_class)
    yield pipeline
    pipeline.provider.shutdown()


# --- whole traces -----------------------------------------------------------------------------------------------------


def test_trace_with_an_error_arrives_whole_and_others_do_not(pipeline: Pipeline) -> None:
    tracer = pipeline.start(ERRORS)
    for name in ("bad", "good"):
        with tracer.start_as_current_span(name), tracer.start_as_current_span(f"{name} child") as child:
            if name == "bad":
                fail(child)
            assert pipeline.stats()["held"] == 0
    assert set(pipeline.received()) == {"bad", "bad child"}
    stats = pipeline.stats()
    assert (stats["ended"], stats["exported"], stats["sampled_out"], stats["held"]) == (4, 2, 2, 0)
    counts = pipeline.tail()["policies"]["status_code"]
    assert (counts["sampled"], counts["not_sampled"], counts["spans_sampled"]) == (1, 1, 2)


def test_nothing_leaves_before_the_root_has_ended(pipeline: Pipeline) -> None:
    tracer = pipeline.start(ERRORS)
    root = tracer.start_span("root")
    for number in range(3):
        child = tracer.start_span(f"child {number}", context_with(root))
        fail(child)
        child.end()
        assert (pipeline.stats()["held"], pipeline.received()) == (number + 1, {})
    root.end()
    assert set(pipeline.received()) == {"root", "child 0", "child 1", "child 2"}


def test_slow_trace_is_measured_over_all_its_spans(pipeline: Pipeline) -> None:
    tracer = pipeline.start([tail.Latency(threshold_ms=1000)])
    for name, end in (("slow", EPOCH + 1_001_000_000), ("quick", EPOCH + 900_000_000)):
        root = tracer.start_span(name, start_time=EPOCH)
        child = tracer.start_span(f"{name} child", context_with(root), start_time=EPOCH + SECOND // 2)
        child.end(end)
        root.end(EPOCH + SECOND // 2)
    assert set(pipeline.received()) == {"slow", "slow child"}


def test_attributes_of_any_span_and_of_the_resource(pipeline: Pipeline) -> None:
    tracer = pipeline.start(
        [
            tail.StringAttribute("http.route", ["/checkout"]),
            tail.StringAttribute("user", ["^vip-"], enabled_regex_matching=True),
            tail.NumericAttribute("items", 10, 20),
            tail.BooleanAttribute("beta", True),
        ]
    )
    cases = {
        "route": {"http.route": "/checkout"},
        "pattern": {"user": "vip-7"},
        "number": {"items": 15},
        "flag": {"beta": True},
        "none": {"http.route": "/cart", "user": "no-vip-7", "items": 21, "beta": False},
    }
    for name, attributes in cases.items():
        with tracer.start_as_current_span(name), tracer.start_as_current_span(f"{name} child", attributes=attributes):
            pass
    assert {name for name in pipeline.received() if "child" not in name} == set(cases) - {"none"}


def test_attribute_of_the_resource(receiver: HttpReceiver, make_pipeline: Callable[..., Pipeline]) -> None:
    from opentelemetry.sdk.resources import Resource

    class Provider(nanospan.TracerProvider):
        def __init__(self, **arguments: Any) -> None:
            super().__init__(resource=Resource({"deployment.environment": "canary"}), **arguments)

    pipeline = make_pipeline(provider_class=Provider)
    tracer = pipeline.start([tail.StringAttribute("deployment.environment", ["canary"])])
    tracer.start_span("kept").end()
    assert set(pipeline.received()) == {"kept"}


# --- odd lives --------------------------------------------------------------------------------------------------------


def test_span_that_outlives_its_root_is_waited_for(pipeline: Pipeline) -> None:
    tracer = pipeline.start(ERRORS)
    root = tracer.start_span("root")
    task = tracer.start_span("task", context_with(root))
    root.end()
    assert pipeline.received() == {}
    fail(task)
    task.end()
    assert set(pipeline.received()) == {"root", "task"}


@pytest.mark.parametrize("error", [True, False])
def test_span_that_ends_after_the_decision_follows_it(pipeline: Pipeline, error: bool) -> None:
    tracer = pipeline.start(ERRORS, decision_wait_after_root_ended=0.0)
    root = tracer.start_span("root")
    task = tracer.start_span("task", context_with(root))
    if error:
        fail(root)
    root.end()
    assert pipeline.tail()["traces_kept" if error else "traces_sampled_out"] == 1
    fail(task)
    task.end()
    assert set(pipeline.received()) == ({"root", "task"} if error else set())
    counts = pipeline.tail()
    assert (counts["late_spans_kept"], counts["late_spans_dropped"]) == ((1, 0) if error else (0, 1))
    assert pipeline.stats()["sampled_out"] == (0 if error else 2)


def test_decision_wait_ends_what_never_ends(pipeline: Pipeline) -> None:
    tracer = pipeline.start(ERRORS, decision_wait=0.001)
    root = tracer.start_span("root")
    child = tracer.start_span("child", context_with(root))
    fail(child)
    child.end()
    wait_until(lambda: pipeline.tail()["traces_decided_by_time"] == 1, "the time of the trace is over")
    assert set(pipeline.received()) == {"child"}
    root.end()
    assert set(pipeline.received()) == {"root", "child"}


def test_trace_without_a_local_root_waits_for_its_time(pipeline: Pipeline) -> None:
    tracer = pipeline.start(ERRORS, decision_wait=0.001)
    parent = NonRecordingSpan(SpanContext(5, 6, is_remote=False, trace_flags=TraceFlags(1)))
    span = tracer.start_span("orphan", context_with(parent))
    fail(span)
    span.end()
    wait_until(lambda: pipeline.tail()["traces_decided_by_time"] == 1, "the time of the trace is over")
    assert set(pipeline.received()) == {"orphan"}


def test_remote_parent_makes_a_local_root(pipeline: Pipeline) -> None:
    tracer = pipeline.start(ERRORS)
    served = tracer.start_span("served", remote_parent())
    child = tracer.start_span("child", context_with(served))
    fail(child)
    child.end()
    served.end()
    assert set(pipeline.received()) == {"served", "child"}


def test_two_roots_at_once_are_decided_together(pipeline: Pipeline) -> None:
    tracer = pipeline.start(ERRORS)
    first, second = (tracer.start_span(name, remote_parent()) for name in ("first", "second"))
    first.end()
    assert pipeline.tail()["traces_held"] == 1
    fail(second)
    second.end()
    assert set(pipeline.received()) == {"first", "second"}


def test_root_that_comes_after_a_drop_has_its_own_decision(pipeline: Pipeline) -> None:
    tracer = pipeline.start(ERRORS)
    tracer.start_span("first", remote_parent()).end()
    second = tracer.start_span("second", remote_parent())
    fail(second)
    second.end()
    tracer.start_span("third", remote_parent()).end()
    assert set(pipeline.received()) == {"second", "third"}


def test_links_do_not_join_traces(pipeline: Pipeline) -> None:
    tracer = pipeline.start(ERRORS)
    bad = tracer.start_span("bad")
    linked = tracer.start_span("linked", links=[Link(bad.get_span_context())])
    fail(bad)
    bad.end()
    linked.end()
    assert set(pipeline.received()) == {"bad"}


def test_shutdown_decides_and_sends(pipeline: Pipeline, receiver: HttpReceiver) -> None:
    tracer = pipeline.start(ERRORS)
    roots = [tracer.start_span(name) for name in ("bad", "good")]
    child = tracer.start_span("child", context_with(roots[0]))
    for name in ("bad", "good"):
        span = tracer.start_span(f"{name} child", context_with(roots[name == "good"]))
        if name == "bad":
            fail(span)
        span.end()
    pipeline.processor.shutdown()
    for span in (*roots, child):
        span.end()
    assert receiver.span_names() == ["bad child"]
    stats = pipeline.stats()
    assert (stats["exported"], stats["sampled_out"], stats["held"]) == (1, 1, 0)
    assert lost(stats) == {"shutdown": 3}


def test_span_that_cannot_be_encoded_does_not_hold_its_trace(pipeline: Pipeline) -> None:
    tracer = pipeline.start(ERRORS)
    root = tracer.start_span("root")
    fail(root)

    class Unusable(str):
        def __str__(self) -> str:
            raise ValueError

    child = tracer.start_span("child", context_with(root))
    child.set_attribute("a" * 10, Unusable("x"))
    child.end()
    root.end()
    assert "root" in pipeline.received()


# --- bounds -----------------------------------------------------------------------------------------------------------


def test_num_traces_is_a_bound(pipeline: Pipeline) -> None:
    tracer = pipeline.start(ERRORS, num_traces=10)
    roots = []
    for number in range(25):
        roots.append(tracer.start_span(f"root {number}"))
        assert pipeline.tail()["traces_held"] <= 10
    for root in roots:
        fail(root)
        root.end()
    # The fifteen oldest were decided on before they showed an error; each of their spans is counted.
    assert set(pipeline.received()) == {f"root {number}" for number in range(15, 25)}
    stats = pipeline.stats()
    assert lost(stats) == {"evicted": 15}
    assert stats["detail"]["tail"]["traces_evicted"] == stats["detail"]["tail"]["traces_decided_early"] == 15


def test_bytes_are_a_bound(pipeline: Pipeline) -> None:
    bound = 4 << 20
    tracer = pipeline.start(ERRORS, max_bytes=bound, num_traces=1000, decision_cache_size=4096)
    roots = []
    for number in range(200):
        roots.append(tracer.start_span(f"root {number}"))
        with tracer.start_as_current_span("child", context_with(roots[-1])) as child:
            child.set_attribute("payload", "p" * 50_000)
        assert pipeline.tail()["bytes_in_use"] <= bound
    assert pipeline.tail()["traces_evicted"] > 100
    for root in roots:
        fail(root)
        root.end()
    kept = defaultdict(int)
    for span in spans_in(request.body for request in pipeline._receiver.requests):
        kept[span.trace_id] += 1
    assert set(kept.values()) <= {2}
    assert pipeline.stats()["dropped"]["evicted"] == 2 * pipeline.tail()["traces_evicted"]


def test_kept_traces_that_nobody_takes_are_dropped_whole(
    receiver: HttpReceiver, make_pipeline: Callable[..., Pipeline]
) -> None:
    released = threading.Event()

    def wait(connection: socket.socket, server: HttpReceiver) -> bool:
        assert released.wait(WAIT)
        return answer(200)(connection, server)

    receiver.script = [wait]
    pipeline = make_pipeline()
    tracer = pipeline.start([tail.AlwaysSample()], max_bytes=2 << 20, num_traces=100, decision_cache_size=128)
    for _ in range(300):
        with tracer.start_as_current_span("root"), tracer.start_as_current_span("child") as child:
            child.set_attribute("payload", "p" * 10_000)
    stats = pipeline.stats()
    full = stats["dropped"]["queue_full"]
    assert full > 0 and full % 2 == 0
    assert full == 2 * stats["detail"]["tail"]["traces_queue_full"]
    assert stats["detail"]["tail"]["bytes_in_use"] <= 2 << 20
    released.set()
    pipeline.received()
    assert pipeline.stats()["exported"] == 600 - full


# --- construction -----------------------------------------------------------------------------------------------------


def test_exporters_that_take_objects_are_refused() -> None:
    with pytest.raises(ValueError, match="tail_sampling needs an exporter of OTLP"):
        nanospan.BatchSpanProcessor(ConsoleSpanExporter(), tail_sampling=tail.TailSampling(ERRORS))


def test_settings_of_another_kind_are_refused() -> None:
    with pytest.raises(TypeError, match=r"tail_sampling must be a nanospan\.tail\.TailSampling, not list"):
        nanospan.BatchSpanProcessor(tail_sampling=ERRORS)


def test_too_few_bytes_for_so_many_traces_are_refused() -> None:
    with pytest.raises(ValueError, match="max_bytes must be at least"):
        nanospan.BatchSpanProcessor(tail_sampling=tail.TailSampling(ERRORS, num_traces=1_000_000, max_bytes=2 << 20))
