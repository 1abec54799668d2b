"""Commands under `nanospan run`, and what arrives of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.accounting import WAIT
from support.extra_packages import Collector

SCRIPTS = Path(__file__).parent / "scripts"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


class Command:
    """Runs commands whose spans go to `collector`, and wait in the queue until the end of the process."""

    def __init__(self, collector: Collector, folder: Path) -> None:
        self.collector = collector
        self.folder = folder

    def environment(self, variables: dict[str, str]) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OTEL_", "PYTHON")) and not name.lower().endswith("_proxy")
        }
        return inherited | {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.collector.endpoint_http.removesuffix("/v1/traces"),
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_BSP_SCHEDULE_DELAY": "600000",
            "PYTHONUNBUFFERED": "1",
            **variables,
        }

    def start(self, *words: str, under: str = sys.executable, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [under, "-m", "nanospan.cli", "run", *words],
            env=self.environment(variables),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, under: str = sys.executable, **variables: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr."""
        process = self.start(*words, under=under, **variables)
        out, err = process.communicate(timeout=WAIT)
        return process.returncode, out, err

    def names(self) -> list[str]:
        """Of the spans that have arrived, in alphabetical order."""
        store = self.collector.store
        return sorted(span.name for summary in store.summaries() for span in store.trace(summary.trace_id))


@pytest.fixture
def command(collector: Collector, tmp_path: Path) -> Command:
    return Command(collector, tmp_path)
