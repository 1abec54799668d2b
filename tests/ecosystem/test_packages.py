"""Packages that set tracing up themselves, each in an environment of its own and as its documentation says: what they send
under `nanospan run`, and after `nanospan.install`, is what they send with the SDK, attribute for attribute.

`scripts/compatibility/packages.py` makes the table of docs/compatibility.md from a run of this file.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass, field
from importlib.metadata import requires
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from ecosystem.packages.backend import Backend
from ecosystem.packages.comparison import equal_records, records
from packaging.requirements import Requirement
from support.accounting import WAIT
from support.extra_packages import Environment, environment_with

PROGRAMS = Path(__file__).parent / "packages"
LAUNCHER = str(PROGRAMS / "launcher.py")
TABLE = "NANOSPAN_PACKAGES_TABLE"
"""The variable that names a file to which a row for each package is appended as JSON, with counted instructions."""
COUNTED_SPANS = 200

HTTP = "opentelemetry-exporter-otlp-proto-http"
SDK_BATCH = "opentelemetry.sdk.trace.export.BatchSpanProcessor"
VARYING = {
    "process.pid": "of the process",
    "service.instance.id": "random",
    "thread.id": "an address",
}
"""Attributes whose values differ between any two runs, with the reason."""


@dataclass(frozen=True)
class Case:
    """A program, what it needs, and how many spans it sends."""

    program: str
    requirements: tuple[str, ...]
    spans: int
    command: tuple[str, ...] = ()
    """What starts the program with the SDK, if it is not Python alone."""
    variables: dict[str, str] = field(default_factory=dict)
    configurator: str = ""
    """A configurator that is named under `nanospan run`, in place of nanospan's."""

    @property
    def distributions(self) -> list[str]:
        return [requirement.partition("[")[0] for requirement in self.requirements]


CASES = {
    "logfire": Case("llm.logfire_app", ("logfire",), 4, variables={"OTEL_EXPORTER_OTLP_ENDPOINT": "{url}"}),
    "arize-phoenix-otel": Case("llm.phoenix_app", ("arize-phoenix-otel",), 3),
    "traceloop-sdk": Case("llm.traceloop_app", ("traceloop-sdk", "httpx"), 2),
    "langfuse": Case("llm.langfuse_app", ("langfuse",), 3),
    "mlflow-skinny": Case(
        "llm.mlflow_app",
        ("mlflow-skinny",),
        3,
        variables={
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "{url}/v1/traces",
            "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
        },
    ),
    "openinference-instrumentation-openai": Case("llm.openai_app", ("openinference-instrumentation-openai", "openai"), 3),
    "openai-agents": Case("llm.openai_agents_app", ("openai-agents", "openinference-instrumentation-openai-agents"), 6),
    "langchain-core": Case("llm.langchain_app", ("langchain-core", "openinference-instrumentation-langchain"), 5),
    "langsmith": Case("llm.langsmith_app", ("langchain-core", "langsmith[otel]", HTTP), 4),
    "pydantic-ai-slim": Case("llm.pydantic_ai_app", ("pydantic-ai-slim",), 4),
    "google-adk": Case("llm.google_adk_app", ("google-adk",), 5),
    "sentry-sdk, OTLP": Case("vendors.sentry_otlp_app", ("sentry-sdk", HTTP), 2),
    "sentry-sdk, span processor": Case("vendors.sentry_processor_app", ("sentry-sdk", HTTP), 1),
    "azure-monitor-opentelemetry": Case("vendors.azure_monitor_app", ("azure-monitor-opentelemetry",), 6),
    "opentelemetry-exporter-gcp-trace": Case("vendors.cloud_trace_app", ("opentelemetry-exporter-gcp-trace",), 4),
}
DISTRIBUTIONS = (
    ("opentelemetry-distro", "", HTTP),
    ("elastic-opentelemetry", ""),
    ("elastic-opentelemetry", "configurator"),
    ("splunk-opentelemetry", ""),
    ("splunk-opentelemetry", "configurator"),
    # Without it the resource lacks aws.local.service.
    ("aws-opentelemetry-distro", "aws_configurator"),
)
for distribution, configurator, *others in DISTRIBUTIONS:
    CASES[f"{distribution}, {configurator}" if configurator else distribution] = Case(
        "vendors.plain_app",
        (distribution, *others),
        4,
        configurator=configurator,
        command=("opentelemetry-instrument",),
        variables={
            "OTEL_EXPORTER_OTLP_ENDPOINT": "{url}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
        },
    )


