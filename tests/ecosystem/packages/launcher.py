"""Runs a program that uses another package as its documentation says: its set-up, its work, and what sends the spans.

Arguments: the program's module; `stock`, `run` (under `nanospan run`) or `installed` (after `nanospan.install`); how often
it works while `valgrind --tool=callgrind --instr-atstart=no` counts, or 0 to work once; the distributions whose versions are
asked for. The last line that it prints says which provider has served, and what `nanospan.doctor` finds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version

name, mode, times, *distributions = sys.argv[1:]
if mode == "installed":
    import nanospan

    nanospan.install()
program = import_module(name)


def classes(thing: object) -> list[str]:
    return [f"{cls.__module__}.{cls.__qualname__}" for cls in type(thing).__mro__]


def count(state: str) -> None:
    subprocess.run(["callgrind_control", "-i", state, str(os.getpid())], check=True, stdout=subprocess.DEVNULL)


program.work()
if int(times):
    program.finish()
    count("on")
    for _ in range(int(times)):
        program.work()
    program.finish()
    count("off")
    sys.exit()

from opentelemetry import trace  # noqa: E402

provider = getattr(program, "provider", None) or trace.get_tracer_provider()
program.finish()
# logfire stands before the SDK's.
inner = getattr(provider, "provider", provider)
found = {
    "versions": {name: version(name) for name in (*distributions, "opentelemetry-sdk")},
    "provider": classes(inner),
    "processors": [classes(processor) for processor in inner._active_span_processor._span_processors],
}
if mode != "stock":
    import nanospan

    report = nanospan.doctor(provider)
    found |= {"doctor": report.provider, "verdict": report.verdict}
print(json.dumps(found))
