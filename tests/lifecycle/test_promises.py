"""docs/lifecycle.md and the tests of this folder name each other completely; it also names tests of hosts and servers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROMISES = HERE.parents[1] / "docs" / "lifecycle.md"


def test_every_promise_has_its_test() -> None:
    if not PROMISES.exists():
        pytest.skip("docs/lifecycle.md is not beside these tests")
    text = PROMISES.read_text()
    rows = [line for line in text.splitlines() if line.startswith("|") and not line.startswith("|---")]
    promises = [row for row in rows if not row.endswith("| tests |")]
    assert [row for row in promises if "`test_" not in row] == [], "promises that name no test"

    named = set(re.findall(r"`(test_\w+)`", text))
    tests = names_in("lifecycle")
    assert len(named) > 60
    assert named - tests - names_in("hosts") - names_in("servers") == set(), "tests that are named and do not exist"
    assert tests - named == set(), "tests whose promise is not written down"


def names_in(folder: str) -> set[str]:
    sources = [path.read_text() for path in (HERE.parent / folder).glob("test_*.py")]
    return {name for source in sources for name in re.findall(r"^def (test_\w+)", source, re.MULTILINE)}
