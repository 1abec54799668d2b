"""`make lint`'s check of Cython sources finds each form that frees an object twice, and nothing else."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("Cython")

CHECK = Path(__file__).resolve().parents[2] / "scripts/lint/check_cython.py"


@pytest.fixture(scope="module")
def check() -> Any:
    spec = importlib.util.spec_from_file_location("check_cython", CHECK)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("x = [g(i) for i in a]", True),
        ("x = {1: [g(i) for i in a]}", True),
        ("x = sorted(g(i) for i in a)", True),
        ("x = ''.join(g(i) for i in a)", True),
        ("x = [*a, g(1)]", True),
        ("return (*a, g(1))", True),
        ("x = [g(1), *a]", False),
        ("x = {g(i) for i in a}", False),
        ("x = {g(i): 1 for i in a}", False),
        ("*first, last = a", False),
        ("x.append(g(1))", False),
    ],
)
def test_forms(check: Any, line: str, found: bool) -> None:
    source = f'include "other.pxi"\ncdef object f(object a):\n    {line}\n'
    assert [at for at, _form in check.forms_in(source, is_pxd=False)] == ([3] if found else [])


def test_the_sources_have_none(check: Any) -> None:
    assert check.main(list(check.FOLDERS)) == 0
