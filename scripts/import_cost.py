#!/usr/bin/env python3
"""Prints what `import nanospan` costs the interpreter that runs this: time and allocations, in all and beyond the stock SDK.

    python scripts/import_cost.py [--runs 15]

Every import is in a process of its own, with compiled bytecode and the files in the page cache. Times are the smallest of
the runs, in milliseconds, as `python -X importtime` gives them (which makes every import dearer by a little): cumulated for
`nanospan`, and by itself for the modules whose names begin with it. Allocations are tracemalloc's: blocks and bytes alive
after the import that were not before; memory that the C code and the loader of native modules take is not in them, which is
why the growth of the resident set stands beside them. "Beyond the SDK" is the same after opentelemetry.sdk.trace and its
exporters' base module have been imported, which a program that traces has done anyway.
"""

import argparse
import os
import platform
import subprocess
import sys

SDK = "import opentelemetry.sdk.trace.export"
MEASURE = """
import gc, resource, sys, tracemalloc
def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()
{before}
gc.collect()
modules, memory = len(sys.modules), resident()
{start}
import nanospan
gc.collect()
blocks = bytes_ = 0
if tracemalloc.is_tracing():
    snapshot = tracemalloc.take_snapshot()
    blocks, bytes_ = len(snapshot.traces), sum(trace.size for trace in snapshot.traces)
print(len(sys.modules) - modules, resident() - memory, blocks, bytes_)
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ}
    # Without bytecode files every import would compile.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return subprocess.run([sys.executable, *arguments], env=environment, check=True, capture_output=True, text=True)


def times(before: str) -> tuple[float, float]:
    """Milliseconds for `import nanospan` cumulated, and for the modules of nanospan by themselves."""
    cumulated = own = 0
    heading, *lines = run("-X", "importtime", "-c", f"{before}\nimport nanospan").stderr.splitlines()
    assert "[us]" in heading, heading
    for line in lines:
        microseconds, total, name = line.removeprefix("import time:").split("|")
        module = name.strip()
        if module.split(".")[0] == "nanospan":
            own += int(microseconds)
        if module == "nanospan":
            cumulated = int(total)
    return cumulated / 1000, own / 1000


def allocations(before: str) -> tuple[int, float, int, float]:
    """Modules imported, growth of the resident set in MB, blocks allocated, and their MB."""
    modules, resident, _, _ = map(int, run("-c", MEASURE.format(before=before, start="")).stdout.split())
    _, _, blocks, size = map(int, run("-c", MEASURE.format(before=before, start="tracemalloc.start()")).stdout.split())
    return modules, resident / 1e6, blocks, size / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15, help="imports timed, of which the fastest counts (15)")
    arguments = parser.parse_args()
    python = f"CPython {platform.python_version()}, {platform.machine()}"
    print(f"| {python} | import (ms) | nanospan's modules (ms) | modules | resident (MB) | blocks | allocated (MB) |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for label, before in (("in all", ""), ("beyond the SDK", SDK)):
        run("-c", f"{before}\nimport nanospan")
        measured = [times(before) for _ in range(arguments.runs)]
        modules, resident, blocks, size = allocations(before)
        print(
            f"| {label} | {min(cumulated for cumulated, _ in measured):.1f} | {min(own for _, own in measured):.1f} "
            f"| {modules} | {resident:.1f} | {blocks} | {size:.2f} |"
        )
    print()


if __name__ == "__main__":
    main()
