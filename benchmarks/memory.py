"""Memory of spans, stock beside nanospan; and a run over millions of spans that must hold none of them.

    python benchmarks/memory.py [--spans 100000]            bytes per live span and per queued span
    python benchmarks/memory.py leak [--spans 5000000]      resident memory and collector's objects, every tenth of the run

Each figure is measured in a process of its own: by the resident size, which counts native memory, and once more by
tracemalloc, which counts Python's allocations only. Exit status 1 if a bound is not kept.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from common.contenders import IMPLEMENTATIONS, TEN_ATTRIBUTES, provider_with
from common.traced_code import NAME, current_ten_set
from opentelemetry.sdk.trace.sampling import DEFAULT_ON, ParentBased, TraceIdRatioBased
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags, Tracer

from nanospan.receiver import ReceiverProcess

MAX_BYTES_ABOVE_ENCODED = 32
LEAK_TOLERANCE_BYTES = 2 << 20
LEAK_BURST = 10_000
LEAK_QUEUE_BYTES = 16 << 20
"""Small, so that the first tenth has gone once around the whole queue, whose pages come with their first use."""
MIN_LEAK_SPANS = 500_000
NOWHERE = "http://127.0.0.1:9/v1/traces"
_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


def _ten_attribute_span(tracer: Tracer):
    span = tracer.start_span(NAME)
    for key, value in TEN_ATTRIBUTES.items():
        span.set_attribute(key, value)
    return span


def _grown(make: Callable[[], object], spans: int, traced: bool) -> dict[str, float]:
    """Bytes and collector's objects a span that ``make`` leaves behind."""
    gc.collect()
    objects = len(gc.get_objects())
    if traced:
        tracemalloc.start()
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        make()
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
    else:
        before = resident_bytes()
        make()
        gc.collect()
        grown = resident_bytes() - before
    return {"bytes": grown / spans, "gc_objects": (len(gc.get_objects()) - objects) / spans}


def live(name: str, spans: int, traced: bool) -> dict[str, float]:
    """Spans of ten attributes that have started and not ended."""
    tracer = IMPLEMENTATIONS[name].provider(sampler=DEFAULT_ON).get_tracer("benchmark", "1.0")
    _ten_attribute_span(tracer)
    held: list[object] = [None] * spans

    def make() -> None:
        for number in range(spans):
            held[number] = _ten_attribute_span(tracer)

    return _grown(make, spans, traced)


def queued(name: str, spans: int, traced: bool) -> dict[str, float]:
    """Ended spans in the queue of a BatchSpanProcessor whose worker sleeps."""
    implementation = IMPLEMENTATIONS[name]
    # Twice the room in spans, and far more in bytes, than is used: a queue that fills wakes its worker.
    room = 2 * (spans + 1)
    settings: dict[str, int] = {"max_queue_bytes": max(64 << 20, 8192 * spans)} if name == "nanospan" else {}
    processor = implementation.processor(
        NOWHERE, max_queue_size=room, max_export_batch_size=room, schedule_delay_millis=3_600_000, **settings
    )
    tracer = implementation.provider(processor, sampler=DEFAULT_ON).get_tracer("benchmark", "1.0")
    _ten_attribute_span(tracer).end()
    figures = _grown(lambda: [_ten_attribute_span(tracer).end() for _ in range(spans)] and None, spans, traced)
    if name == "nanospan":
        queue = processor._batch_processor._queue
        assert queue.depth == spans + 1, f"{queue.depth} spans are queued, not {spans + 1}"
        figures["ring_bytes"] = queue.used_bytes / (spans + 1)
        figures["encoded_bytes"] = _encoded_size(_ten_attribute_span(tracer))
    return figures


def _encoded_size(span) -> int:
    """Bytes of the span as an OTLP message, by the reference."""
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans as reference

    span.end()
    return reference([span]).resource_spans[0].scope_spans[0].spans[0].ByteSize()


MEASUREMENTS = {"live": live, "queued": queued}


def _in_a_process(kind: str, name: str, spans: int, traced: bool) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", kind, name, str(spans), str(int(traced))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} {kind}: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout)


