"""Many traces through tail sampling, interleaved and out of order, into a real receiver; and what became of each.

    python tests/support/tail_workload.py [--traces 1000000] [--depth 10000] [--threads 4] [--num-traces N]

One in a hundred traces has an error, one in a hundred is slow, both in a span that is not the root; the policies keep these
and one hundredth of the others. ``--depth`` traces are open at a time. Each trace has one to nine spans, which end in any
order and on any thread, the root among them; times are given, not measured: nothing depends on the machine's speed.

Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import Span, Status, StatusCode, Tracer, set_span_in_context

import nanospan
from nanospan import tail
from nanospan.export.http import OTLPSpanExporter
from nanospan.receiver import ReceiverProcess

MILLISECOND = 1_000_000
SLOW_MS = 3_600_000
"""Longer than any trace is open by the clock, which counts where one is decided on before it has ended."""
EPOCH = 1_700_000_000_000_000_000
ONE_IN = 100
BASELINE = 1 / ONE_IN
MAX_QUEUED = 10_000
_PAGE = os.sysconf("SC_PAGE_SIZE")


def kind_of(number: int) -> str:
    return {0: "error", 1: "slow"}.get(number % ONE_IN, "plain")


def span_count(number: int) -> int:
    return 1 + number * 7919 % 9


class OpenTrace:
    """A trace whose spans have started and end one by one."""

    __slots__ = ("kind", "marked", "number", "spans")

    def __init__(self, tracer: Tracer, number: int, shuffle: random.Random) -> None:
        count = span_count(number)
        self.number, self.kind = number, kind_of(number)
        root = tracer.start_span(f"{number} {self.kind} {count}", start_time=EPOCH)
        context = set_span_in_context(root)
        self.spans: list[Span] = [root]
        for child in range(1, count):
            self.spans.append(
                tracer.start_span(f"step {child}", context, attributes={"step": child, "note": "n" * 60}, start_time=EPOCH)
            )
        self.marked = self.spans[-1]
        shuffle.shuffle(self.spans)

    def end_one(self) -> bool:
        """End the next span; True if it was the last."""
        span = self.spans.pop()
        milliseconds = 1 + self.number % 500
        if span is self.marked:
            if self.kind == "error":
                span.set_status(Status(StatusCode.ERROR, "no luck"))
            elif self.kind == "slow":
                milliseconds = SLOW_MS + 1 + self.number % 5000
        span.end(EPOCH + milliseconds * MILLISECOND)
        return not self.spans


class Workload:
    """Ends ``traces`` traces from several threads, ``depth`` of them open at a time.

    A thread waits while more than `MAX_QUEUED` spans are queued: the queue is never full, on any machine.
    """

    def __init__(self, tracer: Tracer, queued: Callable[[], int], traces: int, depth: int) -> None:
        self._tracer = tracer
        self._queued = queued
        self._traces = traces
        self._depth = depth
        self._open: deque[OpenTrace] = deque()
        self._begun = 0
        self._lock = threading.Lock()
        self.max_resident = 0

    def run(self, threads: int) -> None:
        self._failed: list[BaseException] = []
        workers = [threading.Thread(target=self._work, args=(seed,)) for seed in range(threads)]
        for worker in workers:
            worker.start()
        while any(worker.is_alive() for worker in workers):
            self.max_resident = max(self.max_resident, resident_bytes())
            time.sleep(0.05)
        for worker in workers:
            worker.join()
        if self._failed:
            raise self._failed[0]

    def _next_number(self) -> int | None:
        with self._lock:
            if self._begun >= self._traces:
                return None
            self._begun += 1
            number = self._begun - 1
        while number % 100 == 0 and self._queued() > MAX_QUEUED:
            time.sleep(0.001)
        return number

    def _work(self, seed: int) -> None:
        try:
            self._go_on(random.Random(seed))
        except BaseException as error:
            self._failed.append(error)
            raise

    def _go_on(self, shuffle: random.Random) -> None:
        tracer, traces = self._tracer, self._open
        more = True
        while True:
            if more and len(traces) < self._depth:
                number = self._next_number()
                if number is not None:
                    traces.append(OpenTrace(tracer, number, shuffle))
                    continue
                more = False
            try:
                trace = traces.popleft()
            except IndexError:
                return
            if not trace.end_one():
                traces.append(trace)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE


def tally(receiver: ReceiverProcess, traces: int) -> dict[str, Any]:
    """What arrived, by kind, and what arrived by halves."""
    kept = dict.fromkeys(("error", "slow", "plain"), 0)
    halves = []
    for summary in receiver.summaries():
        _, kind, count = summary.name.split() if summary.has_root else ("", "plain", "0")
        kept[kind] += 1
        if summary.spans != int(count):
            halves.append([summary.name, summary.spans])
    offered = {kind: len(range(rest, traces, ONE_IN)) for rest, kind in enumerate(("error", "slow"))}
    return {"kept": kept, "offered": offered | {"plain": traces - sum(offered.values())}, "halves": halves[:20]}


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    sampling = tail.TailSampling(
        [tail.StatusCode("ERROR"), tail.Latency(threshold_ms=SLOW_MS), tail.Probabilistic(BASELINE)],
        num_traces=arguments.num_traces,
        max_bytes=arguments.max_bytes,
        decision_wait=600.0,
        decision_wait_after_root_ended=600.0,
    )
    with ReceiverProcess(grpc_port=None, count_only=False, max_traces=arguments.traces, max_bytes=4 << 30) as receiver:
        provider = nanospan.TracerProvider(sampler=nanospan.sampling.ALWAYS_ON, resource=Resource({"service.name": "load"}))
        exporter = OTLPSpanExporter(receiver.endpoint_http, timeout=600)
        processor = nanospan.BatchSpanProcessor(exporter, tail_sampling=sampling, export_timeout_millis=600_000)
        provider.add_span_processor(processor)
        tracer = provider.get_tracer("load")
        workload = Workload(tracer, lambda: processor.stats()["queued"], arguments.traces, arguments.depth)
        before, began = resident_bytes(), time.monotonic()
        workload.run(arguments.threads)
        seconds = time.monotonic() - began
        during = processor.stats()
        provider.shutdown()
        received = receiver.stats()
        return {
            **tally(receiver, arguments.traces),
            "stats_before_shutdown": during,
            "stats": processor.stats(),
            "received_spans": received["spans"],
            "received_bytes": received["bytes"],
            "receiver_gave_up": received["evicted"] + received["not_kept"],
            "spans": sum(map(span_count, range(arguments.traces))),
            "resident_before": before,
            "resident_max": workload.max_resident,
            "max_bytes": arguments.max_bytes,
            "seconds": round(seconds, 1),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--traces", type=int, default=1_000_000)
    parser.add_argument("--depth", type=int, default=10_000, help="traces open at a time")
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--num-traces", type=int, default=50_000)
    parser.add_argument("--max-bytes", type=int, default=64 << 20)
    print(json.dumps(run(parser.parse_args())))


if __name__ == "__main__":
    main()
