"""The spans of one trace as a forest, with missing parents handled and similar siblings folded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from nanospan.receiver.decode import Span

__all__ = ["Node", "Window", "build_forest", "count_nodes", "fold", "time_window", "walk"]

# Minimum number of similar siblings that are folded into one row.
MIN_FOLDED = 3

# A span further away than this multiple of the longest span counts as a clock error.
REACH_IN_LONGEST_SPANS = 5


@dataclass(slots=True, eq=False)
class Node:
    """One row: a span, or several similar siblings folded into one."""

    spans: list[Span]
    children: list[Node] = field(default_factory=list)
    orphan: bool = False
    """Whether the parent did not arrive, or is part of a cycle."""
    hidden: int = 0
    """Number of descendant spans that `fold` removed from ``children``."""

    @property
    def start(self) -> int:
        return min(start_of(span) for span in self.spans)

    @property
    def end(self) -> int:
        return max(end_of(span) for span in self.spans)

    @property
    def total_duration(self) -> int:
        return sum(end_of(span) - start_of(span) for span in self.spans)

    @property
    def is_error(self) -> bool:
        return any(span.status == "ERROR" for span in self.spans)


class Window(NamedTuple):
    """The time range of the bars, in nanoseconds since the epoch; ``end > start``."""

    start: int
    end: int


def start_of(span: Span) -> int:
    """The span's start; a span without one starts where it ends."""
    return span.start_unix_nano or span.end_unix_nano


def end_of(span: Span) -> int:
    """The span's end, never before its start."""
    return max(start_of(span), span.end_unix_nano)


def build_forest(spans: Iterable[Span]) -> list[Node]:
    """The roots; roots and children are sorted by start. Each span appears exactly once."""
    nodes = [Node([span]) for span in spans]
    by_id = {node.spans[0].span_id: node for node in nodes}
    roots: list[Node] = []
    for node in nodes:
        parent_id = node.spans[0].parent_span_id
        parent = by_id.get(parent_id) if parent_id else None
        if parent is None or parent is node:
            node.orphan = bool(parent_id)
            roots.append(node)
        else:
            parent.children.append(node)
    _break_cycles(nodes, by_id, roots)
    for node in nodes:
        node.children.sort(key=_by_start)
    roots.sort(key=_by_start)
    return roots


def walk(roots: Sequence[Node]) -> Iterator[tuple[Node, int]]:
    """Every node with its depth, parents before children, without recursion: traces can be thousands deep."""
    stack = [(root, 0) for root in reversed(roots)]
    while stack:
        node, depth = stack.pop()
        yield node, depth
        stack.extend((child, depth + 1) for child in reversed(node.children))


def count_nodes(roots: Sequence[Node]) -> int:
    return sum(1 for _ in walk(roots))


def fold(roots: list[Node], max_rows: int) -> tuple[list[Node], int]:
    """At most ``max_rows`` nodes: fold similar siblings, then drop the deepest and latest nodes.

    Returns the remaining roots and the number of spans below dropped roots. ``hidden`` of a remaining node counts the
    dropped spans below it. A forest that fits is returned unchanged.
    """
    if count_nodes(roots) <= max_rows:
        return roots, 0
    roots = _fold_siblings(roots)
    # Level by level, so that the deepest nodes are dropped.
    chosen = {id(node) for node in _by_level(roots, max_rows)}
    spans_below = _spans_below(roots)
    for node, _ in list(walk(roots)):
        if id(node) in chosen:
            node.hidden = sum(spans_below[id(child)] for child in node.children if id(child) not in chosen)
            node.children = [child for child in node.children if id(child) in chosen]
    left_out = sum(spans_below[id(root)] for root in roots if id(root) not in chosen)
    return [root for root in roots if id(root) in chosen], left_out


def time_window(spans: Sequence[Span]) -> Window:
    """From the first start to the last end, without spans that are too far away (a clock error)."""
    longest = max(spans, key=lambda span: end_of(span) - start_of(span))
    reach = REACH_IN_LONGEST_SPANS * max(1000, end_of(longest) - start_of(longest))
    earliest, latest = start_of(longest) - reach, end_of(longest) + reach
    near = [span for span in spans if start_of(span) >= earliest and end_of(span) <= latest]
    start = min(start_of(span) for span in near)
    return Window(start, max(start + 1, max(end_of(span) for span in near)))


def _by_start(node: Node) -> int:
    return node.start


def _break_cycles(nodes: list[Node], by_id: dict[str, Node], roots: list[Node]) -> None:
    reached = {id(node) for node, _ in walk(roots)}
    for node in sorted(nodes, key=_by_start):
        if id(node) in reached:
            continue
        by_id[node.spans[0].parent_span_id].children.remove(node)
        node.orphan = True
        roots.append(node)
        reached.update(id(below) for below, _ in walk([node]))


def _fold_siblings(roots: list[Node]) -> list[Node]:
    folded_roots = _fold_alike(roots)
    stack = list(folded_roots)
    while stack:
        node = stack.pop()
        node.children = _fold_alike(node.children)
        stack.extend(node.children)
    return folded_roots


def _fold_alike(siblings: list[Node]) -> list[Node]:
    groups: dict[tuple[object, ...], list[Node]] = {}
    for node in siblings:
        span = node.spans[0]
        # Errors are not folded with successes.
        groups.setdefault((span.name, span.service, span.kind, node.is_error, node.orphan), []).append(node)
    result: list[Node] = []
    for group in groups.values():
        if len(group) < MIN_FOLDED:
            result.extend(group)
            continue
        result.append(
            Node(
                spans=[span for node in group for span in node.spans],
                children=[child for node in group for child in node.children],
                orphan=group[0].orphan,
            )
        )
    result.sort(key=_by_start)
    return result


def _by_level(roots: Sequence[Node], limit: int) -> Iterator[Node]:
    level = list(roots)
    taken = 0
    while level:
        for node in level:
            if taken == limit:
                return
            taken += 1
            yield node
        level = [child for node in level for child in node.children]


def _spans_below(roots: Sequence[Node]) -> dict[int, int]:
    """By node id, the spans of a node and of everything under it."""
    totals: dict[int, int] = {}
    for node, _ in reversed(list(walk(roots))):
        totals[id(node)] = len(node.spans) + sum(totals[id(child)] for child in node.children)
    return totals
