"""Processors whose spans end, flush and shut down in several threads: the account is right at every moment."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.trace import StatusCode
from support.accounting import WAIT, lost
from support.crowd import THREADS, EncodedCollector, ObjectCollector, Pipeline, beside, pipeline, together

import nanospan
from nanospan import tail

ROUNDS = 200
LONG = 3600.0
"""Seconds that no test waits for."""


def tail_pipeline(**settings: Any) -> Pipeline:
    settings = {"decision_wait": LONG, "decision_wait_after_root_ended": LONG} | settings
    return pipeline(tail_sampling=tail.TailSampling([tail.StatusCode("ERROR")], **settings))


PIPELINES = {
    "encoded": lambda: pipeline(EncodedCollector()),
    "objects": lambda: pipeline(ObjectCollector()),
    "tail": tail_pipeline,
}


@pytest.mark.parametrize("turn", range(10))
@pytest.mark.parametrize("kind", PIPELINES)
def test_shutdown_while_spans_end(kind: str, turn: int) -> None:
    """Each span is exported, or sampled out, or dropped by the shutdown; none stays behind in the queue."""
    sent = PIPELINES[kind]()
    begun = threading.Barrier(THREADS + 1)

    def end(number: int) -> None:
        for round_ in range(ROUNDS):
            if round_ == 20:
                begun.wait(WAIT)
            span = sent.tracer.start_span("span")
            if round_ % 2:
                span.set_status(StatusCode.ERROR)
            span.end()

    def shut_down(number: int) -> None:
        if number == 0:
            begun.wait(WAIT)
        if number < 2:
            sent.processor.shutdown()

    with beside(sent.stats):
        together(end, shut_down)
    stats = sent.stats()
    assert stats["ended"] == THREADS * ROUNDS
    assert (stats["queued"], stats["held"]) == (0, 0), stats
    assert set(lost(stats)) <= {"shutdown"}
    assert len(sent.collector.names()) == stats["exported"]


@pytest.mark.parametrize("collector", [EncodedCollector, ObjectCollector])
def test_flushes_side_by_side(collector: type) -> None:
    """What a thread has ended before it flushes has arrived when the flush returns."""
    sent = pipeline(collector(), schedule_delay_millis=600_000)

    def work(number: int) -> None:
        mine = []
        for round_ in range(15):
            for part in range(10):
                mine.append(f"{number} {round_} {part}")
                sent.tracer.start_span(mine[-1]).end()
            assert sent.processor.force_flush(int(WAIT * 1000))
            assert set(mine) <= set(sent.collector.names())

    with beside(sent.stats):
        together(work)
    assert sent.stats()["exported"] == THREADS * 150
    sent.provider.shutdown()


def test_processors_added_while_spans_end() -> None:
    class Counting(SpanProcessor):
        def __init__(self) -> None:
            self.names: list[str] = []

        def on_end(self, span: Any) -> None:
            self.names.append(span.name)

        def force_flush(self, timeout_millis: int = 30000) -> bool:
            return True  # the base class of older releases returns None, which counts as a failure

    provider = nanospan.TracerProvider(shutdown_on_exit=False)
    tracer = provider.get_tracer("crowd")
    added: list[tuple[Any, Any]] = []
    progress = [0] * THREADS

    def end(number: int) -> None:
        for round_ in range(ROUNDS):
            tracer.start_span(f"{number} {round_}").end()
            progress[number] = round_

    def add(number: int) -> None:
        for turn in range(3):
            if number % 2:
                collector = ObjectCollector() if turn % 2 else EncodedCollector()
                processor: Any = nanospan.BatchSpanProcessor(collector, schedule_delay_millis=20)
            else:
                processor = collector = Counting()
            provider.add_span_processor(processor)
            # Of every thread the span after the one that may be under way is the first that must be seen.
            added.append((collector, [last + 3 for last in progress]))

    together(end, add)
    assert provider.force_flush(int(WAIT * 1000))
    for collector, first in added:
        names = collector.names if isinstance(collector, Counting) else collector.names()
        assert len(names) == len(set(names))
        expected = {f"{number} {round_}" for number in range(THREADS) for round_ in range(first[number], ROUNDS)}
        assert expected <= set(names)
    provider.shutdown()


def test_a_call_replaced_while_spans_end() -> None:
    """From then on it is called; no span misses the processor, or meets it twice."""
    sent = pipeline()
    replaced: list[str] = []

    def end(number: int) -> None:
        for round_ in range(ROUNDS):
            sent.tracer.start_span(f"{number} {round_}").end()

    def replace(number: int) -> None:
        if number == 0:
            sent.processor.on_end = lambda span: replaced.append(span.name)  # type: ignore[method-assign]

    together(end, replace)
    expected = [f"{number} {round_}" for number in range(THREADS) for round_ in range(ROUNDS)]
    assert sorted(sent.names() + replaced) == sorted(expected)
    sent.provider.shutdown()


def test_more_resources_and_scopes_than_are_kept() -> None:
    """Threads that add pairs of resource and scope while idle ones are swept: each span arrives under its own."""
    sent = pipeline(schedule_delay_millis=1)

    def end(number: int) -> None:
        for round_ in range(ROUNDS):
            tracer = sent.provider.get_tracer(f"scope {(number * 7 + round_) % 400}")
            tracer.resource = Resource({"number": round_ % 3})
            tracer.start_span(f"{number} {round_}").end()
            if round_ % 50 == 49:
                assert sent.processor.force_flush(int(WAIT * 1000))

    together(end)
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    assert len(sent.names()) == THREADS * ROUNDS
    found: Counter[str] = Counter()
    for body in sent.collector.bodies:
        for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope_spans in resource_spans.scope_spans:
                for span in scope_spans.spans:
                    number, round_ = map(int, span.name.split())
                    assert scope_spans.scope.name == f"scope {(number * 7 + round_) % 400}"
                    found[span.name] += 1
    assert set(found.values()) == {1}
    sent.provider.shutdown()


def test_tail_sampling_of_traces_whose_spans_end_in_all_threads() -> None:
    threads, traces = 8, 100
    sent = tail_pipeline()
    context: dict[int, Any] = {}
    roots = [sent.tracer.start_span(f"root {number}") for number in range(traces)]
    for number, root in enumerate(roots):
        context[number] = trace.set_span_in_context(root)
    started = threading.Barrier(threads)
    spans: list[list[Any]] = [[] for _ in range(traces)]

    def work(thread: int) -> None:
        for number in range(traces):
            child = sent.tracer.start_span(f"{number} {thread}", context[number])
            if number % 3 == 0 and thread == number % threads:
                child.set_status(StatusCode.ERROR)
            spans[number].append(child)
        started.wait(WAIT)
        for number in range(traces):
            spans[number][thread].end()
            if thread == (number + 1) % threads:
                roots[number].end()

    with beside(sent.stats):
        together(work, threads=threads)
    kept = [number for number in range(traces) if number % 3 == 0]
    expected = [f"root {number}" for number in kept]
    expected += [f"{number} {thread}" for number in kept for thread in range(threads)]
    assert sent.names() == sorted(expected)
    stats = sent.stats()
    assert (stats["exported"], stats["held"]) == (len(expected), 0)
    assert stats["sampled_out"] == (traces - len(kept)) * (threads + 1)
    sent.provider.shutdown()


def test_tail_sampling_without_room() -> None:
    """Traces decided early, evicted and refused from several threads, while the worker reads: the account is right."""
    sent = tail_pipeline(num_traces=20, decision_cache_size=50, max_bytes=1 << 20)
    text = "x" * 300

    def work(thread: int) -> None:
        for number in range(ROUNDS):
            with sent.tracer.start_as_current_span("root") as root:
                child = sent.tracer.start_span("child", attributes={"text": text * (number % 5)})
                if number % 4 == 0:
                    root.set_status(StatusCode.ERROR)
            child.end()

    with beside(sent.stats):
        together(work)
    sent.processor.shutdown()
    stats = sent.stats()
    assert stats["ended"] == 2 * THREADS * ROUNDS
    assert (stats["queued"], stats["held"]) == (0, 0)
    assert len(sent.collector.names()) == stats["exported"]


FORKS = """
import os, threading, warnings
warnings.simplefilter("ignore")
import nanospan
from support.accounting import check_balance
from support.crowd import pipeline

