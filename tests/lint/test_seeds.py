"""The rules on spans on small sources: each line that says ``# expect: RULE`` is found, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from nanospan.lint.spans.rules import RULES, check_spans

SEEDS = Path(__file__).parent / "seeds"
EXPECTED = re.compile(r"#\s*expect:\s*(\w+)")


def cases() -> Iterator[pytest.param]:
    for file in sorted(SEEDS.glob("*.txt")):
        for case in file.read_text(encoding="utf-8").split("### ")[1:]:
            title, _, source = case.partition("\n")
            yield pytest.param(file.stem, source, id=f"{file.stem}: {title}")


def found(source: str) -> list[tuple[int, str]]:
    lines = source.splitlines()
    return [(one.line, one.rule) for one in check_spans(ast.parse(source), "seed.py", lines)]


@pytest.mark.parametrize(("kind", "source"), list(cases()))
def test_each_seeded_line_is_found_and_no_other(kind: str, source: str) -> None:
    expected = [(number, match[1]) for number, line in enumerate(source.splitlines(), 1) if (match := EXPECTED.search(line))]
    # What is seeded in `endings` and `names` is not looked at for other rules.
    rules = {"loops": ("L1", "L2"), "fan_out": ("L1", "L2"), "names": ("L3",), "endings": ("L4",), "events": ("L5",)}[kind]
    assert [one for one in found(source) if one[1] in rules] == expected


def test_each_rule_has_seeds() -> None:
    text = "".join(file.read_text(encoding="utf-8") for file in SEEDS.glob("*.txt"))
    assert set(EXPECTED.findall(text)) == set(RULES)
