"""A few of the randomised exits of soak/exit_soak.py: each way of leaving at least once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("grpc", reason="grpcio is not installed")

DRIVER = Path(__file__).parents[2] / "soak" / "exit_soak.py"
ORDERLY, DISORDERLY = 19, 9
"""As many as there are ways."""


def test_orderly_exits_lose_nothing_and_disorderly_ones_what_was_queued() -> None:
    command = [sys.executable, str(DRIVER), "--exits", str(ORDERLY), "--disorderly", str(DISORDERLY)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{ORDERLY} orderly exits lost 0 spans" in done.stdout
