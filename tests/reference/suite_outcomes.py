"""pytest plugin: writes what becomes of each test, one JSON array ``[test id, phase, outcome]`` a line.

Each line is out before the next test begins, so that a process that dies leaves the name of the test that it died in. The
file is named by ``NANOSPAN_OUTCOMES``.
"""

from __future__ import annotations

import json
import os

_file = open(os.environ["NANOSPAN_OUTCOMES"], "a", buffering=1)  # noqa: SIM115 (open as long as pytest runs)
_writer = os.getpid()


def pytest_runtest_logstart(nodeid: str) -> None:
    _write(nodeid, "start", "started")


def pytest_runtest_logreport(report) -> None:
    _write(report.nodeid, report.when, report.outcome)


def pytest_collectreport(report) -> None:
    if report.failed:
        _write(report.nodeid, "collect", "failed")


def _write(nodeid: str, phase: str, outcome: str) -> None:
    if os.getpid() == _writer:
        _file.write(json.dumps([nodeid, phase, outcome]) + "\n")
