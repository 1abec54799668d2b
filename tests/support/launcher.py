"""Runs the scripts beside the tests in processes of their own, against a receiver in this one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.accounting import WAIT, check_balance, spans_in
from support.receivers import HttpReceiver

SCRIPTS = Path(__file__).parents[1] / "lifecycle" / "scripts"
SERVERS = SCRIPTS / "servers"

# CPython 3.12 and later warn of every fork in a process with threads.
NO_FORK_WARNINGS = ("-W", "ignore::DeprecationWarning")
PYTHON = (sys.executable, *NO_FORK_WARNINGS)

TRACING = ["native"] if os.environ.get("NANOSPAN_SUITES") == "0" else ["native", "tail", "sdk"]
each_tracing = pytest.mark.parametrize("launcher", TRACING, indirect=True)
"""With nanospan's provider, with tail sampling, and with nanospan's processor behind the SDK's provider; the latter two with
the first interpreter of `make test` only, which has the time."""

# Python's own fork first stops every other thread where it holds no object's lock.
LOCKED = getattr(sys, "_is_gil_enabled", lambda: True)()
FORK_OF_THE_C_LIBRARY = pytest.param(
    "libc",
    marks=pytest.mark.skipif(
        not LOCKED,
        reason="without the interpreter lock, a fork past Python's hooks can leave the child a dict locked for ever",
    ),
)
both_forks = pytest.mark.parametrize("fork", ["os", FORK_OF_THE_C_LIBRARY])


@dataclass
class Finished:
    """How a process ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def reports(self) -> list[dict[str, Any]]:
        """What the process and its children had to say, one JSON object a line."""
        return [json.loads(line) for line in self.stdout.splitlines()]

    def reported(self, key: str) -> list[Any]:
        return [report[key] for report in self.reports if key in report]

    @property
    def accounts_at_exit(self) -> list[dict[str, Any]]:
        """The stats of every process that ended in an orderly way, after its processor was shut down."""
        return self.reported("at_exit")


class Running:
    """A process with all the children it makes."""

    def __init__(self, command: list[str], environment: dict[str, str], **options: Any) -> None:
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            **options,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def line(self) -> dict[str, Any]:
        """The next report."""
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def proceed(self) -> None:
        """Send the line that the script waits for."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def finish(self) -> Finished:
        """Wait for the end; a process that hangs fails the test and shows where it hangs."""
        try:
            stdout, stderr = self._process.communicate(timeout=WAIT)
        except subprocess.TimeoutExpired:
            # faulthandler answers with the stack of every thread.
            os.killpg(self._process.pid, signal.SIGABRT)
            stdout, stderr = self._process.communicate()
            pytest.fail(f"did not end\n{stdout}\n{stderr}")
        return Finished(self._process.returncode, stdout, stderr)

    def kill(self) -> None:
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self._process.communicate()


class Launcher:
    """Starts scripts whose default exporter sends to ``receiver``."""

    def __init__(self, tracing: str = "native") -> None:
        self.tracing = tracing
        self.receiver = HttpReceiver()
        self._running: list[Running] = []

    def start(self, script: str, *arguments: str, **variables: str) -> Running:
        return self.start_command([str(SCRIPTS / script), *arguments], variables)

    def start_command(
        self,
        arguments: list[str],
        variables: dict[str, str] | None = None,
        program: Sequence[str] = PYTHON,
        **options: Any,
    ) -> Running:
        """``program`` with ``arguments``; ``variables`` are added to its environment."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("OTEL_") and not name.lower().endswith("_proxy")
        }
        environment |= {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": self.receiver.url,
            # Nothing goes out by the clock: what arrives was sent by a flush, a full batch or an exit.
            "OTEL_BSP_SCHEDULE_DELAY": "600000",
            # On a slow machine an answer takes longer than the defaults, after which the log would say so.
            "OTEL_EXPORTER_OTLP_TIMEOUT": f"{WAIT:.0f}",
            "OTEL_BSP_EXPORT_TIMEOUT": f"{WAIT * 1000:.0f}",
            "PYTHONFAULTHANDLER": "1",
            "PYTHONPATH": f"{SERVERS}{os.pathsep}{SCRIPTS}",  # of `app`, which all of them import
            "TRACING": self.tracing,
        }
        running = Running([*program, *arguments], environment | (variables or {}), **options)
        self._running.append(running)
        return running

    def run(self, script: str, *arguments: str, **variables: str) -> Finished:
        return self.start(script, *arguments, **variables).finish()

    def close(self) -> None:
        for running in self._running:
            running.kill()
        self.receiver.__exit__()

    def received(self) -> Counter[str]:
        """How often each span, by name, has arrived; no two of them share an id."""
        spans = list(spans_in(request.body for request in self.receiver.requests))
        by_id = Counter(span.span_id for span in spans)
        assert set(by_id.values()) <= {1}, "a span id arrived twice"
        return Counter(span.name for span in spans)


def names(prefix: str, count: int) -> Counter[str]:
    """Each of ``<prefix>-0`` to ``<prefix>-<count - 1>`` once."""
    return Counter(f"{prefix}-{number}" for number in range(count))


def check_orderly(finished: Finished, processes: int) -> None:
    """All of ``processes`` ended well and in silence, with everything they ended sent."""
    assert finished.stderr == ""
    assert finished.code == 0
    accounts = finished.accounts_at_exit
    assert len(accounts) == processes
    for account in accounts:
        check_balance(account)
        assert account["exported"] == account["ended"], account
