"""``nanospan demo --queue``: an order goes through a queue, from a producer to a consumer, in two linked traces."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO

from rich.console import Console
from rich.text import Text

from nanospan.cli.demo.pipeline_cost import child_environment
from nanospan.cli.demo.queue_broker import EMBEDDED, REDIS, redis_server, why_no_redis
from nanospan.cli.demo.queue_worker import CONSUMED_SPANS, PRODUCED_SPANS
from nanospan.cli.demo.report import heading
from nanospan.cli.receive.waterfall import Waterfall
from nanospan.receiver import ReceiverProcess, Span

__all__ = ["QueueDemoError", "QueueOptions", "run_queue"]

WORKER_SECONDS = 120.0
ARRIVAL_SECONDS = 10.0


class QueueDemoError(Exception):
    """The demo failed; the message gives the reason."""


@dataclass(frozen=True, slots=True)
class QueueOptions:
    orders: int = 40
    broker: str | None = None
    """"redis" or "embedded"; None for Redis where it is found."""


def run_queue(options: QueueOptions, console: Console | None = None) -> None:
    """Run the demo and print it. Raises QueueDemoError when a part of it fails."""
    console = Console(highlight=False) if console is None else console
    missing = why_no_redis()
    if options.broker == REDIS and missing:
        raise QueueDemoError(f"{missing} (--broker embedded needs nothing)")
    broker = options.broker or (EMBEDDED if missing else REDIS)
    if broker == REDIS:
        between = "A stream of a redis-server that runs as long as the demo is between them"
    else:
        between = "A pipe is between them" + (f": {missing}" if options.broker is None else "")
    console.print(heading("A queue between two processes"))
    console.print(
        Text(
            f"One process takes orders and sends them, another one packs them. {between}. A third receives the spans.\n",
            "dim",
        )
    )
    try:
        with ExitStack() as stack:
            receiver = stack.enter_context(
                ReceiverProcess(count_only=False, grpc_port=None, max_traces=2 * options.orders + 1)
            )
            port = stack.enter_context(redis_server()) if broker == REDIS else None
            processed = _run_workers(receiver.endpoint_http, options.orders, port)
            spans = options.orders * PRODUCED_SPANS + processed * (CONSUMED_SPANS + (port is not None))
            receiver.wait_for_spans(spans, timeout=ARRIVAL_SECONDS)
            received = receiver.stats()["spans"]
            sent, taken = _last_order(receiver)
    except (RuntimeError, OSError) as error:
        raise QueueDemoError(str(error)) from error
    console.print(Text(f"{options.orders:,} orders sent, {processed:,} packed, {received:,} of {spans:,} spans received"))
    if not sent or not taken:
        raise QueueDemoError("no linked traces arrived at the receiver")
    console.print(heading("One order, as the receiver got it: two traces, and the link"))
    console.print(Waterfall(sent))
    console.print()
    console.print(Waterfall(taken, other_trace=lambda trace_id: sent if trace_id == sent[0].trace_id else ()))


def _run_workers(endpoint: str, orders: int, port: int | None) -> int:
    """Let the producer and the consumer run to their end. Returns how many orders the consumer has processed."""
    command = [sys.executable, "-m", "nanospan.cli.demo.queue_worker"]
    options = ["--endpoint", endpoint, "--orders", str(orders), *(["--redis", str(port)] if port else [])]
    workers: list[subprocess.Popen[str]] = []
    try:
        producer = _start([*command, "producer", *options], subprocess.DEVNULL)
        workers.append(producer)
        consumer = _start([*command, "consumer", *options], producer.stdout if port is None else subprocess.DEVNULL)
        workers.append(consumer)
        if producer.stdout is not None:
            producer.stdout.close()  # the consumer has it
        try:
            printed, _ = consumer.communicate(timeout=WORKER_SECONDS)
            producer.wait(WORKER_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise QueueDemoError("the producer and the consumer did not end in time") from error
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    for name, worker in (("producer", producer), ("consumer", consumer)):
        if worker.returncode:
            raise QueueDemoError(f"the {name} ended with exit code {worker.returncode}")
    processed: int = json.loads(printed)["processed"]
    return processed


def _start(command: Sequence[str], stdin: int | IO[str] | None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        stdin=stdin,
        stdout=subprocess.PIPE,
        text=True,
        env=child_environment() | {"PYTHONIOENCODING": "utf-8"},
        process_group=0,  # Ctrl-C in the terminal is for this process, which ends the other
    )


def _last_order(receiver: ReceiverProcess) -> tuple[list[Span], list[Span]]:
    """The traces of the producer and of the consumer that the newest link connects; empty if there is none."""
    for summary in reversed(receiver.summaries()):
        taken = receiver.trace(summary.trace_id)
        for link in (link for span in taken if span.kind == "CONSUMER" for link in span.links):
            try:
                return receiver.trace(link.trace_id), taken
            except LookupError:
                continue
    return [], []
