"""The tests that plain ``pytest`` leaves out, and why; ``pytest --all``, or naming their file or folder, runs them.

A single slow test carries the marker ``slow(reason)`` instead.
"""

from __future__ import annotations

from pathlib import Path

import pytest

PLACES = {
    "context/services": "fetches packages and starts servers",
    "encoding/test_memory_errors.py": "starts a process for each pipeline and range of allocations",
    "ecosystem": "fetches packages and configures them in processes of their own",
    "examples": "fetches packages and starts programs and servers",
    "install/test_django.py": "fetches packages and starts programs",
    "hosts": "fetches packages, starts brokers and workers",
    "install/test_run.py": "starts programs and servers",
    "lifecycle": "starts servers and process trees",
    "processor/test_memory.py": "measures the memory of long runs",
    "reference": "fetches and runs the test suites of other packages",
    "release": "builds wheels, runs the soak test",
    "servers": "fetches packages and starts servers",
    "tail/test_tail_workload.py": "sends a million traces",
    "test_csrc.py::test_sanitized": "compiles csrc/ once for each sanitizer",
    "test_csrc.py::test_model": "explores every interleaving of the models",
}
"""Folders, files and tests below tests/."""


def reason_for_slow(item: pytest.Item) -> str | None:
    if marker := item.get_closest_marker("slow"):
        return str(marker.args[0])
    name = _place(item)
    return next((reason for place, reason in PLACES.items() if _is_in(name, place)), None)


def is_named(item: pytest.Item) -> bool:
    """Whether the command line names the slow test itself, its file, or a slow folder that contains it."""
    file = item.path
    tests = item.config.rootpath / "tests"
    if item.get_closest_marker("slow"):
        places = [file]
    else:
        place = next(place for place in PLACES if _is_in(_place(item), place))
        places = [tests / place.partition("::")[0]]
    named = [Path(item.config.invocation_params.dir, argument.partition("::")[0]) for argument in item.config.args]
    return any(path == place or place in path.parents for path in named for place in places)


def _place(item: pytest.Item) -> str:
    file = item.path.relative_to(item.config.rootpath / "tests").as_posix()
    return f"{file}::{item.name}"


def _is_in(name: str, place: str) -> bool:
    return name.startswith(place) and name[len(place) : len(place) + 1] in ("", "/", ":", "[")
