"""What tracing costs a web service: 2 ms of work and 30 spans of five attributes a request, by what traces them.

    cd benchmarks; python -m web.web_service [--rounds 20] [--seconds 1.5] [--json FILE] [--chart FILE.svg] [VARIANT ...]

Every variant is a process of its own on the first core, and stands still while another is measured; the load generator and
the receiver are on the second. "null" makes the same calls on an object that does nothing, and is what the others are
compared with; "plain" makes none. Throughput is that of a closed loop, so that latency is mostly the time in the queue.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter_ns

from common.contenders import missing_package
from opentelemetry.sdk.version import __version__ as sdk_version
from web.web_app import SPANS, VARIANTS, work
from web.web_chart import write_chart

from nanospan.receiver import ReceiverProcess

BENCHMARKS = Path(__file__).parents[1]
WORK_SECONDS = 0.002
BASE = "null"
TITLES = {
    "null": "no tracing (null object)",
    "plain": "no tracing calls at all",
    "api": "API without an SDK",
    "stock": "opentelemetry-sdk",
    "stock_5": "opentelemetry-sdk, 5 % sampled",
    "fastotel": "fastotel",
    "nanospan": "nanospan",
    "nanospan_5": "nanospan, 5 % sampled",
}
BOUNDS = {"nanospan": (100, 95), "nanospan_5": (30, 98)}
"""At most so many microseconds of CPU a request above the null object, at least so many percent of its throughput."""


@dataclass
class Measured:
    """The rounds of one variant."""

    cpu: list[float] = field(default_factory=list)
    """Nanoseconds of process CPU a request, the export's included."""
    rates: list[float] = field(default_factory=list)
    latencies: list[list[float]] = field(default_factory=list)
    """Microseconds, sorted, by round."""
    lost: int = 0
    spans: int = 0

    def quantile(self, share: float) -> float:
        """The median over the rounds of a round's quantile, in milliseconds."""
        return statistics.median(one[min(len(one) - 1, int(len(one) * share))] for one in self.latencies) / 1e3


