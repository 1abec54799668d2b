"""The tests of the C code in csrc/, which need no Python, run from here so that one command runs everything."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CSRC = ROOT / "csrc"
MODELS = ROOT / "models"

pytestmark = pytest.mark.skipif(
    os.environ.get("NANOSPAN_SUITES") == "0", reason="NANOSPAN_SUITES=0 leaves out what is the same with every interpreter"
)

# Minutes, not seconds: a test that hangs must end, a slow machine must not fail.
TIMEOUT_SECONDS = 1500


def require(tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")


def make(folder: Path, *arguments: str) -> str:
    """Runs make and returns what it printed; a failure of make is a failure of the test, with its output."""
    if not (folder / "Makefile").exists():
        pytest.skip(f"{folder.name}/ is not here: not a source tree")
    require("make")
    # A make that runs pytest must not hand its own flags down.
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    result = subprocess.run(
        ["make", "-C", str(folder), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_SECONDS,
        env=environment,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


def require_sanitizer(name: str, folder: Path) -> None:
    """Skips unless the compiler links, and the machine runs, a program under this sanitizer."""
    source = folder / "probe.c"
    source.write_text("int main(void) { return 0; }\n")
    program = folder / "probe"
    compiler = os.environ.get("CC", "cc").split()
    linked = subprocess.run(
        [*compiler, f"-fsanitize={name}", "-pthread", str(source), "-o", str(program)], capture_output=True, text=True
    )
    if linked.returncode != 0:
        pytest.skip(f"{compiler[0]} cannot link the runtime of -fsanitize={name}")
    # ThreadSanitizer refuses some layouts of memory, under which none of its programs starts.
    if subprocess.run([str(program)], capture_output=True).returncode != 0:
        pytest.skip(f"a program under -fsanitize={name} does not start on this machine")


@pytest.fixture
def compiler() -> None:
    require(os.environ.get("CC", "cc").split()[0])


SUMMARIES = (
    "test_decoder: ok",
    "test_utf8: ok",
    "test_otlp: ok",
    "test_limits: ok",
    "test_frame: ok",
    "test_ring: ok",
    "test_ring_races: ok",
    "test_wake: ok",
    "test_slots: ok",
    "test_refusals: ok",
    "test_traces_bounds: ok",
    "test_traces_edges: ok",
    "test_traces_threads: ok",
    "stress_ring: ok",
    "test_traceparent: ok",
    "fuzz_otlp: ok",
    "fuzz_traceparent: ok",
    "fuzz_frame: ok",
    "fuzz_restate: ok",
)


def check(*arguments: str) -> None:
    printed = make(CSRC, "check", *arguments)
    for summary in SUMMARIES:
        assert summary in printed


def test_plain(compiler: None) -> None:
    check()


@pytest.mark.parametrize("sanitizer", ["address,undefined", "thread"])
def test_sanitized(compiler: None, sanitizer: str, tmp_path: Path) -> None:
    require_sanitizer(sanitizer, tmp_path)
    check(f"SANITIZE={sanitizer}")


@pytest.mark.parametrize("target", ["check", "breaks"])
def test_model(compiler: None, target: str) -> None:
    """The ring's protocol holds in every interleaving, and the model notices each way of breaking it."""
    require("spin")
    make(MODELS, target)
