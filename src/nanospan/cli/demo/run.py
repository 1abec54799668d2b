"""``nanospan demo``: a traced web service under load, its received spans, and the cost of a span."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from nanospan import BatchSpanProcessor, TracerProvider
from nanospan.cli.demo.checkout_service import SERVICE_NAME, SPANS_A_REQUEST, CheckoutServer
from nanospan.cli.demo.pipeline_cost import (
    PIPELINES,
    STOCK,
    CostError,
    CostRun,
    child_environment,
    measure,
    stock_is_installed,
)
from nanospan.cli.demo.report import accounting_table, cost_notes, cost_table, heading
from nanospan.cli.receive.waterfall import Waterfall
from nanospan.export.http import OTLPSpanExporter
from nanospan.receiver import ReceiverProcess, Span

__all__ = ["DemoError", "DemoOptions", "make_tracing", "run"]

LOAD_THREADS = 3
KEPT_TRACES = 200
FLUSH_MILLIS = 30_000
LOAD_GRACE_SECONDS = 60.0
POLL_SECONDS = 0.1


class DemoError(Exception):
    """The demo failed; the message gives the reason."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    requests: int = 1500
    seconds: float = 8.0
    stock: bool = True
    rounds: int = 5
    cost_spans: int = 2000


@dataclass(frozen=True, slots=True)
class _Outcome:
    """The results of the load."""

    load: Mapping[str, Any]
    stats: Mapping[str, Any]
    received: Mapping[str, int]
    trace: list[Span]


def run(options: DemoOptions, console: Console | None = None) -> None:
    """Run the demo and print it. Raises DemoError when a part of it fails."""
    console = Console(highlight=False) if console is None else console
    # The demo sends to its own receiver; ignore the settings of the shell.
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        del os.environ[name]
    outcome = _serve(options, console)
    if outcome.trace:
        console.print(heading("One request, as the receiver got it"))
        console.print(Waterfall(outcome.trace))
    console.print(heading("Where every span went"))
    console.print(accounting_table(outcome.stats, outcome.received["spans"]))
    if not outcome.trace:
        raise DemoError("no trace arrived at the receiver")
    if options.rounds:
        _show_cost(options, console)


def make_tracing(endpoint: str) -> tuple[TracerProvider, BatchSpanProcessor]:
    """The provider and the processor of the service, with an OTLP/HTTP endpoint."""
    processor = BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint))
    provider = TracerProvider(sampler=ALWAYS_ON, resource=Resource({"service.name": SERVICE_NAME}), shutdown_on_exit=False)
    provider.add_span_processor(processor)
    return provider, processor


def _serve(options: DemoOptions, console: Console) -> _Outcome:
    console.print(heading("A checkout service under load"))
    console.print(
        Text(
            "One process serves HTTP and traces itself: nanospan.TracerProvider with "
            f"nanospan.BatchSpanProcessor, {SPANS_A_REQUEST} spans a request. A second one is the client, "
            "a third receives the spans.\n",
            style="dim",
        )
    )
    try:
        receiver = ReceiverProcess(count_only=False, grpc_port=None, max_traces=KEPT_TRACES)
    except RuntimeError as error:
        raise DemoError(str(error)) from error
    with receiver:
        provider, processor = make_tracing(receiver.endpoint_http)
        server = CheckoutServer(provider.get_tracer("nanospan.demo"))
        try:
            load = _load(options, server, console)
            processor.force_flush(FLUSH_MILLIS)
        finally:
            server.stop()
        stats = processor.stats()
        receiver.wait_for_spans(stats["exported"], timeout=5)
        outcome = _Outcome(load, stats, receiver.stats(), _representative_trace(receiver))
        provider.shutdown()
    _print_load(outcome, console)
    return outcome


def _load(options: DemoOptions, server: CheckoutServer, console: Console) -> Mapping[str, Any]:
    command = [sys.executable, "-m", "nanospan.cli.demo.load", "--port", str(server.port)]
    command += ["--requests", str(options.requests), "--seconds", str(options.seconds)]
    command += ["--threads", str(LOAD_THREADS)]
    client = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        env=child_environment(),
        process_group=0,  # Ctrl-C in the terminal is for this process, which ends the other
    )
    try:
        with _progress(console) as progress:
            task = progress.add_task("requests", total=options.requests)
            deadline = time.monotonic() + options.seconds + LOAD_GRACE_SECONDS
            while client.poll() is None:
                if time.monotonic() > deadline:
                    raise DemoError("the client did not end in time")
                progress.update(task, completed=server.served)
                time.sleep(POLL_SECONDS)
        output, _ = client.communicate()
    finally:
        client.kill()
        client.wait()
    if client.returncode:
        raise DemoError(f"the client ended with exit code {client.returncode}")
    result: Mapping[str, Any] = json.loads(output)
    return result


def _representative_trace(receiver: ReceiverProcess) -> list[Span]:
    """The newest trace with the most spans, preferably with an error."""
    whole = [summary for summary in receiver.summaries() if summary.has_root]
    if not whole:
        return []
    chosen = max(enumerate(whole), key=lambda item: (item[1].spans, item[1].errors > 0, item[0]))[1]
    return receiver.trace(chosen.trace_id)


def _print_load(outcome: _Outcome, console: Console) -> None:
    load, received = outcome.load, outcome.received
    rate = load["answered"] / load["seconds"] if load["seconds"] else 0.0
    text = f"{load['answered']:,} requests in {load['seconds']:.1f} s ({rate:,.0f} a second), "
    text += f"{received['spans']:,} spans received in {received['batches']:,} batches"
    if load["failed"]:
        text += f", {load['failed']:,} requests failed"
    console.print(Text(text))


def _show_cost(options: DemoOptions, console: Console) -> None:
    console.print(heading("What a ten-attribute span costs"))
    with_stock = options.stock and stock_is_installed()
    pipelines = [pipeline for pipeline in PIPELINES if pipeline != STOCK or with_stock]
    try:
        with _progress(console) as progress:
            task = progress.add_task("runs", total=options.rounds * len(pipelines))

            def note(run: CostRun) -> None:
                progress.advance(task)

            runs = measure(pipelines, options.rounds, options.cost_spans, note)
    except (CostError, RuntimeError) as error:
        raise DemoError(str(error)) from error
    console.print(cost_table(runs))
    if options.stock and not with_stock:
        console.print(
            Text(
                "The stock pipeline was not measured: the official exporter is not installed "
                "(pip install opentelemetry-exporter-otlp-proto-http).",
                style="yellow",
            )
        )
    console.print(cost_notes(runs, options.cost_spans))


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<9}"),
        BarColumn(bar_width=40, complete_style="cyan", finished_style="cyan"),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f}"),
        TextColumn("{task.elapsed:.0f} s", style="dim"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
