"""Instructions per span by callgrind: the same on a busy machine, so that a change can be held against the record.

    python benchmarks/instructions.py                    measure and print stock and nanospan
    python benchmarks/instructions.py --record           and write them to instructions.json, under this Python's version
    python benchmarks/instructions.py --check            nanospan only; exit status 1 if a case rose by more than 5 %

Each figure is the difference of two runs, of N and 2N spans, divided by N: start-up and shutdown cancel out, and no symbol
has to be named. What happens once and by chance in a run (150,000 instructions more or less) does not, and so N is large.
Needs valgrind. A record holds for the compiler and the releases that made it, and names the latter.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import which

RECORD = Path(__file__).parent / "instructions.json"
TOLERANCE = 0.05
NAMES = ("stock", "nanospan")
CASES = (
    "start_end",
    "current",
    "current_ten_set",
    "current_ten_at_start",
    "unsampled",
    "queued_start_end",
    "queued_ten_set",
)
"""The queued ones end in a BatchSpanProcessor whose worker sleeps: nanospan's has encoded there, the stock one not yet."""
SPANS = 1000
TIMES_AS_MANY = {"stock": 1, "nanospan": 10}
"""Of SPANS: the fewer instructions a span takes, the more spans it needs to stand out of the chance."""
WARM_UP = 200
_COLLECTED = re.compile(r"Collected : (\d+)")


def make_spans(name: str, case: str, spans: int) -> None:
    """What runs under callgrind; ends the process at once, for the difference is in the spans alone."""
    import gc

    from common.contenders import IMPLEMENTATIONS
    from common.traced_code import TRACED_CODE
    from opentelemetry.sdk.trace.sampling import DEFAULT_ON, ParentBased, TraceIdRatioBased

    implementation = IMPLEMENTATIONS[name]
    processors = []
    if case.startswith("queued_"):
        # A worker that nothing wakes: the spans stay in the queue.
        room = 1 << 16
        processors.append(
            implementation.processor(
                "http://127.0.0.1:9/v1/traces",
                max_queue_size=room,
                max_export_batch_size=room,
                schedule_delay_millis=3_600_000,
            )
        )
    sampler = ParentBased(TraceIdRatioBased(0)) if case == "unsampled" else DEFAULT_ON
    tracer = implementation.provider(*processors, sampler=sampler).get_tracer("benchmark", "1.0")
    code = {"unsampled": "current", "queued_start_end": "start_end", "queued_ten_set": "current_ten_set"}.get(case, case)
    make = TRACED_CODE[code]
    gc.disable()
    make(tracer, WARM_UP)
    make(tracer, spans)
    os._exit(0)


def collected(name: str, case: str, spans: int) -> int:
    """Instructions of a whole process that makes so many spans. RuntimeError when it fails."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, __file__]
    command += ["--make", name, case, str(spans)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    environment |= {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    found = _COLLECTED.search(done.stderr)
    if done.returncode or found is None:
        raise RuntimeError(f"{name} {case}: {done.stderr.strip()[-800:]}")
    return int(found[1])


def per_span(name: str, case: str, spans: int) -> int:
    spans *= TIMES_AS_MANY[name]
    return round((collected(name, case, 2 * spans) - collected(name, case, spans)) / spans)


def measure(
    names: Sequence[str], cases: Sequence[str], spans: int, jobs: int, show: Callable[[str], object] = print
) -> dict[str, dict[str, int]]:
    """Instructions per span, by name and case."""
    pairs = [(name, case) for case in cases for name in names]
    figures: dict[str, dict[str, int]] = {name: {} for name in names}
    with ThreadPoolExecutor(jobs) as pool:
        results = pool.map(lambda pair: per_span(*pair, spans), pairs)
        for (name, case), count in zip(pairs, results, strict=True):
            figures[name][case] = count
            show(f"  {name:10} {case:22} {count:>10,} instructions per span")
    return figures


def print_table(figures: dict[str, dict[str, int]]) -> None:
    print(f"\n  {'instructions per span':24}" + "".join(f"{name:>12}" for name in figures))
    for case in next(iter(figures.values())):
        counts = [figures[name][case] for name in figures]
        ratio = f"  {counts[0] / counts[-1]:7.1f}x less" if len(counts) > 1 else ""
        print(f"  {case:24}" + "".join(f"{count:>12,}" for count in counts) + ratio)


def check(figures: dict[str, int], recorded: dict[str, int]) -> list[str]:
    """The cases that rose by more than the tolerance; prints each case beside the record."""
    risen = []
    for case, count in figures.items():
        before = recorded.get(case)
        if before is None:
            print(f"  {case:24} {count:>10,}  not recorded")
            continue
        change = count / before - 1
        print(f"  {case:24} {count:>10,}  recorded {before:>10,}  {change:+.1%}{'  ROSE' if change > TOLERANCE else ''}")
        if change > TOLERANCE:
            risen.append(case)
    return risen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--spans", type=int, default=SPANS, help="N for stock; nanospan makes ten times as many")
    parser.add_argument("--jobs", type=int, default=2, help="runs at once")
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--file", type=Path, default=RECORD)
    parser.add_argument("--make", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.make:
        name, case, spans = arguments.make
        make_spans(name, case, int(spans))
    if unknown := set(arguments.cases) - set(CASES):
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    if which("valgrind") is None:
        sys.exit("valgrind is not installed")
    version = ".".join(platform.python_version_tuple()[:2])
    records = json.loads(arguments.file.read_text()) if arguments.file.exists() else {}
    if arguments.check and version not in records:
        sys.exit(f"{arguments.file.name} has no record of Python {version}: run with --record first")
    names = ("nanospan",) if arguments.check else NAMES
    figures = measure(names, arguments.cases or CASES, arguments.spans, arguments.jobs)
    if arguments.check:
        print()
        risen = check(figures["nanospan"], records[version]["nanospan"])
        sys.exit(f"rose by more than {TOLERANCE:.0%}: {', '.join(risen)}" if risen else 0)
    print_table(figures)
    if arguments.record:
        from opentelemetry.sdk.version import __version__ as sdk_version

        entry = records.setdefault(version, {})
        entry |= {"python": platform.python_version(), "opentelemetry_sdk": sdk_version, "machine": platform.machine()}
        for name, counts in figures.items():
            entry.setdefault(name, {}).update(counts)
        arguments.file.write_text(json.dumps(dict(sorted(records.items())), indent=1) + "\n")


if __name__ == "__main__":
    main()
