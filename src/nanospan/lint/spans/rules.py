"""The rules L1 to L5 together."""

from __future__ import annotations

import ast
from collections.abc import Collection, Sequence

from nanospan.lint.reading.module import Module
from nanospan.lint.reading.sites import find_sites
from nanospan.lint.reading.tracing import Tracing
from nanospan.lint.report import Finding
from nanospan.lint.spans import endings, events, fan_out, in_loop, names

__all__ = ["RULES", "check_spans"]

RULES = {
    in_loop.RULE: "span in a loop",
    fan_out.RULE: "spans of a fan-out that grows with the input",
    names.RULE: "unbounded names of spans",
    endings.RULE: "span that does not end on every path",
    events.RULE: "unbounded events or attributes in a loop",
}
"""By identifier what each rule finds."""

_TOLD_BY = ("start_span", "start_as_current_span", "add_event", "set_attribute")


def check_spans(tree: ast.Module, path: str, lines: Sequence[str], rules: Collection[str] = tuple(RULES)) -> list[Finding]:
    """The findings of ``rules`` in the module ``tree``, whose source is ``lines``, in the order of the lines.

    Raises RecursionError for code that is nested deeper than Python's limit on recursion lets it be read.
    """
    if not any(word in line for line in lines for word in _TOLD_BY):
        return []
    module = Module(tree, lines)
    tracing = Tracing(module)
    sites = list(find_sites(module, tracing))
    found = {
        *in_loop.check(sites, path),
        *fan_out.check(sites, path),
        *names.check(module, tracing, path),
        *endings.check(module, tracing, path),
        *events.check(module, tracing, path),
    }
    return sorted((one for one in found if one.rule in rules), key=lambda one: (one.line, one.column, one.rule))
