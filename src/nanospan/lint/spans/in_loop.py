"""Rule L1: a span for each turn of a loop."""

from __future__ import annotations

from collections.abc import Iterator

from nanospan.lint.reading.sites import Site
from nanospan.lint.report import Finding
from nanospan.lint.spans.per_turn import findings_at

__all__ = ["RULE", "check"]

RULE = "L1"
_WHERE = (
    "in each turn of the loop in line {line}: start one span around the loop, set counts as its attributes, and add events "
    "for the few turns that matter"
)


def check(sites: list[Site], path: str) -> Iterator[Finding]:
    """The findings in the ``sites`` of a module."""
    return findings_at((site for site in sites if not site.fans_out), path, RULE, _WHERE)
