"""The reference encoder's own tests, from its sdist, with nanospan's encoder in its place."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def test_the_trace_tests_of_the_reference_pass(reference_sdist):
    source = reference_sdist("opentelemetry-exporter-otlp-proto-common")
    command = [sys.executable, "-m", "pytest", "-p", "nanospan_in_place", "-p", "no:cacheprovider"]
    run = subprocess.run(
        [*command, "-k", "TraceEncoder or encode_spans", *_trace_tests(source)],
        cwd=source,
        env={**os.environ, "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert int(re.search(r"(\d+) passed", run.stdout)[1]) >= 2, run.stdout
    # Both encode_spans tests went through the encoder under test.
    assert "nanospan encoded 2 batches" in run.stdout, run.stdout


def _trace_tests(source: Path) -> list[str]:
    """The test files that encode spans, but not those that need packages for metrics or logs."""
    files = sorted((source / "tests").glob("test_*.py"))
    return [str(file) for file in files if "import encode_spans" in file.read_text()]
