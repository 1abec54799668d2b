"""The tests that several threads cannot run at once, and why.

pytest-run-parallel, with which `make test-free-threaded` runs the suite a second time, calls each test from several threads
that share its fixtures. It sees for itself what uses `monkeypatch`, `capsys`, `warnings`, `gc.collect` or `unittest.mock`.
The call in the Makefile tells it of `subprocess`, and of hypothesis, which draws its examples under one lock.
"""

from __future__ import annotations

import pytest

FIXTURES = {
    "caplog": "hears what all threads log",
    "connection": "is one connection",
    "file": "is one file",
    "launcher": "has one receiver for its processes",
    "made": "shuts down what one thread made",
    "make_pipeline": "has one receiver",
    "receiver": "counts what all threads send",
    "pipeline": "keeps what all threads end",
    "recorder": "keeps what all threads end",
    "collector": "keeps what all threads send",
    "set_clock": "is the clock of all threads",
}
"""What is shared by the threads that run a test, and must not be."""

PLACES = {
    "cli/test_cli.py": "starts processes",
    "documents/": "starts processes",
    "ecosystem/": "configures packages in processes of their own",
    "examples/": "starts programs and servers",
    "export/": "counts the requests of one exporter",
    "fuzz/test_fuzz_smoke.py": "starts processes",
    "install/": "changes modules of the SDK, starts processes",
    "lifecycle/": "starts processes",
    "processor/test_memory.py": "measures the process",
    "reference/": "runs other test suites in processes of their own",
    "release/": "starts processes",
    "servers/": "starts processes",
    "tail/test_tail_workload.py": "starts processes",
    "test_csrc.py": "compiles and starts programs",
    "trace/parity/test_machine.py": "compares what two implementations log to the same loggers",
}
"""Where tests stand that are about the whole process, or about others."""


def reason_for_one_thread(item: pytest.Item) -> str | None:
    for fixture, reason in FIXTURES.items():
        if fixture in getattr(item, "fixturenames", ()):
            return f"the fixture {fixture} {reason}"
    place = item.path.relative_to(item.config.rootpath / "tests").as_posix()
    return next((reason for start, reason in PLACES.items() if place.startswith(start)), None)
