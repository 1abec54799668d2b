"""What the spans of messages cost beside bare spans with the same names, kinds, attributes and links, in instructions.

    python benchmarks/messaging.py [CASE ...] [--messages 4000] [--jobs 2]

Each figure is the difference of two runs under callgrind, of N and 2N messages, divided by N: see instructions.py. The bare
cases inject and extract by the same propagator, so that the difference is what nanospan.messaging adds. Needs valgrind.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from shutil import which
from typing import Any

_COLLECTED = re.compile(r"Collected : (\d+)")
WARM_UP = 200
BATCH = 100
TRACEPARENT = b"00-%032x-%016x-01"


def _make(case: str) -> Callable[[int], None]:
    from opentelemetry import propagate
    from opentelemetry.trace import Link, SpanKind, get_current_span

    import nanospan
    from nanospan.messaging import Messaging, producer_span
    from nanospan.messaging import process as process_function
    from nanospan.propagation import TraceContextTextMapPropagator

    propagate.set_global_textmap(TraceContextTextMapPropagator())
    provider = nanospan.TracerProvider()
    tracer = provider.get_tracer("benchmark", "1.0")
    kafka = Messaging("kafka", tracer_provider=provider, server_address="broker", server_port=9092)
    common = {"server.address": "broker", "server.port": 9092, "messaging.destination.name": "orders"}
    sends: dict[str, Any] = {"messaging.system": "kafka", "messaging.operation.name": "send"}
    sends |= {"messaging.operation.type": "send", **common}
    processes = {**sends, "messaging.operation.name": "process", "messaging.operation.type": "process"}
    processes["messaging.destination.partition.id"] = "3"
    one = [("traceparent", TRACEPARENT % (1, 2))]
    batch = [[("traceparent", TRACEPARENT % (number + 1, number + 1))] for number in range(BATCH)]

    def bare_send(messages: int) -> None:
        for _ in range(messages):
            with tracer.start_as_current_span("send orders", kind=SpanKind.PRODUCER, attributes=sends.copy()):
                fields: dict[str, str] = {}
                propagate.inject(fields)
                [(name, value.encode("ascii")) for name, value in fields.items()]

    def bare_process(messages: int) -> None:
        for _ in range(messages):
            context = propagate.extract({name: value.decode("ascii") for name, value in one})
            links = [Link(get_current_span(context).get_span_context())]
            kind = SpanKind.CONSUMER
            with tracer.start_as_current_span("process orders", kind=kind, attributes=processes.copy(), links=links):
                pass

    def send(messages: int) -> None:
        for _ in range(messages):
            with kafka.send("orders"):
                pass

    def send_function(messages: int) -> None:
        for _ in range(messages):
            with producer_span("kafka", "orders", tracer_provider=provider):
                pass

    def process(messages: int) -> None:
        for _ in range(messages):
            with kafka.process("orders", one, partition=3):
                pass

    def function_process(messages: int) -> None:
        for _ in range(messages):
            with process_function("kafka", "orders", one, tracer_provider=provider, partition=3):
                pass

    def receive_batch(messages: int) -> None:
        for _ in range(messages // BATCH):
            with kafka.receive("orders") as receiving:
                receiving.received(headers_of=batch)

    cases = (bare_send, bare_process, send, send_function, process, function_process, receive_batch)
    return {one.__name__: one for one in cases}[case]


CASES = ("bare_send", "send", "send_function", "bare_process", "process", "function_process", "receive_batch")
"""`receive_batch`: each of a hundred messages."""


def make_spans(case: str, messages: int) -> None:
    """What runs under callgrind; ends the process at once, for the difference is in the spans alone."""
    import gc

    make = _make(case)
    gc.disable()
    make(WARM_UP)
    make(messages)
    os._exit(0)


def collected(case: str, messages: int) -> int:
    """Instructions of a whole process. RuntimeError when it fails."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, __file__]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    environment |= {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [*command, "--make", case, str(messages)], capture_output=True, text=True, env=environment, check=False
    )
    found = _COLLECTED.search(done.stderr)
    if done.returncode or found is None:
        raise RuntimeError(f"{case}: {done.stderr.strip()[-800:]}")
    return int(found[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--messages", type=int, default=4000)
    parser.add_argument("--jobs", type=int, default=2, help="runs at once")
    parser.add_argument("--make", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.make:
        make_spans(arguments.make[0], int(arguments.make[1]))
    if which("valgrind") is None:
        sys.exit("valgrind is not installed")
    if unknown := set(arguments.cases) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    cases, messages = arguments.cases or CASES, arguments.messages

    def per_message(case: str) -> int:
        return round((collected(case, 2 * messages) - collected(case, messages)) / messages)

    with ThreadPoolExecutor(arguments.jobs) as pool:
        for case, count in zip(cases, pool.map(per_message, cases), strict=True):
            print(f"  {case:20} {count:>10,} instructions per message", flush=True)


if __name__ == "__main__":
    main()
