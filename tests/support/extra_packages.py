"""Environments that hold packages which the tests' own does not, and a receiver for what programs in them send.

Such an environment sees everything of the one that runs the tests, nanospan and the SDK included, and adds what pip fetches.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import distribution, version
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from support.accounting import WAIT
from support.sdk_releases import constraints_of_older_sdk

import nanospan
from nanospan.receiver import Receiver, Span, TraceStore
from nanospan.receiver.store import DEFAULT_MAX_TRACES


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock of all of pytest-xdist's processes, for what they make once at ``path`` and keep."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(path.name + ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


_not_to_be_had: dict[bytes, str] = {}


@dataclass(frozen=True)
class Finished:
    """A program that ended with code 0, and what it had to say."""

    stdout: str
    stderr: str

    @property
    def report(self) -> dict[str, Any]:
        """The JSON object in the last line that it printed."""
        return json.loads(self.stdout.splitlines()[-1])


class Environment:
    """A virtual environment on top of the one that runs the tests."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.python = str(self.bin / "python")

    def has(self, package: str) -> bool:
        """Whether ``package`` is among what was added."""
        return any(self.bin.parent.glob(f"lib/python*/site-packages/{package.replace('.', '/')}"))

    def run(self, *command: str, timeout: float = WAIT, **variables: str | None) -> Finished:
        """Run ``command``, its programs looked for in this environment first, with no ``OTEL_*`` variables but these."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OTEL_", "PYTHON")) and not name.lower().endswith("_proxy")
        }
        environment |= {"PATH": f"{self.bin}{os.pathsep}{os.environ.get('PATH', '')}", "PYTHONFAULTHANDLER": "1"}
        environment |= {name: value for name, value in variables.items() if value is not None}
        run = subprocess.run(
            [str(self.bin / command[0]), *command[1:]], env=environment, capture_output=True, text=True, timeout=timeout
        )
        assert run.returncode == 0, f"{run.stdout}\n{run.stderr}"
        return Finished(run.stdout, run.stderr)


def environment_with(config: pytest.Config, *requirements: str) -> Environment:
    """The environment with ``requirements``, made once and kept in pytest's cache; skips if pip cannot fetch them."""

    def fill(site: Path) -> None:
        # addsitedir: what is installed for every process there (as by scripts/coverage/coverage.sh) is so here too.
        (site / "below.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")

    return _environment(config, requirements, fill)


def bare_environment_with(config: pytest.Config, *requirements: str) -> Environment:
    """As `environment_with`, of nanospan with its extra ``cli``, ``requirements``, what both need, and nothing else."""
    packaging = pytest.importorskip("packaging.requirements", reason="packaging is not installed")
    installed = distribution("nanospan")
    needed = [packaging.Requirement(text) for text in installed.requires or ()]
    here = [one for one in needed if one.marker is None or one.marker.evaluate({"extra": "cli"})]
    # Of the SDK the release that the tests run with.
    own = [f"{one.name}=={version(one.name)}" if one.name.startswith("opentelemetry-") else str(one) for one in here]

    def fill(site: Path) -> None:
        package = Path(nanospan.__file__).parent
        (site / "nanospan").symlink_to(package)
        metadata = site / f"nanospan-{installed.version}.dist-info"
        metadata.mkdir()
        for name in ("METADATA", "entry_points.txt"):
            (metadata / name).write_text(installed.read_text(name) or "")
        script = site.parents[2] / "bin" / "nanospan"
        script.write_text(f"#!{site.parents[2] / 'bin' / 'python'}\nfrom nanospan.cli import main\nmain()\n")
        script.chmod(0o755)

    return _environment(config, (*(one.partition(";")[0].strip() for one in own), *requirements), fill, "bare")


def _environment(
    config: pytest.Config, requirements: tuple[str, ...], fill: Callable[[Path], None], kind: str = ""
) -> Environment:
    """A virtual environment with what ``fill`` puts into its folder of packages, and then ``requirements``."""
    site = sysconfig.get_path("purelib")
    constraints = constraints_of_older_sdk()
    key = repr((sys.version, site, version("opentelemetry-sdk"), constraints, requirements, *filter(None, [kind]))).encode()
    if key in _not_to_be_had:
        pytest.skip(_not_to_be_had[key])
    folder = _kept(config) / hashlib.sha256(key).hexdigest()[:16]
    with locked(folder):
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            venv.create(folder, symlinks=True, with_pip=False)
            fill(next((folder / "lib").glob("python*")) / "site-packages")
            if requirements and (problem := _install(folder, requirements, constraints)):
                # One attempt has to do for all tests: with no network it takes its time.
                _not_to_be_had[key] = f"{' '.join(requirements)} cannot be installed: {problem}"
                pytest.skip(_not_to_be_had[key])
            (folder / "complete").touch()
    return Environment(folder)


def _kept(config: pytest.Config) -> Path:
    cache: Any = getattr(config, "cache", None)
    return Path(tempfile.gettempdir()) / "nanospan-environments" if cache is None else cache.mkdir("environments")


def _install(folder: Path, requirements: Iterable[str], constraints: Iterable[str]) -> str:
    """What pip complains of, or nothing."""
    (folder / "constraints.txt").write_text("\n".join(constraints))
    pip = [sys.executable, "-m", "pip", "--python", str(folder), "--disable-pip-version-check", "--retries", "1"]
    pinned = ["--constraint", str(folder / "constraints.txt")]
    run = subprocess.run([*pip, "install", "--quiet", *pinned, *requirements], capture_output=True, text=True)
    return (run.stderr.strip().splitlines() or ["no reason given"])[-1] if run.returncode else ""


class Collector(Receiver):
    """A receiver that keeps whole requests, and the spans of ``max_traces`` traces."""

    def __init__(self, max_traces: int = DEFAULT_MAX_TRACES) -> None:
        self.bodies: list[bytes] = []
        super().__init__(store=_Bodies(self.bodies, max_traces))

    def spans(self, count: int) -> dict[str, Span]:
        """All ``count`` spans, by name, that a program has sent which has ended and so got its acknowledgements."""
        spans = self.every_span()
        assert self.stats().spans == len(spans) == count, sorted(span.name for span in spans)
        by_name = {span.name: span for span in spans}
        assert len(by_name) == count, sorted(span.name for span in spans)
        return by_name

    def every_span(self) -> list[Span]:
        return [span for summary in self.store.summaries() for span in self.store.trace(summary.trace_id)]

    def resources(self) -> list[dict[str, str]]:
        """The text attributes of the resources that have arrived."""
        return [
            {attribute.key: attribute.value.string_value for attribute in resource_spans.resource.attributes}
            for body in self.bodies
            for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans
        ]


class _Bodies(TraceStore):
    def __init__(self, bodies: list[bytes], max_traces: int) -> None:
        super().__init__(max_traces=max_traces)
        self._bodies = bodies

    def add(self, body: bytes, *, transport: str, wire_bytes: int | None = None) -> int:
        self._bodies.append(body)
        return super().add(body, transport=transport, wire_bytes=wire_bytes)
