"""The table of resources and scopes: spans keep theirs, whatever Python code runs while the table changes."""

from __future__ import annotations

import gc
import itertools
import subprocess
import sys
import threading

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from support.accounting import WAIT, ended_span

from nanospan._native.queue import EncodedQueue, NativeBatchProcessor


def queued(max_spans: int = 2000) -> tuple[EncodedQueue, NativeBatchProcessor]:
    queue = EncodedQueue(max_spans, max_spans, 64 << 20)
    processor = NativeBatchProcessor()
    processor._attach_queue(queue)
    return queue, processor


def spans_by_scope(queue: EncodedQueue) -> list[tuple[str, list[str]]]:
    found = []
    while batch := queue.next_batch(0.0, 10_000, 1 << 22):
        for resource_spans in ExportTraceServiceRequest.FromString(bytes(batch)).resource_spans:
            for scope_spans in resource_spans.scope_spans:
                found.append((scope_spans.scope.name, [span.name for span in scope_spans.spans]))
    return found


class SlowlyHashed(InstrumentationScope):
    """Stands still in its second hash, the one that puts it into the table."""

    entered = threading.Event()
    go_on = threading.Event()
    hashes = 0

    def __hash__(self) -> int:
        SlowlyHashed.hashes += 1
        if SlowlyHashed.hashes == 2:
            self.entered.set()
            assert self.go_on.wait(WAIT)
        return super().__hash__()


def test_two_scopes_first_seen_at_once_stay_two():
    queue, processor = queued()
    first = ended_span("in x", instrumentation_scope=SlowlyHashed("x"))
    thread = threading.Thread(target=processor.on_end, args=(first,))
    thread.start()
    assert SlowlyHashed.entered.wait(WAIT)
    processor.on_end(ended_span("in y", instrumentation_scope=InstrumentationScope("y")))
    SlowlyHashed.go_on.set()
    thread.join()
    processor.on_end(ended_span("in x again", instrumentation_scope=InstrumentationScope("x")))
    assert dict(spans_by_scope(queue)) == {"x": ["in x", "in x again"], "y": ["in y"]}


def test_a_finalizer_that_ends_spans_while_the_table_is_swept():
    queue, processor = queued()
    held: list = []

    class Finalized(InstrumentationScope):
        __hash__ = None  # held by nothing but the table

        def __del__(self) -> None:
            for span in held:
                processor.on_end(span)

    early = [
        ended_span(f"span {number}", instrumentation_scope=InstrumentationScope(f"early {number}")) for number in range(3)
    ]
    processor.on_end(ended_span(instrumentation_scope=Finalized("finalized")))
    assert len(spans_by_scope(queue)) == 1
    held.extend(early)
    expected = {f"early {number}": [f"span {number}"] for number in range(3)}
    for number in range(300):  # more than the table keeps idle
        for span in early:
            processor.on_end(span)
        found = spans_by_scope(queue)
        assert {scope: set(names) for scope, names in found} == {scope: set(names) for scope, names in expected.items()}
        processor.on_end(ended_span(instrumentation_scope=InstrumentationScope(f"unique {number}")))
        for scope, names in spans_by_scope(queue):
            assert names == ["span"] if scope.startswith("unique") else names == expected[scope]


def test_more_pairs_than_slots_cost_the_spans_that_find_none():
    queue, processor = queued(max_spans=70_000)
    resources = [Resource({"number": number}) for number in range(257)]
    scopes = [InstrumentationScope(str(number)) for number in range(256)]
    for resource, scope in itertools.islice(itertools.product(resources, scopes), 65_600):
        processor.on_end(ended_span(resource=resource, instrumentation_scope=scope))
    stats = queue.stats()
    assert stats["dropped"]["encode_failed"] == 64
    assert queue.depth == 65_536


def test_a_table_and_its_batches_in_one_piece_of_garbage(capfd: pytest.CaptureFixture[str]):
    def leave_a_cycle() -> None:
        queue, processor = queued()
        cycle: list = [queue, processor]
        cycle.append(cycle)
        processor.on_end(ended_span())
        cycle.append(queue.next_batch(0.0, 10, 1 << 20))

    for _ in range(20):
        leave_a_cycle()
    gc.collect()
    assert capfd.readouterr().err == ""


VANISHING_VALUE = """
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, TraceFlags
from nanospan import encode_spans

class Vanishing:
    @property
    def __class__(self):
        attributes.pop("vanishing", None)
        return Vanishing

attributes = {"vanishing": Vanishing(), "other": 1}
encode_spans([ReadableSpan("name", context=SpanContext(1, 2, False, TraceFlags(1)), attributes=attributes)])
"""


def test_a_value_that_leaves_its_dict_while_it_is_looked_at():
    run = subprocess.run([sys.executable, "-X", "dev", "-c", VANISHING_VALUE], capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
