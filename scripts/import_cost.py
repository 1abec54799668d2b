#!/usr/bin/env python3
"""Prints what `import nanospan` costs the interpreter that runs this: time and allocations, in all and beyond the stock SDK.

    python scripts/import_cost.py [--runs 15] [--instructions]

Every import is in a process of its own, with compiled bytecode and the files in the page cache. Times are the smallest of
the runs, in milliseconds, as `python -X importtime` gives them (which makes every import dearer by a little): of all modules
that are imported, and of those whose names begin with nanospan. Allocations are tracemalloc's: blocks and bytes alive after
the import that were not before; memory that the C code and the loader of native modules take is not in them, which is why
the growth of the resident set stands beside them. "Beyond the SDK" is the same after opentelemetry.sdk.trace and its
exporters' base module have been imported, which a program that traces has done anyway. "A provider with a processor" adds
nanospan's TracerProvider and BatchSpanProcessor, the latter with its default exporter.

Instructions, by callgrind, are the same on a busy machine: those of the process less those of one without nanospan. Another
commit's are to be had from its build, with its ``src`` in PYTHONPATH.
"""

import argparse
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys

SDK = "import opentelemetry.sdk.trace.export"
NANOSPAN = "import nanospan"
PIPELINE = """import nanospan
provider = nanospan.TracerProvider(shutdown_on_exit=False)
processor = nanospan.BatchSpanProcessor()
provider.add_span_processor(processor)"""
# label, what is imported before the measurement, what is measured
ROWS = (
    ("in all", "", NANOSPAN),
    ("beyond the SDK", SDK, NANOSPAN),
    ("a provider with a processor, beyond the SDK", SDK, PIPELINE),
)
MEMORY_RUNS = 9
MARK = "--- measured from here ---\n"
MEASURE = """
import gc, os, resource, sys, tracemalloc
def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()
{before}
gc.collect()
modules, memory = len(sys.modules), resident()
{start}
{measured}
gc.collect()
blocks = bytes_ = 0
if tracemalloc.is_tracing():
    snapshot = tracemalloc.take_snapshot()
    blocks, bytes_ = len(snapshot.traces), sum(trace.size for trace in snapshot.traces)
print(len(sys.modules) - modules, resident() - memory, blocks, bytes_, flush=True)
os._exit(0)
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ}
    # Without bytecode files every import would compile.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return subprocess.run([sys.executable, *arguments], env=environment, check=True, capture_output=True, text=True)


def times(before: str, measured: str) -> tuple[float, float]:
    """Milliseconds for the imports that ``measured`` adds, and for the modules of nanospan among them."""
    script = f"{before}\nimport os, sys\nsys.stderr.write({MARK!r})\n{measured}\nos._exit(0)"
    every = own = 0
    for line in run("-X", "importtime", "-c", script).stderr.partition(MARK)[2].splitlines():
        if line.startswith("import time:"):
            microseconds, _, name = line.removeprefix("import time:").split("|")
            every += int(microseconds)
            if name.strip().partition(".")[0] == "nanospan":
                own += int(microseconds)
    return every / 1000, own / 1000


def allocations(before: str, measured: str) -> tuple[int, float, int, float]:
    """Modules imported, growth of the resident set in MB (the median), blocks allocated, and their MB."""
    script = MEASURE.format(before=before, measured=measured, start="")
    grown = [list(map(int, run("-c", script).stdout.split())) for _ in range(MEMORY_RUNS)]
    script = MEASURE.format(before=before, measured=measured, start="tracemalloc.start()")
    _, _, blocks, size = map(int, run("-c", script).stdout.split())
    return grown[0][0], statistics.median(row[1] for row in grown) / 1e6, blocks, size / 1e6


def instructions(script: str) -> int:
    """Of a process that runs ``script``."""
    callgrind = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    counted = subprocess.run(
        [*callgrind, sys.executable, "-c", f"{script}\nimport os\nos._exit(0)"],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    found = re.search(r"Collected : (\d+)", counted.stderr)
    assert found, counted.stderr
    return int(found[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15, help="imports timed, of which the fastest counts (15)")
    parser.add_argument("--instructions", action="store_true", help="count instructions too; needs valgrind")
    arguments = parser.parse_args()
    if arguments.instructions and shutil.which("valgrind") is None:
        parser.error("--instructions needs valgrind, which is not installed")
    python = f"CPython {platform.python_version()}, {platform.machine()}"
    more = (" instructions (M) |", " ---: |") if arguments.instructions else ("", "")
    print(
        f"| {python} | import (ms) | nanospan's modules (ms) | modules | resident (MB) | blocks | allocated (MB) |{more[0]}"
    )
    print(f"| --- | ---: | ---: | ---: | ---: | ---: | ---: |{more[1]}")
    for label, before, measured in ROWS:
        run("-c", f"{before}\n{measured}\nimport os\nos._exit(0)")
        timed = [times(before, measured) for _ in range(arguments.runs)]
        modules, resident, blocks, size = allocations(before, measured)
        line = (
            f"| {label} | {min(every for every, _ in timed):.1f} | {min(own for _, own in timed):.1f} "
            f"| {modules} | {resident:.1f} | {blocks} | {size:.2f} |"
        )
        if arguments.instructions:
            counted = instructions(f"{before}\n{measured}") - instructions(before)
            line += f" {counted / 1e6:.0f} |"
        print(line, flush=True)
    print()


if __name__ == "__main__":
    main()
