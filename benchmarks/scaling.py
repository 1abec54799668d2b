"""What a span costs as threads are added, nanospan beside the stock SDK, in one run and taking turns.

    python benchmarks/scaling.py                         1, 2, ... threads up to the cores, and twice as many as cores
    python benchmarks/scaling.py --threads 1 2 4 --rounds 7 --spans 20000 --json build/scaling.json

All threads use one tracer, as an application's do. Each makes the same number of spans; the figure is the time from the
moment that all begin to the moment that the last has ended, divided by the spans of one thread: perfect scaling keeps it
where one thread put it until there are more threads than cores. With a `BatchSpanProcessor` behind the tracer, spans are
queued and the worker sends them to an exporter that throws them away: nanospan's encodes on the way into the queue, the
stock one not at all. Best of the rounds, which alternate between the contenders.

Worth running where the interpreter has no lock; with one, more threads only take turns.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from opentelemetry.sdk import trace as stock
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Tracer

import nanospan
from nanospan.export import EncodedBatch, ExportOutcome

QUEUE = 1 << 16


class ThrownAway(SpanExporter):
    """Takes spans, or bytes, and keeps nothing."""

    def export(self, spans: Sequence[Any]) -> SpanExportResult:
        return SpanExportResult.SUCCESS


class BytesThrownAway:
    def export_encoded(self, batch: EncodedBatch, timeout: float | None = None) -> ExportOutcome:
        return ExportOutcome(batch.count, 0, 0)

    def after_fork(self) -> None: ...

    def shutdown(self) -> None: ...


def stock_provider(queued: bool) -> Any:
    provider = stock.TracerProvider(sampler=ALWAYS_ON, shutdown_on_exit=False)
    if queued:
        provider.add_span_processor(BatchSpanProcessor(ThrownAway(), max_queue_size=QUEUE))
    return provider


def nanospan_provider(queued: bool) -> Any:
    provider = nanospan.TracerProvider(sampler=ALWAYS_ON, shutdown_on_exit=False)
    if queued:
        provider.add_span_processor(nanospan.BatchSpanProcessor(BytesThrownAway(), max_queue_size=QUEUE))
    return provider


CONTENDERS = {"stock": stock_provider, "nanospan": nanospan_provider}


def make_spans(tracer: Tracer, spans: int) -> None:
    for number in range(spans):
        with tracer.start_as_current_span("span") as span:
            span.set_attribute("number", number)


def seconds_of(tracer: Tracer, threads: int, spans: int) -> float:
    """From the moment that all threads may begin to the moment that all have ended."""
    begin = threading.Barrier(threads + 1)
    end = threading.Barrier(threads + 1)

    def run() -> None:
        begin.wait()
        make_spans(tracer, spans)
        end.wait()

    crowd = [threading.Thread(target=run) for _ in range(threads)]
    for thread in crowd:
        thread.start()
    begin.wait()
    began = time.perf_counter()
    end.wait()
    taken = time.perf_counter() - began
    for thread in crowd:
        thread.join()
    return taken


def measure(threads: Sequence[int], rounds: int, spans: int) -> list[dict[str, Any]]:
    rows = []
    for queued in (False, True):
        for count in threads:
            best = dict.fromkeys(CONTENDERS, float("inf"))
            for _ in range(rounds):
                for name, make_provider in CONTENDERS.items():
                    provider = make_provider(queued)
                    tracer = provider.get_tracer("scaling")
                    make_spans(tracer, 500)
                    gc.collect()
                    best[name] = min(best[name], seconds_of(tracer, count, spans))
                    provider.shutdown()
            row = {"queued": queued, "threads": count}
            row |= {name: round(seconds / spans * 1e9) for name, seconds in best.items()}
            rows.append(row)
            print(
                f"  {'queued' if queued else 'unqueued':10}{count:>3} threads"
                + "".join(
                    f"   {name} {row[name]:>7,} ns ({count / best[name] * spans / 1e6:6.3f} million spans/s)"
                    for name in CONTENDERS
                ),
                flush=True,
            )
    return rows


def main() -> None:
    cores = len(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[*range(1, cores + 1), 2 * cores])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--spans", type=int, default=20_000, help="of each thread in each round")
    parser.add_argument("--json", type=Path, help="write the figures there")
    arguments = parser.parse_args()
    locked = getattr(sys, "_is_gil_enabled", lambda: True)()
    print(f"  Python {platform.python_version()}, interpreter lock {'on' if locked else 'off'}, {cores} cores")
    rows = measure(arguments.threads, arguments.rounds, arguments.spans)
    if arguments.json:
        figures = {"python": platform.python_version(), "interpreter_lock": locked, "cores": cores, "rows": rows}
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
