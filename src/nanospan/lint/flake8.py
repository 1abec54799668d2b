"""The rules L1 to L5 as a plugin of flake8, with the codes NSP101 to NSP105.

`<https://flake8.pycqa.org/en/latest/plugin-development/>`_
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from nanospan._common.version import own_version
from nanospan.lint.spans.rules import RULES, check_spans

__all__ = ["CODES", "Plugin"]

CODES: Final = {rule: f"NSP10{rule.removeprefix('L')}" for rule in RULES}
"""By rule the code that flake8 shows."""


class Plugin:
    """Made by flake8 for each file, with the arguments that it names."""

    name = "nanospan"
    version = own_version()

    def __init__(self, tree: ast.Module, filename: str, lines: list[str]) -> None:
        self._tree = tree
        self._path = filename
        self._lines = lines

    def run(self) -> Iterator[tuple[int, int, str, type[Plugin]]]:
        """Line from 1, column from 0, text and plugin of each finding."""
        # flake8 ends at what a plugin raises; the command tells of code that is nested too deep.
        with suppress(RecursionError):
            yield from self._findings()

    def _findings(self) -> Iterator[tuple[int, int, str, type[Plugin]]]:
        for one in check_spans(self._tree, self._path, self._lines):
            yield one.line, one.column - 1, f"{CODES[one.rule]} {one.message}", type(self)
