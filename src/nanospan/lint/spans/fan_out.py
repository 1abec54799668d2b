"""Rule L2: a span for each of the tasks or calls to which work is fanned out, as many as there is input."""

from __future__ import annotations

from collections.abc import Iterator

from nanospan.lint.reading.sites import Site
from nanospan.lint.report import Finding
from nanospan.lint.spans.per_turn import findings_at

__all__ = ["RULE", "check"]

RULE = "L2"
_WHERE = (
    "in each of the tasks of line {line}, whose number grows with the input: start one span around all of them, set counts "
    "as its attributes, and add events for the few that matter"
)


def check(sites: list[Site], path: str) -> Iterator[Finding]:
    """The findings in the ``sites`` of a module."""
    return findings_at((site for site in sites if site.fans_out), path, RULE, _WHERE)