class Program:
    """A case in its environment, run in one of the ways."""

    def __init__(self, case: Case, environment: Environment) -> None:
        self._case = case
        self._environment = environment

    def run(self, mode: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """What the program has printed, and the records of what has arrived."""
        with Backend() as backend:
            finished = self._start(mode, 0, backend)
            return finished.report, records(backend, VARYING)

    def count(self, mode: str) -> int | None:
        """The instructions of the process for a span, without its start and end; None without valgrind."""
        times = -(-COUNTED_SPANS // self._case.spans)
        if (valgrind := shutil.which("valgrind")) is None:
            return None
        with Backend() as backend, TemporaryDirectory() as folder:
            options = ("--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={folder}/%p")
            finished = self._start(mode, times, backend, valgrind, *options)
            arrived = len(records(backend, VARYING))
            assert arrived == (times + 1) * self._case.spans
        (instructions,) = re.findall(r"Collected : (\d+)", finished.stderr)
        return int(instructions) // (times * self._case.spans)

    def _start(self, mode: str, times: int, backend: Backend, *under: str) -> Any:
        python = (*under, self._environment.python)
        command = {
            "stock": (*self._case.command, *python),
            "installed": (*self._case.command, *python),
            "run": ("python", "-m", "nanospan.cli", "run", *python),
        }[mode]
        arguments = (LAUNCHER, self._case.program, mode, str(times), *self._case.distributions)
        variables = {name: value.format(url=backend.url) for name, value in self._case.variables.items()}
        if mode == "run" and self._case.configurator:
            variables["OTEL_PYTHON_CONFIGURATOR"] = self._case.configurator
        limit = 10 * WAIT if under else WAIT
        return self._environment.run(*command, *arguments, timeout=limit, DESTINATION=backend.url, **variables)


def refuses(environment: Environment) -> str:
    """Why nanospan does not run in ``environment``, or nothing."""
    found = environment.run("python", "-c", "import importlib.metadata as m; print(m.version('opentelemetry-sdk'))").stdout
    needed = [Requirement(text) for text in requires("nanospan") or ()]
    (sdk,) = (one.specifier for one in needed if one.name == "opentelemetry-sdk")
    return "" if sdk.contains(found.strip()) else f"pins opentelemetry-sdk {found.strip()}, nanospan needs {sdk}"


def add_row(**row: Any) -> None:
    if table := os.environ.get(TABLE):
        with open(table, "a") as file:
            file.write(json.dumps(row) + "\n")


@pytest.mark.slow("starts three processes for each package")
@pytest.mark.timeout(1800)  # the first time it fetches packages; counting is slow
@pytest.mark.parametrize("name", CASES)
def test_a_package_sends_what_it_sends_with_the_sdk(name: str, request: pytest.FixtureRequest) -> None:
    case = CASES[name]
    if os.environ.get("NANOSPAN_SUITES") == "0":
        pytest.skip(f"NANOSPAN_SUITES=0 leaves out what needs {', '.join(case.requirements)}")
    environment = environment_with(request.config, *case.requirements)
    program = Program(case, environment)
    stock, expected = program.run("stock")
    assert "nanospan.trace.TracerProvider" not in stock["provider"]
    assert len(expected) == case.spans, json.dumps(expected, indent=1)
    if problem := refuses(environment):
        add_row(name=name, versions=stock["versions"], note=problem)
        pytest.skip(f"{name} {problem}")
    for mode in ("run", "installed"):
        found, sent = program.run(mode)
        if mode == "run" and TABLE in os.environ:
            counts = [program.count(each) for each in ("stock", "run")]
            equal = equal_records(expected, sent)
            add_row(name=name, versions=found["versions"], spans=case.spans, equal=equal, instructions=counts)
        assert sent == expected, mode
        assert "nanospan.trace.TracerProvider" in found["provider"]
        if not (mode == "installed" and case.command):  # a distribution's own was made before
            batches = [classes for classes in found["processors"] if SDK_BATCH in classes]
            assert all("nanospan.processor.BatchSpanProcessor" in classes for classes in batches)
        assert found["verdict"][1].startswith(f"Spans: {found['doctor']['class']}, "), found["verdict"]
        assert found["doctor"]["class"] in ("nanospan.TracerProvider", "phoenix.TracerProvider")
