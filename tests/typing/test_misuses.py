"""Wrong uses of nanospan are found by type checkers, on their lines, and refused when they are run."""

from __future__ import annotations

import builtins
from pathlib import Path

import pytest

pytest.importorskip("grpc", reason="grpcio is not installed: a module of the public API needs it")

pytestmark = pytest.mark.usefixtures("clean_environment")

MISUSES = Path(__file__).with_name("misuses.py")
MARK = "  # wrong: "
LINES = list(enumerate(MISUSES.read_text(encoding="utf-8").splitlines(), start=1))
WRONG = [(number, *line.split(MARK)) for number, line in LINES if MARK in line]


@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_a_checker_reports_each_of_them_and_nothing_else(checkers, checker):
    errors = checkers.check(checker, MISUSES)
    assert [error.line for error in errors] == [number for number, _, _ in WRONG], errors
    assert len(errors) >= 20


@pytest.mark.parametrize(("code", "refusal"), [pytest.param(*rest, id=f"line {number}") for number, *rest in WRONG])
def test_it_is_refused_when_it_is_run(code, refusal):
    names = {}
    exec("\n".join(line for _, line in LINES if MARK not in line), names)
    kind, _, message = refusal.partition(": ")
    try:
        with pytest.raises(getattr(builtins, kind), match=f"^{message}"):
            exec(code, names)
    finally:
        names["provider"].shutdown()
        names["processor"].shutdown()
