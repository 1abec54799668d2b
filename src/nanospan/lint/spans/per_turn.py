"""What L1 and L2 share: a finding for each place where as many spans start as a loop has turns, or a fan-out tasks."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from nanospan.lint.reading.sites import Site
from nanospan.lint.report import Finding

__all__ = ["findings_at"]


def findings_at(sites: Iterable[Site], path: str, rule: str, where: str) -> Iterator[Finding]:
    """``where`` ends the sentence that begins with what starts the span; ``{line}`` in it is the line of the loop."""
    for site in sites:
        what = f"{site.called}() starts a span" if site.called else "a span is started"
        message = f"{what} {where.format(line=site.line)}"
        # Without the line, which changes with code before it.
        identity = f"{rule} {path}: {ast.unparse(site.node)}"
        yield Finding(rule, path, site.node.lineno, site.node.col_offset + 1, message, identity=identity)
