"""A million traces through tail sampling (see tail_workload.py): nothing wanted is lost, nothing is kept by halves.

Where there is not room enough the loss is what the counters say.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import tail_workload
from support.accounting import check_balance, lost

TRACES = 1_000_000 if os.environ.get("NANOSPAN_SUITES", "1") != "0" else 100_000
DEPTH = 10_000
LIVE_SPAN = 1200
"""Bytes that a span, its context and the test's own records take while it has not ended; measured: about 900."""
SLACK = 24 << 20
"""What a process grows by as it runs: threads, connections, requests under way."""
STANDARD_DEVIATIONS = 5


def run(*arguments: str) -> dict[str, Any]:
    script = Path(tail_workload.__file__)
    command = [sys.executable, str(script), "--traces", str(TRACES), "--depth", str(DEPTH), *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["receiver_gave_up"] == 0
    check_balance(report["stats_before_shutdown"])
    check_balance(report["stats"])
    return report


def check_arrived(report: dict[str, Any]) -> None:
    """Whole traces, as many as were kept; every other span where the accounts say that it went."""
    stats = report["stats"]
    traces = stats["detail"]["tail"]
    assert report["halves"] == []
    assert sum(report["kept"].values()) == traces["traces_kept"]
    assert report["received_spans"] == stats["exported"] == traces["spans_kept"]
    assert stats["ended"] == report["spans"]
    gone = ("traces_sampled_out", "traces_evicted", "traces_queue_full")
    assert traces["traces_kept"] + sum(traces[reason] for reason in gone) == TRACES


def check_memory(report: dict[str, Any]) -> None:
    assert report["stats_before_shutdown"]["detail"]["tail"]["bytes_in_use"] <= report["max_bytes"]
    live = DEPTH * 5 * LIVE_SPAN
    assert report["resident_max"] - report["resident_before"] <= report["max_bytes"] + live + SLACK


@pytest.mark.timeout(900)
def test_every_error_and_every_slow_trace_arrives_whole() -> None:
    report = run()
    check_arrived(report)
    check_memory(report)
    assert lost(report["stats"]) == {}
    for kind in ("error", "slow"):
        assert report["kept"][kind] == report["offered"][kind] == TRACES // 100
    plain = report["offered"]["plain"]
    spread = math.sqrt(plain * tail_workload.BASELINE * (1 - tail_workload.BASELINE))
    assert abs(report["kept"]["plain"] - plain * tail_workload.BASELINE) <= STANDARD_DEVIATIONS * spread


@pytest.mark.timeout(900)
def test_too_little_room_loses_what_the_counters_say() -> None:
    report = run("--num-traces", str(DEPTH // 10))
    check_arrived(report)
    check_memory(report)
    assert set(lost(report["stats"])) == {"evicted"}
    evicted = report["stats"]["detail"]["tail"]["traces_evicted"]
    missing = sum(report["offered"][kind] - report["kept"][kind] for kind in ("error", "slow"))
    assert 0 < missing <= evicted
