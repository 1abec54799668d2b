"""The table of the README: nanospan beside the stock packages and fastotel, interleaved in one run.

    python benchmarks/compare.py [encoding] [on_end] [spans] [busy] [pipeline] [upstream] [latency] [sustained]

Ratios are of minima, with the ratio of medians in parentheses. Nothing else may run on the machine meanwhile.
"""

from __future__ import annotations

import json
import logging
import socket
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns

import span_cases
import upstream_cases
from common.contenders import CONTENDERS, PIPELINES, SENDING_NOTHING, ended_spans, missing_package
from common.interleave import Series, interleave, ratios, report

from nanospan.receiver import ReceiverProcess

HERE = Path(__file__).parent


def encoding() -> None:
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans as reference

    from nanospan import encode_spans

    spans = ended_spans(512)
    series = interleave(
        {"stock": lambda: reference(spans).SerializeToString(), "nanospan": lambda: encode_spans(spans)},
        items=len(spans),
        rounds=60,
    )
    report("encoding to OTLP bytes, 512 ten-attribute spans, per span", series, "stock")


def on_end() -> None:
    """Queues and the pace between rounds are such that nothing is dropped: dropping is cheap."""
    spans = ended_spans(1000)
    with ReceiverProcess() as receiver:
        names = ("stock", "fastotel", "nanospan")
        processors = {
            name: CONTENDERS[name](receiver.endpoint_http, max_queue_size=8192, max_export_batch_size=4096) for name in names
        }

        def end_all(name: str) -> Callable[[], None]:
            handle = processors[name].on_end

            def call() -> None:
                for span in spans:
                    handle(span)

            return call

        series = interleave(
            {name: end_all(name) for name in names},
            items=len(spans),
            rounds=60,
            between=lambda name: processors[name].force_flush(30_000),
        )
        for processor in processors.values():
            processor.shutdown()
    report("on_end of a ten-attribute stock span, per span", series, "fastotel")


def pipeline(rounds: int = 7, spans: int = 20_000, rate: float = 3000.0, burst: int = 50) -> None:
    """Bursts with pauses between, as requests come; what the pauses cost by themselves is measured as "pacing"."""
    names = []
    for name in PIPELINES:
        if package := missing_package(name):
            print(f"\n{name} is left out: {package} is not installed")
        else:
            names.append(name)
    cpu: dict[str, list[float]] = {name: [] for name in names}
    wall: dict[str, list[float]] = {name: [] for name in names}
    with ReceiverProcess() as receiver:
        for _ in range(rounds):
            for name in names:
                before = receiver.stats()["spans"]
                result = _worker("live.pipeline_worker", name, receiver.endpoint_http, spans, rate, burst)
                if name not in SENDING_NOTHING:
                    receiver.wait_for_spans(before + result["sent"], 10.0)
                    assert receiver.stats()["spans"] - before == result["sent"], f"{name} lost spans"
                cpu[name].append(result["cpu"])
                wall[name].append(result["wall"])
    cpu_series = {name: Series(values) for name, values in cpu.items()}
    report("whole pipeline into a local receiver, process CPU per span", cpu_series, "stock")
    pacing = cpu_series["pacing"].median
    without = {n: Series([v - pacing for v in s.values]) for n, s in cpu_series.items() if n != "pacing"}
    report("the same without what the loop and its pauses cost by themselves (pacing)", without, "stock")
    report("the whole, wall time on the application's thread", {n: Series(v) for n, v in wall.items()}, "stock")
    least = cpu_series["stock"].least
    for name in names:
        print(f"  {name}: {100 * cpu_series[name].least / least:.1f} % of the stock pipeline's CPU")
    for name in names:
        if name not in ("stock", "nanospan_native", *SENDING_NOTHING):
            by_minima, by_medians = ratios(cpu_series[name], cpu_series["nanospan_native"])
            print(f"  nanospan_native takes {by_minima:.1f}x less CPU than {name} ({by_medians:.1f}x)")


