"""What it costs to carry a Context to a pool, beside a bare submit and contrib's instrumentation, taking turns in one run.

    python benchmarks/carrying.py                          nanoseconds a submit-and-result, and what each adds
    python benchmarks/carrying.py --rounds 60 --tasks 2000 --json build/carrying.json
    python benchmarks/carrying.py --instructions           by callgrind instead: the same on a busy machine; needs valgrind

A task does nothing and its result is awaited before the next one is submitted, with a span current. contrib's is
opentelemetry-instrumentation-threading, where it is installed. The last rows are a capture and an attach without a pool, and
the start and end of a span.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Any

from opentelemetry.context import Context, attach, detach

import nanospan
from nanospan import concurrency
from nanospan._native.context import ContextCall, capture_once

TRACER = nanospan.TracerProvider(shutdown_on_exit=False).get_tracer("carrying")


def nothing() -> None: ...


class Contrib(AbstractContextManager[None]):
    def __enter__(self) -> None:
        from opentelemetry.instrumentation.threading import ThreadingInstrumentor

        self._instrumentor = ThreadingInstrumentor()
        self._instrumentor.instrument()

    def __exit__(self, *exc_info: object) -> None:
        self._instrumentor.uninstrument()


def pooled(call: Callable[[ThreadPoolExecutor], Any]) -> Callable[[int], None]:
    def run(tasks: int) -> None:
        with ThreadPoolExecutor(1) as pool:
            for _ in range(tasks):
                call(pool).result()

    return run


def capture(tasks: int) -> None:
    for _ in range(tasks):
        capture_once(nothing)


def attach_and_call(tasks: int) -> None:
    call = ContextCall(nothing)
    token = attach(Context())
    for _ in range(tasks):
        call()
    detach(token)


def start_and_end(tasks: int) -> None:
    for _ in range(tasks):
        TRACER.start_span("span").end()


CONTENDERS: dict[str, tuple[Callable[[], AbstractContextManager[Any]], Callable[[int], None]]] = {
    "bare": (nullcontext, pooled(lambda pool: pool.submit(nothing))),
    "concurrency.submit": (nullcontext, pooled(lambda pool: concurrency.submit(pool, nothing))),
    "instrument_threads": (concurrency.instrument_threads, pooled(lambda pool: pool.submit(nothing))),
    "contrib": (Contrib, pooled(lambda pool: pool.submit(nothing))),
    "a capture": (nullcontext, capture),
    "an attach around a call": (nullcontext, attach_and_call),
    "start and end of a span": (nullcontext, start_and_end),
}


def contenders() -> list[str]:
    try:
        import opentelemetry.instrumentation.threading  # noqa: F401
    except ImportError:
        return [name for name in CONTENDERS if name != "contrib"]
    return list(CONTENDERS)


def run(name: str, tasks: int) -> float:
    """Nanoseconds a task."""
    around, work = CONTENDERS[name]
    with ExitStack() as stack:
        stack.enter_context(around())
        with TRACER.start_as_current_span("request"):
            began = time.perf_counter_ns()
            work(tasks)
            return (time.perf_counter_ns() - began) / tasks


def instructions(name: str, tasks: int) -> float:
    """Instructions a task: the difference of a run of twice as many tasks and one of these, by callgrind."""

    def counted(number: int) -> int:
        with tempfile.TemporaryDirectory() as folder:
            command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", sys.executable, __file__]
            done = subprocess.run([*command, "--once", name, str(number)], capture_output=True, text=True, check=True)
        found = re.search(r"Collected : (\d+)", done.stderr)
        assert found, done.stderr
        return int(found[1])

    return (counted(2 * tasks) - counted(tasks)) / tasks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--instructions", action="store_true")
    parser.add_argument("--once", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.once:
        run(options.once[0], int(options.once[1]))
        return
    names = contenders()
    if options.instructions:
        found = {name: [instructions(name, options.tasks)] for name in names}
    else:
        found = {name: [] for name in names}
        for _ in range(options.rounds):
            for name in names:
                found[name].append(run(name, options.tasks))
    unit = "instructions" if options.instructions else "ns"
    bare = min(found["bare"])
    for name, values in found.items():
        added = "" if name == "bare" or " " in name else f"  adds {min(values) - bare:8,.0f}  {min(values) / bare - 1:+7.1%}"
        print(f"{name:26}{min(values):10,.0f} {unit} ({statistics.median(values):,.0f}){added}")
    if options.json:
        options.json.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
