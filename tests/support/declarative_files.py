"""Declarative configuration files, and processes that are configured by them."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.accounting import WAIT

REPORT = """
def name(thing):
    return f"{type(thing).__module__}.{type(thing).__qualname__}"

import json
from opentelemetry import propagate, trace
with trace.get_tracer("application").start_as_current_span("span"):
    pass
provider = trace.get_tracer_provider()
sampler = getattr(provider, "sampler", None)
processors = getattr(getattr(provider, "_active_span_processor", None), "_span_processors", ())
print(json.dumps({
    "provider": name(provider),
    "sampler": type(sampler).__name__,
    "description": sampler and sampler.get_description(),
    "ids": name(getattr(provider, "id_generator", None)),
    "processors": [name(processor) for processor in processors],
    "exporters": [name(processor.span_exporter) for processor in processors],
    "propagators": [name(propagator) for propagator in propagate.get_global_textmap()._propagators],
}))
"""
NANOSPANS = "from nanospan.configurator import Configurator as configurator\n"
THE_SDKS = "from opentelemetry.sdk._configuration import _OTelSDKConfigurator as configurator\n"
CONFIGURE = "configurator().configure()\n"


@dataclass(frozen=True)
class Configured:
    report: dict[str, Any]
    log: str


def run(script: str, file: Path | None, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = variables if file is None else variables | {"OTEL_CONFIG_FILE": str(file)}
    return subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=WAIT)


def configured(script: str, file: Path | None, **variables: str) -> Configured:
    """What a process reports that was configured by ``file``, and what it logged."""
    finished = run(script + CONFIGURE + REPORT, file, **variables)
    assert finished.returncode == 0, finished.stderr
    return Configured(json.loads(finished.stdout.splitlines()[-1]), finished.stderr)


def refusal(script: str, file: Path) -> str:
    """Why ``file`` was refused: the last line that the process wrote."""
    finished = run(script + CONFIGURE, file)
    assert finished.returncode == 1, finished.stderr
    last = finished.stderr.strip().splitlines()[-1]
    assert "ConfigurationError" in last
    return last


def sampler_of_file(file: Path, *, with_nanospan: bool = True) -> Any:
    """The sampler of the provider that opentelemetry-configuration makes of ``file`` in this process, which keeps its own.

    ``with_nanospan``: as nanospan's configurator has it made, else as the SDK's does. Raises ConfigurationError.
    """
    from opentelemetry.configuration import load_config_file
    from opentelemetry.configuration._tracer_provider import create_tracer_provider

    from nanospan.configurator._declarative import file_tracing_built_natively

    with file_tracing_built_natively(own_exporters=True) if with_nanospan else nullcontext():
        provider = create_tracer_provider(load_config_file(str(file)).tracer_provider)
    provider.shutdown()
    return provider.sampler


def with_sampler(file: Path, sampler: str, processor: str = "simple: {exporter: {console: }}") -> Path:
    file.write_text(
        f'file_format: "1.0"\ntracer_provider:\n  processors:\n    - {processor}\n  sampler:\n'
        + textwrap.indent(textwrap.dedent(sampler).strip(), "    ")
    )
    return file
