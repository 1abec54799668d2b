"""nanospan beside packages that pin an older SDK: pip resolves, all is imported, and a span under `nanospan run` arrives."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import venv
from importlib.metadata import distribution
from pathlib import Path

import pytest
from support.accounting import WAIT

import nanospan
from nanospan.receiver import Receiver

pytestmark = pytest.mark.slow("installs packages in fresh environments")

ROOT = Path(__file__).parents[2]
SCRIPT = """
import importlib.metadata, sys, nanospan
from opentelemetry import trace
sdk = importlib.metadata.version("opentelemetry-sdk")
with trace.get_tracer("t").start_as_current_span("span", attributes={"sdk": sdk}):
    for name in sys.argv[1:]:
        __import__(name)
provider = trace.get_tracer_provider()
print(type(provider).__module__)
"""


class Fresh:
    """A virtual environment with the nanospan that is tested, which pip sees as installed, and what is asked for."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, symlinks=True, with_pip=False)
        self.python = str(folder / "bin" / "python")
        self._place_nanospan(folder)

    def _place_nanospan(self, folder: Path) -> None:
        site = next((folder / "lib").glob("python*")) / "site-packages"
        (site / "nanospan").symlink_to(Path(nanospan.__file__).parent)
        metadata = site / f"nanospan-{nanospan.__version__}.dist-info"
        metadata.mkdir()
        lines = ["Metadata-Version: 2.4", "Name: nanospan", f"Version: {nanospan.__version__}"]
        lines += [f"Requires-Dist: {requirement}" for requirement in requirements()]
        (metadata / "METADATA").write_text("\n".join(lines) + "\n")
        (metadata / "entry_points.txt").write_text(distribution("nanospan").read_text("entry_points.txt") or "")
        (metadata / "INSTALLER").write_text("pip\n")

    def pip(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        pip = [sys.executable, "-m", "pip", "--python", self.python, "--disable-pip-version-check", "--retries", "1"]
        return subprocess.run([*pip, *arguments], capture_output=True, text=True)


def requirements() -> list[str]:
    """What the tree that is tested requires: the metadata of an editable installation may be of an earlier one."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found: list[str] = project["dependencies"]
    return found


@pytest.mark.parametrize(
    ("packages", "modules", "sdk"),
    [
        (["aws-opentelemetry-distro==0.21.0"], ["amazon.opentelemetry.distro.aws_opentelemetry_distro"], "1.44.0"),
        (["google-adk==2.13.0"], ["google.adk"], "1.44.0"),
    ],
    ids=["aws-opentelemetry-distro", "google-adk"],
)
def test_pip_resolves_and_a_span_arrives(packages: list[str], modules: list[str], sdk: str, tmp_path: Path) -> None:
    fresh = Fresh(tmp_path / "environment")
    installed = fresh.pip("install", "--quiet", *requirements(), *packages)
    if "Could not find a version" in installed.stderr or "No matching distribution" in installed.stderr:
        pytest.skip(f"{packages} cannot be had: {installed.stderr.strip().splitlines()[-1]}")
    assert installed.returncode == 0, installed.stderr
    checked = fresh.pip("check")
    assert checked.returncode == 0, checked.stdout

    with Receiver(grpc_port=None) as receiver:
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint_http.removesuffix("/v1/traces"),
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "PATH": os.environ.get("PATH", ""),
            "HOME": str(tmp_path),
        }
        command = [fresh.python, "-m", "nanospan.cli", "run", fresh.python, "-c", SCRIPT, *modules]
        run = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=WAIT)
        traces = [receiver.store.trace(summary.trace_id) for summary in receiver.store.summaries()]
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[-1] == "nanospan.trace"
    spans = [span for trace in traces for span in trace if span.scope == "t"]
    assert [(span.name, span.attributes["sdk"]) for span in spans] == [("span", sdk)]
