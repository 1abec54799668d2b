"""Measures the cost of a span with nanospan and with the stock pipeline on this machine.

Each run is a new process, and the pipelines take turns, so that other load of the machine affects all of them. The rate is
low enough that the stock pipeline drops no spans: dropped work would look cheap.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nanospan.receiver import ReceiverProcess

__all__ = [
    "NANOSPAN",
    "PAUSES",
    "PIPELINES",
    "PROCESSOR_ONLY",
    "SENDING_NOTHING",
    "STOCK",
    "STOCK_SPAN",
    "CostError",
    "CostRun",
    "Spread",
    "measure",
    "stock_is_installed",
]

STOCK = "stock"
"""The SDK's TracerProvider with its BatchSpanProcessor and the official OTLP/HTTP exporter."""
PROCESSOR_ONLY = "processor-only"
"""The SDK's TracerProvider with nanospan's BatchSpanProcessor and exporter."""
NANOSPAN = "nanospan"
"""nanospan's TracerProvider, BatchSpanProcessor and exporter."""
STOCK_SPAN = "stock-span"
"""The SDK's TracerProvider without a processor: the lower bound for any processor with it."""
PAUSES = "pauses"
"""No tracing: the cost of the pauses between bursts."""
PIPELINES = (STOCK, PROCESSOR_ONLY, NANOSPAN, STOCK_SPAN, PAUSES)
SENDING_NOTHING = (STOCK_SPAN, PAUSES)

SPANS_A_SECOND = 4000.0
_WORKER_TIMEOUT_SECONDS = 180.0
_ARRIVAL_TIMEOUT_SECONDS = 10.0


class CostError(Exception):
    """A run of the measurement failed; the message says why."""


@dataclass(frozen=True, slots=True)
class CostRun:
    """One process: its CPU time and the wall time of the traced code, per span, in nanoseconds."""

    pipeline: str
    cpu_ns: float
    wall_ns: float
    lost: int
    """Spans that did not reach the receiver; 0 for the pipelines that send none."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The median and the range of several runs."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))


def stock_is_installed() -> bool:
    """Whether the official OTLP/HTTP exporter can be imported."""
    try:
        return importlib.util.find_spec("opentelemetry.exporter.otlp.proto.http.trace_exporter") is not None
    except ModuleNotFoundError:
        return False


def child_environment() -> dict[str, str]:
    """This process's environment without variables that change the pipelines or the endpoint."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    return environment | {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


def measure(
    pipelines: Sequence[str], rounds: int, spans: int, on_run: Callable[[CostRun], None] | None = None
) -> list[CostRun]:
    """Run every pipeline once a round, in turn, against a receiver of its own process.

    ``spans`` is the number of spans of one run; ``on_run`` is called after each run. Raises CostError if a run fails.
    """
    runs = []
    with ReceiverProcess(count_only=True, grpc_port=None) as receiver:
        for _ in range(rounds):
            for pipeline in pipelines:
                runs.append(_run_once(pipeline, spans, receiver))
                if on_run is not None:
                    on_run(runs[-1])
    return runs


def _run_once(pipeline: str, spans: int, receiver: ReceiverProcess) -> CostRun:
    before = receiver.stats()["spans"]
    command = [sys.executable, "-m", "nanospan.cli.demo.pipeline_cost_worker", "--pipeline", pipeline]
    command += ["--endpoint", receiver.endpoint_http, "--spans", str(spans), "--rate", str(SPANS_A_SECOND)]
    try:
        worker = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_WORKER_TIMEOUT_SECONDS,
            env=child_environment(),
            check=False,
            process_group=0,  # Ctrl-C in the terminal is for this process, which ends the other
        )
    except subprocess.TimeoutExpired as error:
        raise CostError(f"the {pipeline} run did not end within {_WORKER_TIMEOUT_SECONDS:g} s") from error
    if worker.returncode:
        last_line = (worker.stderr.strip().splitlines() or ["no message"])[-1]
        raise CostError(f"the {pipeline} run failed: {last_line}")
    result = json.loads(worker.stdout)
    lost = 0
    if pipeline not in SENDING_NOTHING:
        sent = result["spans"] + result["warm_up"]
        receiver.wait_for_spans(before + sent, _ARRIVAL_TIMEOUT_SECONDS)
        lost = before + sent - receiver.stats()["spans"]
    return CostRun(pipeline, result["cpu_ns"] / result["spans"], result["wall_ns"] / result["spans"], lost)
