"""The API's own tests of its trace context propagator, from its sdist, with nanospan's class in its place."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
SUITES = ("trace/propagation/test_tracecontexthttptextformat.py", "propagators/test__envcarrier.py")


def test_the_propagator_tests_of_the_api_pass(reference_sdist: Callable[[str], Path]) -> None:
    source = reference_sdist("opentelemetry-api")
    suites = [str(source / "tests" / suite) for suite in SUITES if (source / "tests" / suite).exists()]
    assert suites, "the sdist no longer has the tests where they were"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "propagator_in_place", "-p", "no:cacheprovider", *suites],
        cwd=source,
        env={**os.environ, "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert int(re.search(r"(\d+) passed", run.stdout)[1]) >= 15, run.stdout
    for name in ("extract", "inject"):
        calls, left_to_the_api = map(int, re.search(rf"{name}: (\d+) calls, (\d+) left", run.stdout).groups())
        assert left_to_the_api < calls / 2, run.stdout
