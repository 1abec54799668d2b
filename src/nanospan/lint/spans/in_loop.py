"""Rule L1: a span for each turn of a loop."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nanospan.lint.reading.sites import Site
from nanospan.lint.report import Finding

__all__ = ["RULE", "check"]

RULE = "L1"


def check(sites: list[Site], path: str) -> Iterator[Finding]:
    """The findings in the ``sites`` of a module."""
    for site in sites:
        if site.fans_out:
            continue
        what = f"{site.called}() starts a span" if site.called else "a span is started"
        message = (
            f"{what} in each turn of the loop in line {site.line}: start one span around the loop, set counts as its "
            "attributes, and add events for the few turns that matter"
        )
        # Without the line, which changes with code before it.
        identity = f"{RULE} {path}: {ast.unparse(site.node)}"
        yield Finding(RULE, path, site.node.lineno, site.node.col_offset + 1, message, identity=identity)
