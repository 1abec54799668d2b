"""Rule L2: a span for each of the tasks or calls to which work is fanned out, as many as there is input."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nanospan.lint.reading.sites import Site
from nanospan.lint.report import Finding

__all__ = ["RULE", "check"]

RULE = "L2"


def check(sites: list[Site], path: str) -> Iterator[Finding]:
    """The findings in the ``sites`` of a module."""
    for site in sites:
        if not site.fans_out:
            continue
        what = f"{site.called}() starts a span" if site.called else "a span is started"
        message = (
            f"{what} in each of the tasks of line {site.line}, whose number grows with the input: start one span around "
            "all of them, set counts as its attributes, and add events for the few that matter"
        )
        # Without the line, which changes with code before it.
        identity = f"{RULE} {path}: {ast.unparse(site.node)}"
        yield Finding(RULE, path, site.node.lineno, site.node.col_offset + 1, message, identity=identity)
