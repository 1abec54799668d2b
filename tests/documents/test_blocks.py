"""Every block of Python, YAML and bash in the README and in docs/ runs as it stands.

The receiver is a real one, whose port stands in place of OTLP's own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from documents.blocks import COMMANDS_NOT_RUN, NOT_CODE, NOT_RUN, OTHERS, ROOT, RUN, SENDS_ELSEWHERE, Block, blocks
from support.accounting import WAIT
from support.extra_packages import environment_with

from nanospan.receiver import Receiver

HERE = Path(__file__).parent
ALL = list(blocks())
APPLICATION = """
from opentelemetry import trace

with trace.get_tracer("app").start_as_current_span("work"):
    pass
"""
"""The ``app.py`` of the pages."""

MADE_OF_THE_VARIABLES = """
import nanospan

print(nanospan.TracerProvider())
"""

CONFIGURED_BY_FILE = """
from opentelemetry import trace
from nanospan.configurator import Configurator

Configurator().configure()
provider = trace.get_tracer_provider()
tracer = provider.get_tracer("app")
tracer.start_span("GET /health").end()
tracer.start_span("pay", attributes={"http.route": "/pay"}).end()
provider.shutdown()
"""

SHOWS = {
    (
        "docs/sampling/README.md",
        "nanospan cost --requests 2000 --spans 30 --processes 8 --rule /health=0.3:0 --rule /pay=0.02:1 --price 0.05",
    )
}
"""Blocks whose page shows what they print, indented."""

pytestmark = pytest.mark.skipif(not ALL, reason="README.md and docs/ are not beside these tests")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver(http_port=0, grpc_port=None) as running:
        yield running


def run(command: list[str], receiver: Receiver, folder: Path, path: str = "", **variables: str) -> str:
    """What the command prints; it must end with code 0 and complain of nothing."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("OTEL_") and not name.lower().endswith("_proxy")
    }
    environment |= {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint_http.removesuffix("/v1/traces"), **variables}
    environment["PATH"] = f"{path}{os.pathsep}{environment.get('PATH', '')}" if path else environment.get("PATH", "")
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=WAIT)
    assert (done.stderr, done.returncode) == ("", 0), done.stdout
    return done.stdout


def names(receiver: Receiver) -> list[str]:
    return [span.name for summary in receiver.store.summaries() for span in receiver.store.trace(summary.trace_id)]


def of(language: str) -> pytest.MarkDecorator:
    found = [block for block in ALL if block.language == language]
    return pytest.mark.parametrize("block", found or [pytest.param(None, marks=pytest.mark.skip)], ids=str)