sent = pipeline()
over = threading.Event()

def end_spans():
    while not over.is_set():
        with sent.tracer.start_as_current_span("parent"):
            sent.tracer.start_span("child").end()

def fork(results):
    for _ in range(4):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                threads = [threading.Thread(target=end_some) for _ in range(3)]
                for thread in threads: thread.start()
                for thread in threads: thread.join()
                assert sent.processor.force_flush(60_000), "flush"
                # Not taken apart: without the lock, protobuf's Python is slow in the child of a busy process.
                body = b"".join(sent.collector.bodies)
                assert [body.count(name) for name in (b"in child", b"child", b"parent")] == [150, 150, 0], "names"
                stats = sent.stats()
                assert stats["ended"] == stats["exported"] == 150, stats
                status = 0
            finally:
                os._exit(status)
        results.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

def end_some():
    for _ in range(50):
        sent.tracer.start_span("in child").end()

threads = [threading.Thread(target=end_spans) for _ in range(3)]
for thread in threads: thread.start()
results = []
forker = threading.Thread(target=fork, args=(results,))
forker.start(); forker.join()
over.set()
for thread in threads: thread.join()
sent.provider.shutdown()
stats = sent.stats()
assert results == [0] * 4, results
assert stats["ended"] == stats["exported"] + stats["dropped"]["queue_full"], stats
"""


def test_forks_from_a_thread_while_others_end_spans(request: pytest.FixtureRequest) -> None:
    here = str(request.config.rootpath / "tests")
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {here!r})\n{FORKS}"],
        capture_output=True,
        text=True,
        timeout=WAIT,
        check=False,
    )
    assert run.returncode == 0, run.stderr