def busy(rounds: int = 40) -> None:
    """One busy thread and what it takes to deliver all of it; large requests, as under load."""
    from live import measure_live

    names = [name for name in ("stock", "fastotel", "nanospan") if not missing_package(name)]
    wall, cpu = measure_live("current_ten_at_start", rounds, names=names)
    for title, series in (("process CPU", cpu), ("wall time on the application's thread", wall)):
        report(f"whole pipeline under a busy thread, ten attributes, {title} per span", series, "stock")
        for name in names[1:-1]:
            by_minima, by_medians = ratios(series[name], series["nanospan"])
            print(f"  nanospan takes {by_minima:.1f}x less than {name} ({by_medians:.1f}x)")


def sustained(seconds: int = 10) -> None:
    """Every setting at its default, one busy thread."""
    print("\nsustained, every setting at its default")
    with ReceiverProcess() as receiver:
        for name, rate in (("nanospan", 50_000.0), ("stock", 6_000.0)):
            before = receiver.stats()["spans"]
            result = _worker("live.sustained_worker", name, receiver.endpoint_http, int(rate * seconds), rate)
            receiver.wait_for_spans(before + result["sent"], 5.0)
            lost = result["sent"] - (receiver.stats()["spans"] - before)
            print(f"  {name:10} {result['rate']:8.0f} spans/s for {seconds} s: {lost} of {result['sent']} lost")


def latency(seconds: int = 4, rate: float = 20_000.0) -> None:
    """on_end against a receiver that answers and one that never does, at a pace that the first keeps up with."""
    logging.disable(logging.ERROR)  # spans are lost on purpose
    spans = ended_spans(1000)
    quantiles: dict[str, list[tuple[float, float]]] = {"healthy": [], "hanging": []}
    with ReceiverProcess() as receiver, HangingReceiver() as hanging:
        endpoints = {"healthy": receiver.endpoint_http, "hanging": hanging.endpoint}
        processors = {name: CONTENDERS["nanospan"](endpoint) for name, endpoint in endpoints.items()}
        for _ in range(5):
            for name, processor in processors.items():
                quantiles[name].append(_quantiles(processor, spans, int(rate * seconds), rate))
        dropped = {name: processor.stats()["dropped"]["queue_full"] for name, processor in processors.items()}
        hanging.close()
        for processor in processors.values():
            processor._batch_processor._sender.shutdown(0)
    print("\non_end latency in us at 20,000 spans/s, median over 5 interleaved rounds (lowest..highest)")
    for name, rounds in quantiles.items():
        for label, values in zip(("p50", "p99.9"), zip(*rounds, strict=True), strict=True):
            low, middle, high = min(values), statistics.median(values), max(values)
            print(f"  {name:10} {label:6} {middle / 1e3:8.2f}  ({low / 1e3:.2f}..{high / 1e3:.2f})")
    print(f"  spans dropped because the queue was full: {dropped}")


class HangingReceiver:
    """Accepts connections and answers nothing."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self.endpoint = f"http://127.0.0.1:{self._server.getsockname()[1]}/v1/traces"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                self._open.append(self._server.accept()[0])
            except OSError:
                return

    def close(self) -> None:
        self._server.close()
        for connection in self._open:
            connection.close()

    def __enter__(self) -> HangingReceiver:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _quantiles(processor, spans: list, calls: int, rate: float) -> tuple[float, float]:
    timings = []
    handle = processor.on_end
    started = perf_counter_ns()
    for number in range(calls):
        span = spans[number % len(spans)]
        while perf_counter_ns() - started < number * 1e9 / rate:
            pass
        began = perf_counter_ns()
        handle(span)
        timings.append(perf_counter_ns() - began)
    timings.sort()
    return timings[len(timings) // 2], timings[int(len(timings) * 0.999)]


def _worker(module: str, *arguments: object) -> dict:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{module} {arguments[0]}: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout)


PARTS = {
    "encoding": encoding,
    "on_end": on_end,
    "spans": span_cases.run,
    "busy": busy,
    "pipeline": pipeline,
    "upstream": upstream_cases.run,
    "latency": latency,
    "sustained": sustained,
}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        PARTS[part]()
