"""The memory of queued spans is bounded, and none of it is Python objects."""

from __future__ import annotations

import gc
import sys
import weakref
from typing import Any

import pytest
from support.accounting import check_balance, ended_span, lost
from support.launcher import Launcher
from support.receivers import HttpReceiver, hang, unused_port

import nanospan
from nanospan.export.http import OTLPSpanExporter
from nanospan.receiver import ReceiverProcess

MIB = 1 << 20
QUEUE_BYTES = 16 * MIB
CONSTANT = 12 * MIB
"""Beside the queue: one request under way with its copies, and what a process grows by as it runs."""


pytestmark = pytest.mark.usefixtures("clean_environment")


def end_two_million(endpoint: str) -> dict[str, Any]:
    launcher = Launcher()
    try:
        finished = launcher.run("memory.py", endpoint, str(QUEUE_BYTES))
    finally:
        launcher.close()
    assert finished.code == 0, finished.stderr
    (report,) = finished.reports
    check_balance(report["stats"])
    assert report["stats"]["ended"] == 2_000_001
    assert report["grown"] <= QUEUE_BYTES + CONSTANT
    # Of the request under way, connections and so on: two million spans would leave millions.
    assert report["blocks"] < 10_000
    return report["stats"]


def test_memory_with_a_receiver_that_hangs() -> None:
    with HttpReceiver([hang]) as receiver:
        stats = end_two_million(receiver.url)
    assert stats["exported"] == 0
    # The queue did fill, or the test has shown nothing.
    assert stats["detail"]["queue_bytes"] > QUEUE_BYTES * 0.99
    assert lost(stats) == {"queue_full": stats["ended"] - stats["queued"]}


def test_memory_with_a_healthy_receiver() -> None:
    with ReceiverProcess(grpc_port=None) as receiver:
        stats = end_two_million(receiver.endpoint_http)
    assert stats["exported"] > 0
    assert set(lost(stats)) <= {"queue_full"}


class Value(str):
    """An attribute's value that can be weakly referenced."""


def test_no_object_of_a_span_outlives_on_end() -> None:
    with HttpReceiver() as receiver:
        processor = nanospan.BatchSpanProcessor(OTLPSpanExporter(receiver.url), schedule_delay_millis=600_000)
        processor.on_end(ended_span())  # the first brings resource and scope, which are held
        value = Value("text")
        span = ended_span("a name of its own", attributes={"key": value, "list": (value, 1)})
        objects = [span, span.context, span.attributes, span.name, value, span.status]
        counts = [sys.getrefcount(item) for item in objects]
        referrers = [len(gc.get_referrers(item)) for item in objects]
        processor.on_end(span)
        assert [sys.getrefcount(item) for item in objects] == counts
        assert [len(gc.get_referrers(item)) for item in objects] == referrers
        gone = [weakref.ref(span), weakref.ref(value)]
        del span, value, objects
        assert processor.stats()["queued"] == 2
        assert [reference() for reference in gone] == [None, None]
        assert processor.force_flush()
        processor.shutdown()
        assert receiver.span_names() == ["span", "a name of its own"]


def test_queued_spans_are_nothing_to_the_garbage_collector() -> None:
    processor = nanospan.BatchSpanProcessor(
        OTLPSpanExporter(f"http://127.0.0.1:{unused_port()}/v1/traces", timeout=0.1),
        max_queue_size=20_000,
        max_export_batch_size=20_000,
        schedule_delay_millis=600_000,
    )
    span = ended_span(attributes={"key": "value"})
    processor.on_end(span)
    gc.collect()
    tracked, blocks = len(gc.get_objects()), sys.getallocatedblocks()
    for _ in range(10_000):
        processor.on_end(span)
    assert len(gc.get_objects()) - tracked < 100
    assert sys.getallocatedblocks() - blocks < 100
    assert processor.stats()["queued"] == 10_001
    processor.shutdown()


def test_resources_and_scopes_of_the_past_are_let_go() -> None:
    """They are held by the records that name them, and a bounded number of idle ones."""
    from opentelemetry.sdk.resources import Resource

    processor = nanospan.BatchSpanProcessor(
        OTLPSpanExporter(f"http://127.0.0.1:{unused_port()}/v1/traces", timeout=0.1),
        max_queue_size=16,
        schedule_delay_millis=600_000,
    )
    resources = []
    for number in range(5_000):
        resource = Resource({"number": number})
        resources.append(weakref.ref(resource))
        processor.on_end(ended_span(resource=resource))
    processor.shutdown()
    del resource
    assert sum(reference() is not None for reference in resources) < 1_000
