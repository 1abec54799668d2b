"""Runs the C tests of csrc/ and the Spin model, so that one command runs everything."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CSRC = ROOT / "csrc"
MODELS = ROOT / "models"

pytestmark = pytest.mark.skipif(
    os.environ.get("NANOSPAN_SUITES") == "0", reason="NANOSPAN_SUITES=0 skips tests that do not depend on the interpreter"
)

# Long enough for a slow machine; ends a test that hangs.
TIMEOUT_SECONDS = 1500


def require(tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")


def make(folder: Path, *arguments: str) -> str:
    """Runs make and returns its output. If make fails, the test fails and shows the output."""
    if not (folder / "Makefile").exists():
        pytest.skip(f"{folder.name}/ is not here: not a source tree")
    require("make")
    # Do not pass on the flags of a make that runs pytest.
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
    """Skips unless a program under this sanitizer links and runs."""
    source = folder / "probe.c"
    source.write_text("int main(void) { return 0; }\n")
    program = folder / "probe"
    compiler = os.environ.get("CC", "cc").split()
    linked = subprocess.run(
        [*compiler, f"-fsanitize={name}", "-pthread", str(source), "-o", str(program)], capture_output=True, text=True
    )
    if linked.returncode != 0:
        pytest.skip(f"{compiler[0]} cannot link the runtime of -fsanitize={name}")
    # ThreadSanitizer does not support every memory layout; on others none of its programs starts.
    if subprocess.run([str(program)], capture_output=True).returncode != 0:
        pytest.skip(f"a program under -fsanitize={name} does not start on this machine")


@pytest.fixture
def compiler() -> None:
    require(os.environ.get("CC", "cc").split()[0])


def check(*arguments: str) -> None:
    """Runs every program and requires the summary line of each."""
    programs = make(CSRC, "--silent", "--no-print-directory", "list").split()
    assert len(programs) > 30
    lines = make(CSRC, "check", *arguments).splitlines()
    missing = [name for name in programs if not any(line.startswith(f"{name}: ok") for line in lines)]
    assert not missing


def test_plain(compiler: None) -> None:
    check()


@pytest.mark.parametrize("sanitizer", ["address,undefined", "thread"])
def test_sanitized(compiler: None, sanitizer: str, tmp_path: Path) -> None:
    require_sanitizer(sanitizer, tmp_path)
    check(f"SANITIZE={sanitizer}")


@pytest.mark.parametrize("target", ["check", "breaks"])
def test_model(compiler: None, target: str) -> None:
    """The ring's protocol holds in every interleaving, and the model detects each break of it."""
    require("spin")
    make(MODELS, target)
