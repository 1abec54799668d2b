"""The plugin of flake8, and the entry points by which flake8 and pre-commit find nanospan."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
from support.extra_packages import environment_with

from nanospan.lint.flake8 import CODES, Plugin
from nanospan.lint.spans.rules import RULES

ROOT = Path(__file__).parents[2]
SOURCE = """\
for item in items:
    with tracer.start_as_current_span("item"):
        work(item)
    with tracer.start_as_current_span("other"):  # noqa: NSP101
        work(item)
"""


def test_each_rule_has_a_code() -> None:
    assert list(CODES) == list(RULES)
    assert list(CODES.values()) == ["NSP101", "NSP102", "NSP103", "NSP104", "NSP105"]


def test_the_plugin_tells_line_column_and_code() -> None:
    first, second = Plugin(ast.parse(SOURCE), "app.py", SOURCE.splitlines(keepends=True)).run()
    assert (first[:2], second[:2]) == ((2, 9), (4, 9))
    assert first[2].startswith("NSP101 a span is started in each turn of the loop in line 1: start one span around")


def test_the_entry_point_names_the_plugin() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        points = tomllib.load(file)["project"]["entry-points"]["flake8.extension"]
    assert list(points) == ["NSP"]
    module, _, name = points["NSP"].partition(":")
    assert getattr(import_module(module), name) is Plugin


@pytest.mark.slow("installs flake8")
def test_flake8_shows_the_findings_and_heeds_noqa(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    environment = environment_with(request.config, "flake8>=7")
    (tmp_path / "app.py").write_text(SOURCE)
    command = [environment.python, "-m", "flake8", "--isolated", "--select", "NSP", "app.py"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 1, run.stderr
    assert [line.split(" ")[:2] for line in run.stdout.splitlines()] == [["app.py:2:10:", "NSP101"]]


def test_the_hook_of_pre_commit_runs_the_command(tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    pytest.importorskip("click", reason="click is not installed")
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    assert (hook["id"], hook["language"], hook["types"]) == ("nanospan-lint", "python", ["python"])
    command, *arguments = hook["entry"].split()
    assert command == "nanospan"
    (tmp_path / "app.py").write_text(SOURCE)
    run = subprocess.run(
        [sys.executable, "-m", "nanospan.cli", *arguments, "app.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stderr
    assert run.stdout.startswith("app.py:2:10: L1 ")