class ServiceProcess:
    """A variant that is running, and stopped by a signal except during its turn. A context manager."""

    def __init__(self, variant: str, core: int, iterations: int) -> None:
        self.variant = variant
        self._receiver = ReceiverProcess(grpc_port=None)
        command = [sys.executable, "-m", "web.web_app", variant, self._receiver.endpoint_http]
        command += [str(core), str(iterations)]
        self._process = subprocess.Popen(command, cwd=BENCHMARKS, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._receiver.stop()
            raise RuntimeError(f"{variant} did not start; its messages are on standard error")
        self._port: int = json.loads(line)["port"]
        self._served = 0
        self._process.send_signal(signal.SIGSTOP)

    def measure(self, connections: int, seconds: float, into: Measured) -> None:
        command = [sys.executable, "-m", "web.web_load", str(self._port), str(connections), str(seconds)]
        arrived = self._receiver.stats()["spans"]
        self._process.send_signal(signal.SIGCONT)
        try:
            done = subprocess.run(command, cwd=BENCHMARKS, capture_output=True, text=True, check=False)
        finally:
            self._process.send_signal(signal.SIGSTOP)
        if done.returncode:
            raise RuntimeError(f"{self.variant}: {done.stderr.strip()[-500:]}")
        result = json.loads(done.stdout)
        into.cpu.append(result["cpu_ns"] / result["requests"])
        into.rates.append(result["requests"] / result["seconds"])
        into.latencies.append(sorted(result["latencies_us"]))
        served, self._served = result["served"] - self._served, result["served"]
        into.spans += served * SPANS
        into.lost += served * SPANS - (self._receiver.stats()["spans"] - arrived)

    def __enter__(self) -> ServiceProcess:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._receiver.stop()


def calibrate(core: int) -> int:
    """The turns of the loop that take WORK_SECONDS on that core: once, for all variants."""
    all_cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        turns = 10_000
        usual_time = statistics.median(_nanoseconds_of(turns) for _ in range(500))
    finally:
        os.sched_setaffinity(0, all_cores)
    return int(turns * WORK_SECONDS * 1e9 / usual_time)


def _nanoseconds_of(turns: int) -> int:
    began = perf_counter_ns()
    work(turns)
    return perf_counter_ns() - began


def run(variants: list[str], rounds: int, seconds: float, connections: int, iterations: int | None = None) -> list[dict]:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit("two cores are needed: one for the service, one for the load")
    iterations = iterations or calibrate(cores[0])
    # What is started from here on inherits the second core; the services move to the first.
    os.sched_setaffinity(0, {cores[1]})
    measured = {variant: Measured() for variant in variants}
    with ExitStack() as stack:
        services = [stack.enter_context(ServiceProcess(variant, cores[0], iterations)) for variant in variants]
        for number in range(rounds):
            # Each begins a round once, so that none has always the same neighbour.
            first = number % len(services)
            for service in services[first:] + services[:first]:
                service.measure(connections, seconds, measured[service.variant])
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
    rows = [_row(variant, one, measured[BASE]) for variant, one in measured.items()]
    print(f"\nCPython {platform.python_version()}, opentelemetry-sdk {sdk_version}, {iterations} turns of work a request")
    print("medians over the rounds; CPU a request above the null object's in the same round (between the minima of both)")
    for row in rows:
        print(
            f"  {row['title']:32} {row['cpu_us']:9.1f} us ({row['cpu_us_minima']:.1f})  {row['rate']:7.1f} requests/s"
            f"  {row['throughput_percent']:6.1f} %  p50 {row['p50_ms']:6.2f} ms  p99 {row['p99_ms']:6.2f} ms"
            + (f"  {row['lost_percent']:.1f} % of the spans lost" if row["lost_percent"] > 0 else "")
            + _verdict(row)
        )
    return rows


def _row(variant: str, one: Measured, base: Measured) -> dict:
    # A sampler leaves spans out on purpose: what arrives is no measure of what is lost.
    counts_losses = variant in ("stock", "fastotel", "nanospan")
    # By round, for the machine's pace drifts by more in a minute than a span costs.
    above = [cpu - base_cpu for cpu, base_cpu in zip(one.cpu, base.cpu, strict=True)]
    shares = [100 * rate / base_rate for rate, base_rate in zip(one.rates, base.rates, strict=True)]
    return {
        "variant": variant,
        "title": TITLES[variant],
        "cpu_us": statistics.median(above) / 1e3,
        "cpu_us_minima": (min(one.cpu) - min(base.cpu)) / 1e3,
        "cpu_us_whole": statistics.median(one.cpu) / 1e3,
        "rate": statistics.median(one.rates),
        "throughput_percent": statistics.median(shares),
        "throughput_percent_lowest": min(shares),
        "throughput_percent_highest": max(shares),
        "p50_ms": one.quantile(0.5),
        "p99_ms": one.quantile(0.99),
        "lost_percent": 100 * one.lost / one.spans if counts_losses else 0.0,
    }


def _verdict(row: dict) -> str:
    if row["variant"] not in BOUNDS:
        return ""
    most_cpu, least_kept = BOUNDS[row["variant"]]
    held = row["cpu_us"] <= most_cpu and row["throughput_percent"] >= least_kept
    return f"  (at most {most_cpu} us, at least {least_kept} %: {'yes' if held else 'NO'})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("variants", nargs="*", metavar="VARIANT", help=", ".join(VARIANTS))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=1.5, help="of load, per round and variant")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--iterations", type=int, help="turns of work a request; calibrated to 2 ms without")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--chart", type=Path, help="draw them into this file")
    arguments = parser.parse_args()
    if unknown := set(arguments.variants) - set(VARIANTS):
        parser.error(f"no such variant: {', '.join(sorted(unknown))}")
    variants = [variant for variant in VARIANTS if not arguments.variants or variant in (BASE, *arguments.variants)]
    for variant in list(variants):
        if package := missing_package(variant):
            print(f"{variant} is left out: {package} is not installed")
            variants.remove(variant)
    rows = run(variants, arguments.rounds, arguments.seconds, arguments.connections, arguments.iterations)
    record = {"python": platform.python_version(), "opentelemetry_sdk": sdk_version, "rows": rows}
    if arguments.json:
        arguments.json.write_text(json.dumps(record, indent=1) + "\n")
    if arguments.chart:
        write_chart(record, arguments.chart)


if __name__ == "__main__":
    main()
