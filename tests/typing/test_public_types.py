"""The types that users see: mypy --strict accepts public_types.py, and reports a type that is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mypy", reason="mypy is not installed")
pytest.importorskip("grpc", reason="grpcio is not installed: a module of the public API needs it")

PUBLIC_TYPES = Path(__file__).with_name("public_types.py")


@pytest.fixture
def mypy(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory):
    cache = getattr(pytestconfig, "cache", None)  # absent with -p no:cacheprovider
    folder = tmp_path_factory.mktemp("mypy") if cache is None else cache.mkdir("mypy")

    def check(file: Path) -> subprocess.CompletedProcess[str]:
        # Without a configuration, as for a user; what was found about the SDK is kept from one run to the next.
        options = ["--strict", "--config-file=", "--cache-dir", str(folder)]
        command = [sys.executable, "-m", "mypy", *options, str(file)]
        return subprocess.run(command, capture_output=True, text=True, cwd=file.parent, timeout=150)

    return check


def test_the_public_types(mypy):
    checked = mypy(PUBLIC_TYPES)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("processor.stats(), ProcessorStats", "processor.stats(), list[str]", 'Expression is of type "ProcessorStats"'),
        ("held.policy_names, tuple[str, ...]", "held.policy_names, list[str]", 'Expression is of type "tuple[str, ...]"'),
        ("decorated(1, text", 'decorated("1", text', 'Argument 1 to "decorated"'),
        ('tail.Latency("1000")', "tail.Latency(1000)", 'Unused "type: ignore" comment'),
    ],
)
def test_a_wrong_type_is_reported(mypy, tmp_path, right, wrong, message):
    text = PUBLIC_TYPES.read_text()
    assert text.count(right) == 1
    file = tmp_path / "public_types.py"
    file.write_text(text.replace(right, wrong))
    checked = mypy(file)
    assert checked.returncode == 1, checked.stdout + checked.stderr
    assert message in checked.stdout
    assert "Found 1 error" in checked.stdout