def compare(spans: int) -> bool:
    print(f"per ten-attribute span, of {spans:,}: resident bytes, bytes by tracemalloc, objects the collector tracks")
    resident: dict[tuple[str, str], dict[str, float]] = {}
    for kind in MEASUREMENTS:
        for name in IMPLEMENTATIONS:
            one = resident[kind, name] = _in_a_process(kind, name, spans, traced=False)
            traced = _in_a_process(kind, name, spans, traced=True)
            objects = round(one["gc_objects"], 2) + 0.0
            print(f"  {kind:8}{name:10} {one['bytes']:9.0f} {traced['bytes']:9.0f} {objects:9.2f}")
    queue = resident["queued", "nanospan"]
    above = queue["ring_bytes"] - queue["encoded_bytes"]
    kept = above <= MAX_BYTES_ABOVE_ENCODED and queue["gc_objects"] < 0.01
    print(
        f"  nanospan's queue: {queue['ring_bytes']:.1f} bytes a span, encoded {queue['encoded_bytes']}, above it {above:.1f}"
        f" (at most {MAX_BYTES_ABOVE_ENCODED}, and nothing for the collector: {'yes' if kept else 'NO'})"
    )
    return kept


def leak(spans: int) -> bool:
    """Spans of every kind through the whole pipeline, all delivered; the memory after each tenth of them."""
    remote = SpanContext(1, 2, True, TraceFlags(1))
    error = ValueError("it failed")

    def unusual(tracer: Tracer) -> None:
        with tracer.start_as_current_span(NAME, links=[Link(remote, {"a": 1})]) as span:
            span.add_event("event", {"a": [1, 2, 3]})
            span.add_link(remote)
            span.record_exception(error)
            span.set_status(Status(StatusCode.ERROR, "it failed"))
            span.update_name("another")
            span.attributes  # noqa: B018

    implementation = IMPLEMENTATIONS["nanospan"]
    unsampled = provider_with(kind=implementation.kind(), sampler=ParentBased(TraceIdRatioBased(0))).get_tracer("benchmark")
    with ReceiverProcess(grpc_port=None) as receiver:
        processor = implementation.processor(
            receiver.endpoint_http, max_queue_size=4 * LEAK_BURST, max_queue_bytes=LEAK_QUEUE_BYTES
        )
        provider = implementation.provider(processor, sampler=DEFAULT_ON)
        tracer = provider.get_tracer("benchmark", "1.0")
        usual = LEAK_BURST * 98 // 100
        sizes: list[int] = []
        objects: list[int] = []
        tenth = max(LEAK_BURST, spans // 10)
        made = 0
        print("spans made, resident KiB, objects the collector tracks")
        while made < spans:
            for _ in range(tenth // LEAK_BURST):
                current_ten_set(tracer, usual)
                for _ in range(LEAK_BURST - usual):
                    unusual(tracer)
                current_ten_set(unsampled, 100)
                made += LEAK_BURST
                if not provider.force_flush(60_000):
                    raise RuntimeError("the spans could not be delivered")
            gc.collect()
            sizes.append(resident_bytes())
            objects.append(len(gc.get_objects()))
            print(f"  {made:>12,} {sizes[-1] >> 10:>10,} {objects[-1]:>10,}", flush=True)
        receiver.wait_for_spans(made, 10.0)
        arrived = receiver.stats()["spans"]
        stats = processor.stats()
        provider.shutdown()
    print(f"  {arrived:,} of {made:,} arrived; {stats}")
    # The first tenth warms up what is allocated once and kept.
    grown = sizes[-1] - sizes[0]
    flat = grown <= LEAK_TOLERANCE_BYTES and objects[-1] - objects[0] < 100
    print(
        f"  grown by {grown / 1024:.0f} KiB and {objects[-1] - objects[0]} objects since the first tenth:"
        f" {'flat' if flat else 'NOT FLAT'}"
    )
    return flat and arrived == made and stats["queued"] == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=("compare", "leak"), default="compare")
    parser.add_argument("--spans", type=int)
    parser.add_argument("--measure", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        kind, name, spans, traced = arguments.measure
        print(json.dumps(MEASUREMENTS[kind](name, int(spans), traced == "1")), flush=True)
        os._exit(0)  # what is queued has nowhere to go
    if arguments.what == "leak" and (arguments.spans or MIN_LEAK_SPANS) < MIN_LEAK_SPANS:
        parser.error(f"a leak run takes at least {MIN_LEAK_SPANS} spans")
    kept = leak(arguments.spans or 5_000_000) if arguments.what == "leak" else compare(arguments.spans or 100_000)
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
