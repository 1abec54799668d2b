"""Source files for the rules of `nanospan lint`."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

from nanospan.contract.conventions import Conventions
from nanospan.lint import deprecated
from nanospan.lint.report import Finding
from nanospan.lint.spans.rules import RULES as SPAN_RULES
from nanospan.lint.spans.rules import check_spans

__all__ = ["RULES", "SourceError", "lint_sources"]

SYNTAX = "syntax"
RULES = {**SPAN_RULES, deprecated.RULE: "deprecated names of attributes", SYNTAX: "files that are no Python"}
"""By identifier what each rule finds."""

_NOT_SOURCES = frozenset((".git", ".hg", ".mypy_cache", ".nox", ".ruff_cache", ".tox", "__pycache__", "node_modules"))


class SourceError(Exception):
    """A path that is no source; the message says why."""


def lint_sources(paths: Iterable[str], conventions: Conventions, rules: Collection[str] = tuple(RULES)) -> list[Finding]:
    """The findings of ``rules`` in files, and in the ``.py`` files of folders.

    Raises SourceError for a path that cannot be read.
    """
    found: list[Finding] = []
    for path in _files(paths):
        try:
            found += _of_file(path.read_bytes(), str(path), conventions, rules)
        except OSError as error:
            raise SourceError(f"cannot read {path}: {error.strerror or error}") from error
        except (SyntaxError, ValueError, RecursionError) as error:
            if SYNTAX in rules:
                line = getattr(error, "lineno", None) or 1
                what = "this is nested too deep" if isinstance(error, RecursionError) else "this is no Python"
                found.append(Finding(SYNTAX, str(path), line, 1, f"{what}: {error.args[0]}"))
    return found


def _of_file(source: bytes, path: str, conventions: Conventions, rules: Collection[str]) -> list[Finding]:
    tree = _parsed(source, path)
    found = list(check_spans(tree, path, source.decode("utf-8", "replace").split("\n"), rules))
    if deprecated.RULE in rules:
        found += deprecated.check_deprecated(tree, path, conventions)
    return sorted(found, key=lambda one: (one.line, one.column))


def _parsed(source: bytes, path: str) -> ast.Module:
    with warnings.catch_warnings():
        # Of escapes in literals, which are no findings of these rules.
        warnings.simplefilter("ignore")
        return ast.parse(source, path)


def _files(paths: Iterable[str]) -> Iterator[Path]:
    for name in paths:
        path = Path(name)
        if path.is_dir():
            yield from (one for one in sorted(path.rglob("*.py")) if not _NOT_SOURCES.intersection(one.parts))
        elif path.exists():
            yield path
        else:
            raise SourceError(f"{path} does not exist")
