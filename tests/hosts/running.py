"""Hosts under `nanospan run`: what the programs in them have ended, and what has arrived of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from support.accounting import WAIT, wait_until
from support.extra_packages import Collector, Environment

PROGRAMS = Path(__file__).parent / "programs"


@dataclass
class Hosts:
    """Starts hosts in one environment, whose programs use `programs/ledger.py`."""

    environment: Environment
    collector: Collector
    folder: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def variables(self, added: dict[str, str]) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OTEL_", "PYTHON", "PYTEST", "AWS_", "AIRFLOW", "CELERY", "RQ_"))
            and not name.lower().endswith("_proxy")
        }
        return inherited | {
            "PATH": f"{self.environment.bin}{os.pathsep}{inherited.get('PATH', '')}",
            "HOME": str(self.folder),
            "PYTHONPATH": str(PROGRAMS),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONFAULTHANDLER": "1",
            "LEDGER": str(self.folder / "ledger"),
            "GATE": str(self.folder / "gate"),
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.collector.endpoint_http.removesuffix("/v1/traces"),
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_TRACES_EXPORTER": "otlp",
            # Nothing goes out by the clock: what arrives was sent by an end.
            "OTEL_BSP_SCHEDULE_DELAY": "600000",
            **added,
        }

    def start(self, *words: str, **variables: str) -> subprocess.Popen[bytes]:
        """``words`` under `nanospan run`, its program looked for in the environment first."""
        return self._start([self.environment.python, "-m", "nanospan.cli", "run", *words], variables)

    def run_untraced(self, *words: str, **variables: str) -> None:
        """Run a program of the environment to a good end, without `nanospan run`."""
        assert self._start([str(self.environment.bin / words[0]), *words[1:]], variables).wait(4 * WAIT) == 0, self.said()

    def _start(self, command: list[str], variables: dict[str, str]) -> subprocess.Popen[bytes]:
        with (self.folder / "said").open("ab") as said:
            process = subprocess.Popen(
                command,
                env=self.variables(variables),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def said(self) -> str:
        """What all of them have printed."""
        return (self.folder / "said").read_text(errors="replace")

    def end(self, process: subprocess.Popen[bytes], number: signal.Signals) -> int:
        """Send a signal, wait for the end; the exit code."""
        process.send_signal(number)
        return process.wait(WAIT)

    def kill(self) -> None:
        """End whatever is left of the process groups."""
        for process in self.started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(WAIT)

    def ended(self) -> Counter[str]:
        """The spans that the programs have ended, by name."""
        file = self.folder / "ledger"
        return Counter(file.read_text().splitlines() if file.exists() else ())

    def wait_for(self, process: subprocess.Popen[bytes], *names: str) -> None:
        """Wait until spans with these names have ended, while ``process`` runs."""

        def all_ended() -> bool:
            assert process.poll() is None, self.said()
            return self.ended().keys() >= set(names)

        try:
            wait_until(all_ended, f"{names} have ended")
        except AssertionError:
            raise AssertionError(f"{names} have not ended, but {self.ended()}\n{self.said()}") from None

    def arrived(self) -> Counter[str]:
        """How often each span of the programs has arrived, by name."""
        return Counter(
            span.name
            for body in self.collector.bodies
            for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope_spans in resource_spans.scope_spans
            for span in scope_spans.spans
            if scope_spans.scope.name == "hosts"
        )

    def check_nothing_lost(self) -> int:
        """Every span that has ended has arrived, once; the number of them.

        The end may interrupt a program between the end of a span and the line for it.
        """
        ended, arrived = self.ended(), self.arrived()
        assert {name: arrived[name] for name in ended} == ended, f"{arrived}\n{self.said()}"
        assert set(arrived.values()) <= {*ended.values(), 1}, arrived
        assert "runs without tracing" not in self.said(), self.said()
        return ended.total()

    def open_gate(self) -> None:
        """Let the task go on that waits in `ledger.work`."""
        (self.folder / "gate").touch()


def work(*numbers: int) -> list[str]:
    """The names of the spans of some tasks."""
    return [f"{name}-{number}" for number in numbers for name in ("task", "query")]
