"""What it costs to carry a Context to a pool, beside a bare submit and contrib's instrumentation, taking turns in one run.

    python benchmarks/carrying.py                          nanoseconds an operation, and what each adds
    python benchmarks/carrying.py --rounds 60 --tasks 2000 --json build/carrying.json
    python benchmarks/carrying.py --instructions           by callgrind instead: the same on a busy machine; needs valgrind

A task does nothing and its result is awaited before the next one is submitted, with a span current. contrib's is
opentelemetry-instrumentation-threading, where it is installed. The last rows are the parts without a pool: a capture, and an
attach around a call in a thread that has no Context, as the workers of a pool are, or has another one. They are held against
the start and the end of a span without attributes, by a provider without a processor.
"""

from __future__ import annotations

import argparse
import contextvars
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
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

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
            for _ in repeat(None, tasks):
                call(pool).result()

    return run


def loop(tasks: int) -> None:
    for _ in repeat(None, tasks):
        pass


def calls(tasks: int, function: Callable[[], None] = nothing) -> None:
    """As the worker of a pool calls."""
    args: tuple[()] = ()
    kwargs: dict[str, Any] = {}
    for _ in repeat(None, tasks):
        function(*args, **kwargs)


def capture(tasks: int) -> None:
    for _ in repeat(None, tasks):
        capture_once(nothing)


def attach_in_a_worker(tasks: int) -> None:
    contextvars.Context().run(calls, tasks, ContextCall(nothing))


def attach_over_another(tasks: int) -> None:
    function = ContextCall(nothing)
    token = attach(Context())
    calls(tasks, function)
    detach(token)


def start_and_end(tasks: int) -> None:
    for _ in repeat(None, tasks):
        TRACER.start_span("span").end()


class Contender(NamedTuple):
    run: Callable[[int], None]
    over: str | None
    """The row that it is held against: what it adds to that one is printed."""
    around: Callable[[], AbstractContextManager[Any]] = nullcontext


BARE, CONTRIB, LOOP, CALL, SPAN = "bare", "contrib", "a loop", "a call", "start and end of a span"
CAPTURE, ATTACH = "a capture", "an attach around a call"
CONTENDERS: dict[str, Contender] = {
    BARE: Contender(pooled(lambda pool: pool.submit(nothing)), None),
    "concurrency.submit": Contender(pooled(lambda pool: concurrency.submit(pool, nothing)), BARE),
    "instrument_threads": Contender(pooled(lambda pool: pool.submit(nothing)), BARE, concurrency.instrument_threads),
    CONTRIB: Contender(pooled(lambda pool: pool.submit(nothing)), BARE, Contrib),
    LOOP: Contender(loop, None),
    CALL: Contender(calls, LOOP),
    SPAN: Contender(start_and_end, LOOP),
    CAPTURE: Contender(capture, LOOP),
    ATTACH: Contender(attach_in_a_worker, CALL),
    "the same over a Context": Contender(attach_over_another, CALL),
}


def contenders() -> list[str]:
    try:
        import opentelemetry.instrumentation.threading  # noqa: F401
    except ImportError:
        return [name for name in CONTENDERS if name != CONTRIB]
    return list(CONTENDERS)


def run(name: str, tasks: int) -> float:
    """Nanoseconds a task."""
    contender = CONTENDERS[name]
    # Every second block of the allocator is free: at the edge of one of its pools an object costs 90 instructions more.
    blocks = [bytes(size) for size in range(0, 480, 8) for _ in range(100)]
    del blocks[::2]
    with ExitStack() as stack:
        stack.enter_context(contender.around())
        with TRACER.start_as_current_span("request"):
            began = time.perf_counter_ns()
            contender.run(tasks)
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


def report(found: dict[str, list[float]], unit: str) -> None:
    least = {name: min(values) for name, values in found.items()}
    added = {name: least[name] - least[over] for name in found if (over := CONTENDERS[name].over) is not None}
    for name, values in found.items():
        over = CONTENDERS[name].over
        told = "" if over is None else f"  adds {added[name]:8,.0f} to {over}"
        told += f", {added[name] / least[BARE]:+.1%}" if over == BARE else ""
        print(f"{name:26}{least[name]:10,.0f} {unit} ({statistics.median(values):,.0f}){told}")
    for name in ("concurrency.submit", "instrument_threads"):
        if CONTRIB in added and name in added:
            print(f"{name} adds {added[name] / added[CONTRIB]:.0%} of what contrib adds")
    if {CAPTURE, ATTACH, SPAN} <= set(added):
        both = added[CAPTURE] + added[ATTACH]
        print(f"a capture and an attach add {both:,.0f} {unit}, {both / added[SPAN]:.0%} of what {SPAN} adds")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--only", nargs="+", metavar="ROW", help="by default all rows")
    parser.add_argument("--instructions", action="store_true")
    parser.add_argument("--once", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.once:
        run(options.once[0], int(options.once[1]))
        return
    names = contenders()
    if options.only:
        if wrong := [name for name in options.only if name not in names]:
            parser.error(f"--only: {wrong[0]!r} is none of {', '.join(names)}")
        names = [name for name in names if name in options.only or name in {CONTENDERS[one].over for one in options.only}]
    if options.instructions:
        found = {name: [instructions(name, options.tasks)] for name in names}
    else:
        found = {name: [] for name in names}
        for _ in range(options.rounds):
            for name in names:
                found[name].append(run(name, options.tasks))
    report(found, "instructions" if options.instructions else "ns")
    if options.json:
        options.json.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
