"""Source files for the rules of `nanospan lint`."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from nanospan.contract.conventions import Conventions
from nanospan.lint.deprecated import check_deprecated
from nanospan.lint.report import Finding

__all__ = ["SourceError", "lint_sources"]

_NOT_SOURCES = frozenset((".git", ".hg", ".mypy_cache", ".nox", ".ruff_cache", ".tox", "__pycache__", "node_modules"))


class SourceError(Exception):
    """A path that is no source; the message says why."""


def lint_sources(paths: Iterable[str], conventions: Conventions) -> list[Finding]:
    """The findings in files, and in the ``.py`` files of folders. Raises SourceError for a path that cannot be read."""
    found: list[Finding] = []
    for path in _files(paths):
        try:
            tree = ast.parse(path.read_bytes(), str(path))
        except OSError as error:
            raise SourceError(f"cannot read {path}: {error.strerror or error}") from error
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None) or 1
            found.append(Finding("syntax", str(path), line, 1, f"this is no Python: {error.args[0]}"))
            continue
        found += check_deprecated(tree, str(path), conventions)
    return found


def _files(paths: Iterable[str]) -> Iterator[Path]:
    for name in paths:
        path = Path(name)
        if path.is_dir():
            yield from (one for one in sorted(path.rglob("*.py")) if not _NOT_SOURCES.intersection(one.parts))
        elif path.exists():
            yield path
        else:
            raise SourceError(f"{path} does not exist")
