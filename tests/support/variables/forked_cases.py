"""Runs one script with many environments: a process forks once for each, before anything of OpenTelemetry is imported.

A child begins as `python -c` would, but for modules that read no variable, and ends in the orderly way.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from support.accounting import WAIT

DRIVER = """
import os, sys, json
import asyncio, concurrent.futures, importlib.metadata, logging, ssl, typing, uuid  # what takes time and reads no variable
import google.protobuf.message, urllib3

cases = json.load(sys.stdin)
script = compile(cases["script"], "script", "exec")
results, running = {}, {}

def reap():
    pid, status = os.wait()
    number, files = running.pop(pid)
    texts = []
    for file in files:
        file.seek(0)
        texts.append(file.read().decode("utf-8", "backslashreplace"))
        file.close()
    results[number] = [os.waitstatus_to_exitcode(status), *texts]

import tempfile
for number, variables in enumerate(cases["environments"]):
    if len(running) >= cases["at_once"]:
        reap()
    files = tempfile.TemporaryFile(), tempfile.TemporaryFile()
    pid = os.fork()
    if pid == 0:
        for descriptor, file in zip((1, 2), files):
            os.dup2(file.fileno(), descriptor)
        os.environ.clear()
        os.environ.update(variables)
        break
    running[pid] = number, files
else:
    while running:
        reap()
    print(json.dumps([results[number] for number in range(len(results))]))
    sys.exit()
exec(script, {"__name__": "__main__"})
"""


@dataclass(frozen=True)
class Ended:
    """How one child ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[str]:
        """What it logged."""
        return self.stderr.splitlines()


def run_forked(script: str, environments: Sequence[Mapping[str, str]], at_once: int = 4) -> list[Ended]:
    """How ``script`` ends in a process of its own with each of these whole environments."""
    cases = {"script": script, "environments": [dict(one) for one in environments], "at_once": at_once}
    run = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", DRIVER],
        input=json.dumps(cases),
        env={name: value for name, value in os.environ.items() if not name.startswith("OTEL_")},
        capture_output=True,
        text=True,
        timeout=WAIT * 4,
    )
    assert run.returncode == 0, run.stderr
    return [Ended(*one) for one in json.loads(run.stdout)]
