"""The first span of a new user: three commands after a bare environment, `nanospan receive` shows it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from support.accounting import WAIT
from support.extra_packages import Environment, bare_environment_with

pytestmark = [
    pytest.mark.slow("starts two processes for each way with each set of packages"),
    pytest.mark.timeout(600),  # the first time it fetches packages
    pytest.mark.skipif(os.environ.get("NANOSPAN_SUITES") == "0", reason="NANOSPAN_SUITES=0 leaves out other packages"),
]

INSTALLED = {
    "nanospan": (),
    "instrumentation": ("opentelemetry-instrumentation",),
    "distro": ("opentelemetry-distro",),
    "distro and exporter": ("opentelemetry-distro", "opentelemetry-exporter-otlp"),
}
APPLICATION = """
from opentelemetry import trace

with trace.get_tracer("hello").start_as_current_span("greet"):
    print("hello")
"""
BY_CODE = """
from opentelemetry import trace
from nanospan import BatchSpanProcessor, TracerProvider

provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor())
trace.set_tracer_provider(provider)
"""
WAYS = {
    "by code": (BY_CODE + APPLICATION, ("python", "app.py"), {}),
    "zero code": (
        APPLICATION,
        ("opentelemetry-instrument", "python", "app.py"),
        {"OTEL_PYTHON_CONFIGURATOR": "nanospan"},
    ),
    "nanospan run": (APPLICATION, ("nanospan", "run", "python", "app.py"), {}),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("installed", INSTALLED)
def test_the_receiver_shows_it(request: pytest.FixtureRequest, tmp_path: Path, installed: str, way: str) -> None:
    if (installed, way) == ("nanospan", "zero code"):
        pytest.skip("opentelemetry-instrument is of opentelemetry-instrumentation")
    environment = bare_environment_with(request.config, *INSTALLED[installed])
    script, words, variables = WAYS[way]
    (tmp_path / "app.py").write_text(script)
    # The distro sets gRPC, and all three signals; the exporter's package brings grpcio along.
    protocol = "gRPC" if installed == "distro and exporter" and way != "by code" else "HTTP"
    receiver = subprocess.Popen(
        [environment.bin / "nanospan", "receive", "--http-port", "0", "--grpc-port", "0", "--once"],
        env=without_variables(environment, {}),
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        endpoints = {}
        while not (line := receiver.stdout.readline()).startswith("Ctrl-C"):
            assert line, receiver.stderr.read()
            if found := re.match(r"OTLP/(\w+) +(http://[\d.:]+)", line):
                endpoints[found[1]] = found[2]
        ended = subprocess.run(
            words,
            env=without_variables(environment, {**variables, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoints[protocol]}),
            executable=environment.bin / words[0],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=WAIT,
        )
        shown, complaints = receiver.communicate(timeout=WAIT)
    finally:
        receiver.kill()
        receiver.communicate()
    assert (ended.returncode, ended.stdout) == (0, "hello\n"), ended.stderr
    # The distro sets what is not installed, each of which costs a line.
    assert len(ended.stderr.splitlines()) <= (4 if installed.startswith("distro") and way != "by code" else 0), ended.stderr
    assert "Traceback" not in ended.stderr
    assert (receiver.returncode, complaints) == (0, "")
    assert re.search(r"^trace [0-9a-f]{32}  unknown_service:python\ngreet  \S+ \S+  1 span$", shown, re.MULTILINE), shown
    assert re.search(rf"^ *batches over {protocol} +1 *$", shown, re.MULTILINE), shown


def without_variables(environment: Environment, variables: dict[str, str]) -> dict[str, str]:
    """The environment variables of a new user, with the programs of ``environment`` found first."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OTEL_", "PYTHON")) and not name.lower().endswith("_proxy")
    }
    return inherited | {"PATH": f"{environment.bin}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "100"} | variables
