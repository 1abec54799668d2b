"""Failing allocations: the process lives, and every ended span is exported or counted.

Each range runs in a process of its own (scripts/memory_errors.py): a crash names the range."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.accounting import check_balance

SCRIPT = Path(__file__).parent / "scripts" / "memory_errors.py"
PIPELINES = ("bytes", "objects", "tail", "consistent", "consistent children", "rules", "sdk provider")
RANGES = ((0, 120), (120, 240), (240, 600))


@pytest.mark.skipif(importlib.util.find_spec("_testcapi") is None, reason="this CPython has no _testcapi")
@pytest.mark.parametrize("pipeline", PIPELINES)
@pytest.mark.parametrize("numbers", RANGES, ids=lambda numbers: f"{numbers[0]}-{numbers[1]}")
def test_each_allocation_of_a_spans_life_fails(pipeline: str, numbers: tuple[int, int]) -> None:
    command = [sys.executable, "-X", "faulthandler", str(SCRIPT), pipeline, *map(str, numbers)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    account = json.loads(run.stdout)
    stats = account["stats"]
    check_balance(stats)
    assert (stats["queued"], stats["held"], stats["rejected"]) == (0, 0, 0)
    if pipeline == "sdk provider":
        # The SDK's end() may raise before it calls the processors.
        assert account["ended"] - account["raised"].get("end", 0) <= stats["ended"] <= account["ended"]
    else:
        assert stats["ended"] == account["ended"]
        assert "end" not in account["raised"]
    assert stats["exported"] <= account["arrived"] <= stats["exported"] + stats["dropped"]["export_failed"]
    assert sum(stats["dropped"].values()) < stats["ended"] / 5
