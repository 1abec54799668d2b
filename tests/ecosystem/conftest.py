"""Runs scripts that use other people's packages on the SDK's classes, on nanospan's, after `nanospan.install`, and, as they
are for the SDK, under `nanospan run`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.extra_packages import Collector, Finished, environment_with

SCRIPTS = Path(__file__).parent / "scripts"

PROVIDERS = {
    "stock": "opentelemetry.sdk.trace.TracerProvider",
    "nanospan": "nanospan.trace.TracerProvider",
    "installed": "nanospan.trace.TracerProvider",
    "run": "nanospan.trace.TracerProvider",
}


class Program:
    """A script, run with one of the implementations, that sends its spans to ``collector``."""

    def __init__(self, config: pytest.Config, implementation: str, collector: Collector) -> None:
        self._config = config
        self._implementation = implementation
        self.collector = collector

    def run(self, script: str, *requirements: str, case: str = "", **variables: str) -> Finished:
        """Run ``script`` where ``requirements`` are installed; ``case`` is its second argument."""
        if requirements and os.environ.get("NANOSPAN_SUITES") == "0":
            pytest.skip(f"NANOSPAN_SUITES=0 leaves out what needs {', '.join(requirements)}")
        environment = environment_with(self._config, *requirements)
        command = ["python"]
        if self._implementation == "run":
            command += ["-m", "nanospan.cli", "run", environment.python]
            # Each script sends by itself: the default provider's exporter would send once more.
            variables.setdefault("OTEL_TRACES_EXPORTER", "none")
        finished = environment.run(
            *command,
            str(SCRIPTS / script),
            self._implementation,
            case,
            OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=self.collector.endpoint_http,
            OTEL_BSP_SCHEDULE_DELAY="600000",
            **variables,
        )
        # The library has the provider, directly or as a base class, that this run is about.
        assert PROVIDERS[self._implementation] in finished.report["providers"]
        assert (PROVIDERS["nanospan"] in finished.report["providers"]) == (self._implementation != "stock")
        return finished


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as running:
        yield running


@pytest.fixture(params=list(PROVIDERS))
def program(request: pytest.FixtureRequest, collector: Collector) -> Program:
    return Program(request.config, request.param, collector)