@of("python")
def test_python(block: Block, receiver: Receiver, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    if reason := NOT_RUN.get(block.key):
        pytest.skip(reason)
    file = tmp_path / "block.py"
    file.write_text(block.text, encoding="utf-8")
    python = _python_for(block, request.config)
    if block.page == MIGRATING:
        _check_migration(block, receiver, file, python)
        return
    # What a block names of an application, as Django's settings, is in the example of its page.
    example = ROOT / "examples" / Path(block.page).stem
    printed = run([python, str(HERE / "run_python.py"), str(file)], receiver, tmp_path, PYTHONPATH=str(example))
    exports = printed.splitlines()[-1] == "exports"
    assert exports is ("BatchSpanProcessor(" in block.text)
    assert ("after the block" in names(receiver)) is exports


MIGRATING = "docs/migrating.md"


def _python_for(block: Block, config: pytest.Config) -> str:
    """An interpreter with the packages of others that the block imports."""
    found = [packages for module, packages in OTHERS.items() if re.search(rf"^(import|from) {module}\b", block.text, re.M)]
    packages = [package for each in found for package in each]
    if packages and os.environ.get("NANOSPAN_SUITES") == "0":
        pytest.skip(f"NANOSPAN_SUITES=0 leaves out what needs {', '.join(packages)}")
    if "exporter.otlp.proto.http" in block.text:
        pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the official exporter is not installed")
    return environment_with(config, *packages).python if packages else sys.executable


def _check_migration(block: Block, receiver: Receiver, file: Path, python: str) -> None:
    """Before as after, a program sends its span, `work`, and complains of nothing."""
    command = [python, str(file)]
    if block.key in SENDS_ELSEWHERE:
        assert subprocess.run(command, cwd=file.parent, capture_output=True, timeout=WAIT).returncode == 0
        return
    if not re.search("Provider|logfire", block.text):
        command = [python, "-m", "nanospan.cli", "run", *command]
    run(command, receiver, file.parent)
    assert names(receiver) == ["work"]


@of("yaml")
def test_yaml(block: Block, receiver: Receiver, tmp_path: Path) -> None:
    pytest.importorskip("opentelemetry.configuration", reason="opentelemetry-configuration is not installed")
    assert "http://localhost:4318/v1/traces" in block.text, "a configuration file without an exporter shows nothing"
    file = tmp_path / "otel.yaml"
    file.write_text(block.text.replace("http://localhost:4318/v1/traces", receiver.endpoint_http), encoding="utf-8")
    run([sys.executable, "-c", CONFIGURED_BY_FILE], receiver, tmp_path, OTEL_CONFIG_FILE=str(file))
    assert names(receiver) == ["pay"]


@of("bash")
def test_bash(block: Block, receiver: Receiver, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    lines = [line for line in block.text.splitlines() if not line.startswith(tuple(COMMANDS_NOT_RUN))]
    if not lines:
        pytest.skip("; ".join(reason for start, reason in COMMANDS_NOT_RUN.items() if start in block.text))
    instruments = "opentelemetry-instrument " in block.text
    if instruments:
        path = str(environment_with(request.config, "opentelemetry-instrumentation").bin)
    else:
        path = str(tmp_path)
        for name, program in (("python", sys.executable), ("nanospan", f"{sys.executable} -m nanospan.cli")):
            script = tmp_path / name
            script.write_text(f'#!/bin/sh\nexec {program} "$@"\n')
            script.chmod(0o755)
    (tmp_path / "app.py").write_text(APPLICATION)
    # -a exports what a block only sets; a variable that cannot be used is complained of by what is made last.
    body = "\n".join(["set -eua", *lines])
    only_variables = all("=" in line.split()[0] or line.startswith(" ") for line in lines) and not instruments
    if only_variables:
        (tmp_path / "made.py").write_text(MADE_OF_THE_VARIABLES)
        body += f"\n{sys.executable} made.py"
    printed = run(["bash", "-c", body], receiver, tmp_path, path, COLUMNS="80")
    if only_variables:
        assert "sampler=ParentBased(" in printed
    if instruments:
        assert names(receiver) == ["work"]
    if block.key in SHOWS:
        shown = [line[4:] for line in _outside_of_fences((ROOT / block.page).read_text()) if line.startswith("    ")]
        assert len(shown) > 10
        assert [line for line in shown if line not in [line.rstrip() for line in printed.splitlines()]] == []


def test_every_fence_is_of_a_known_language() -> None:
    assert [str(block) for block in ALL if block.language not in (*RUN, *NOT_CODE)] == []


def test_no_program_hides_in_an_indented_block() -> None:
    """They would not be run."""
    texts = [(path, path.read_text(encoding="utf-8")) for path in {ROOT / block.page for block in ALL}]
    starts = ("    import ", "    from ", "    OTEL_", "    provider", "    file_format", "    nanospan ")
    found = [(path.name, line) for path, text in texts for line in _outside_of_fences(text) if line.startswith(starts)]
    assert found == []


def test_every_block_that_is_not_run_is_there() -> None:
    keys = {block.key for block in ALL}
    assert set(NOT_RUN) | set(SENDS_ELSEWHERE) | SHOWS <= keys
    lines = [line for block in ALL if block.language == "bash" for line in block.text.splitlines()]
    assert {block.page for block in ALL} >= {MIGRATING}
    assert [start for start in COMMANDS_NOT_RUN if not any(line.startswith(start) for line in lines)] == []


def _outside_of_fences(text: str) -> Iterator[str]:
    inside = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            inside = not inside
        elif not inside:
            yield line
