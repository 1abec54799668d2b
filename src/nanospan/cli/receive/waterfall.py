"""One trace as a waterfall: indented names, bars on a common time scale, durations and details."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, OverflowMethod, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from nanospan.cli.format import duration, plain
from nanospan.cli.receive.trace_tree import Node, Window, build_forest, end_of, fold, start_of, time_window, walk
from nanospan.receiver.decode import Link, Span

__all__ = ["DEFAULT_MAX_ROWS", "Waterfall"]

DEFAULT_MAX_ROWS = 60

KIND_STYLES = {
    "SERVER": "blue",
    "CLIENT": "cyan",
    "PRODUCER": "magenta",
    "CONSUMER": "magenta",
    "INTERNAL": "green",
}
ERROR_STYLE = "red"

# The most useful attributes, best first; shown without their keys.
TELLING_ATTRIBUTES = (
    "http.response.status_code",
    "http.status_code",
    "db.query.text",
    "db.statement",
    "messaging.destination.name",
    "rpc.method",
    "gen_ai.request.model",
    "url.path",
)
# Attributes about the place of the code; not shown.
SILENT_ATTRIBUTES = ("code.", "thread.", "process.")
MAX_DETAIL_CHARACTERS = 200
MAX_DETAIL_ATTRIBUTES = 3

# Links that get a line each, below their span.
MAX_LINKS_OF_A_ROW = 3
ID_CHARACTERS = 8

MAX_INDENT_CELLS = 16
DURATION_CELLS = 8


@dataclass(frozen=True, slots=True)
class _Glyphs:
    line: str
    right_half: str
    left_half: str
    instant: str
    before: str
    after: str
    branch: str
    last_branch: str
    trunk: str
    times: str
    micro: str
    ellipsis: str
    arrow: str


_UNICODE = _Glyphs("━", "╺", "╸", "╵", "◂", "▸", "├ ", "└ ", "│ ", "\N{MULTIPLICATION SIGN}", "µ", "…", "→")
_ASCII = _Glyphs("=", "=", "=", "|", "<", ">", "|-", "`-", "| ", "x", "u", "~", "->")


class Waterfall:
    """A rich renderable of the spans of one trace, with at most ``max_rows`` rows, and lines for links below these.

    Handles missing or circular parents, several roots, repeated spans, clock errors and spans without duration. ``spans``
    must not be empty (ValueError). ``other_trace`` gives the spans of another trace by its id, if there are any, for the
    names of linked spans.
    """

    def __init__(
        self,
        spans: Sequence[Span],
        max_rows: int = DEFAULT_MAX_ROWS,
        *,
        other_trace: Callable[[str], Sequence[Span]] = lambda trace_id: (),
    ) -> None:
        if not spans:
            raise ValueError("spans must not be empty")
        if max_rows < 1:
            raise ValueError(f"max_rows must be at least 1, not {max_rows}")
        distinct = {(span.span_id or index): span for index, span in enumerate(spans)}
        self._repeats = len(spans) - len(distinct)
        self._spans = list(distinct.values())
        self._window = time_window(self._spans)
        forest = build_forest(self._spans)
        self._main_root = max((root for root in forest), key=lambda root: (not root.orphan, root.end - root.start))
        self._orphans = sum(root.orphan for root in forest)
        self._roots, self._left_out = fold(forest, max_rows)
        self._traces: dict[str, Sequence[Span]] = {self._spans[0].trace_id: self._spans}
        self._other_trace = other_trace

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        glyphs = _ASCII if options.ascii_only else _UNICODE
        yield Group(self._title(glyphs), *self._body(options.max_width, glyphs), *self._notes())

    def _title(self, glyphs: _Glyphs) -> Text:
        root = self._main_root.spans[0]
        errors = sum(span.status == "ERROR" for span in self._spans)
        services = list(dict.fromkeys(plain(span.service) for span in self._spans))
        shown_services = ", ".join(services[:3]) + (f" and {len(services) - 3} more" if len(services) > 3 else "")
        title = Text("trace ", style="dim", overflow="fold")
        title.append(root.trace_id or "without id", style="not dim")
        title.append(f"  {shown_services}\n")
        title.append(plain(root.name) or "(no name)", style="not dim bold")
        title.append(f"  {_duration(end_of(root) - start_of(root), glyphs)}", style="not dim")
        title.append(f"  {len(self._spans):,} {_plural(len(self._spans), 'span')}", style="not dim")
        if errors:
            title.append(f"  {errors:,} {_plural(errors, 'error')}", style=f"not dim {ERROR_STYLE}")
        return title

    def _body(self, width: int, glyphs: _Glyphs) -> list[RenderableType]:
        # Name, bar and detail share what the duration and three gaps of one cell leave.
        free = max(24, width - DURATION_CELLS - 3)
        name_cells, bar_cells = free * 38 // 100, free * 32 // 100
        # rich's ellipsis is not ASCII.
        overflow: OverflowMethod = "crop" if glyphs is _ASCII else "ellipsis"

        def empty_table() -> Table:
            table = Table.grid(padding=(0, 1, 0, 0))
            table.add_column(width=name_cells, no_wrap=True, overflow=overflow)
            table.add_column(width=bar_cells, no_wrap=True, overflow="crop")
            table.add_column(width=DURATION_CELLS, no_wrap=True, overflow="crop", justify="right")
            table.add_column(width=max(4, free - name_cells - bar_cells), no_wrap=True, overflow=overflow)
            return table

        table = empty_table()
        table.add_row("", _scale(self._window, bar_cells, glyphs), "", "")
        parts: list[RenderableType] = [table]
        guides: list[str] = []
        for node, depth, is_last, parent in _rows(self._roots):
            del guides[max(0, depth - 1) :]
            guide = "".join(guides)
            if depth:
                guide += glyphs.last_branch if is_last else glyphs.branch
                guides.append("  " if is_last else glyphs.trunk)
            table.add_row(
                _name(node, guide, parent, glyphs),
                _bar(node, self._window, bar_cells, glyphs),
                Text(_duration(node.total_duration, glyphs), style=ERROR_STYLE if node.is_error else ""),
                _detail(node, self._window, glyphs),
            )
            if links := self._links(node, glyphs):
                # Across the columns: the rows after them are a table of the same widths.
                indent = "".join(guides) + (glyphs.trunk if node.children else "  ")
                indent = indent if len(indent) <= MAX_INDENT_CELLS else " " * MAX_INDENT_CELLS
                parts += (Text(indent + line, style="dim", no_wrap=True, overflow=overflow) for line in links)
                parts.append(table := empty_table())
        return parts

    def _links(self, node: Node, glyphs: _Glyphs) -> list[str]:
        """A line for each of the first links, and one for the others."""
        links = [link for span in node.spans for link in span.links]
        shown = links if len(links) <= MAX_LINKS_OF_A_ROW else links[: MAX_LINKS_OF_A_ROW - 1]
        lines = [f"{glyphs.arrow} link to {self._linked(link, glyphs)}" for link in shown]
        if rest := len(links) - len(shown):
            lines.append(f"{glyphs.arrow} {rest:,} more links")
        return lines

    def _linked(self, link: Link, glyphs: _Glyphs) -> str:
        if link.trace_id not in self._traces:
            self._traces[link.trace_id] = self._other_trace(link.trace_id)
        found = next((span for span in self._traces[link.trace_id] if span.span_id == link.span_id), None)
        name = _short(link.span_id, glyphs) if found is None else plain(found.name) or "(no name)"
        if link.trace_id == self._spans[0].trace_id:
            return name if found else f"span {name}"
        return f"{'' if found else 'span '}{name} in trace {_short(link.trace_id, glyphs)}"

    def _notes(self) -> list[Text]:
        backwards = sum(span.end_unix_nano < span.start_unix_nano for span in self._spans)
        outside = sum(end_of(span) < self._window.start or start_of(span) > self._window.end for span in self._spans)
        candidates = [
            (self._left_out, "more {spans} not shown"),
            (self._orphans, "{spans} (marked ?) whose parent is missing"),
            (outside, "{spans} off the scale of time: do the clocks agree?"),
            (backwards, "{spans} with an end before the start, shown without length"),
            (self._repeats, "{spans} repeated, shown once"),
        ]
        return [
            Text(f"  {number:,} " + template.format(spans=_plural(number, "span")), style="dim")
            for number, template in candidates
            if number
        ]


def _short(identifier: str, glyphs: _Glyphs) -> str:
    return identifier[:ID_CHARACTERS] + glyphs.ellipsis if identifier else "without id"


def _rows(roots: Sequence[Node]) -> list[tuple[Node, int, bool, Node | None]]:
    """Nodes in display order, with depth, whether they are the last sibling, and parent."""
    place: dict[int, tuple[bool, Node | None]] = {id(root): (True, None) for root in roots}
    rows: list[tuple[Node, int, bool, Node | None]] = []
    for node, depth in walk(roots):
        for child in node.children:
            place[id(child)] = (child is node.children[-1], node)
        rows.append((node, depth, *place[id(node)]))
    return rows


def _name(node: Node, guide: str, parent: Node | None, glyphs: _Glyphs) -> Text:
    span = node.spans[0]
    if len(guide) > MAX_INDENT_CELLS:
        # Very deep: show the level as a number, to leave room for the name.
        guide = f"{glyphs.ellipsis}{len(guide) // 2} ".rjust(MAX_INDENT_CELLS)
    text = Text(guide, style="dim")
    if node.orphan:
        text.append("? ", style="not dim yellow")
    if parent is not None and parent.spans[0].service != span.service:
        text.append(f"{plain(span.service)}: ", style="not dim italic")
    text.append(plain(span.name) or "(no name)", style=f"not dim {ERROR_STYLE}" if node.is_error else "not dim")
    if len(node.spans) > 1:
        text.append(f" {glyphs.times}{len(node.spans):,}", style="not dim bold")
    if node.hidden:
        text.append(f" +{node.hidden:,}", style="dim")
    return text


def _bar(node: Node, window: Window, cells: int, glyphs: _Glyphs) -> Text:
    style = ERROR_STYLE if node.is_error else KIND_STYLES.get(node.spans[0].kind, "green")
    if node.end < window.start:
        return Text(glyphs.before, style=style)
    if node.start > window.end:
        return Text(" " * (cells - 1) + glyphs.after, style=style)
    # Half cells: the half-line glyphs double the resolution.
    halves = 2 * cells
    length = window.end - window.start
    first = max(0, math.floor((node.start - window.start) * halves / length))
    last = min(halves, math.ceil((node.end - window.start) * halves / length))
    if node.end == node.start:
        return Text(" " * min(first // 2, cells - 1) + glyphs.instant, style=style)
    first = min(first, halves - 1)
    last = max(last, first + 1)
    bar = " " * (first // 2)
    if first % 2:
        bar += glyphs.right_half
        first += 1
    bar += glyphs.line * ((last - first) // 2)
    if last > first and (last - first) % 2:
        bar += glyphs.left_half
    return Text(bar, style=style)


def _detail(node: Node, window: Window, glyphs: _Glyphs) -> Text:
    span = node.spans[0]
    if not node.end:
        return Text("without times", style="yellow")
    if node.end < window.start:
        return Text(f"{_duration(window.start - node.end, glyphs)} before", style="yellow")
    if node.start > window.end:
        return Text(f"{_duration(node.start - window.end, glyphs)} after", style="yellow")
    if node.is_error:
        return Text(_error_message(next(span for span in node.spans if span.status == "ERROR")), style=ERROR_STYLE)
    if len(node.spans) > 1:
        longest = max(end_of(span) - start_of(span) for span in node.spans)
        return Text(f"longest {_duration(longest, glyphs)}", style="dim")
    return Text(_attributes(span), style="dim")


def _error_message(span: Span) -> str:
    message = span.status_message
    if not message:
        exception = next((event for event in span.events if event.name == "exception"), None)
        found = {} if exception is None else exception.attributes
        message = str(found.get("exception.message") or found.get("exception.type") or "error")
    return plain(message[:MAX_DETAIL_CHARACTERS])


def _attributes(span: Span) -> str:
    parts = [str(span.attributes[key]) for key in TELLING_ATTRIBUTES if key in span.attributes]
    parts += [
        f"{key.rpartition('.')[2]}={value}"
        for key, value in span.attributes.items()
        if key not in TELLING_ATTRIBUTES and not key.startswith(SILENT_ATTRIBUTES)
    ]
    return plain(" ".join(part[:MAX_DETAIL_CHARACTERS] for part in parts[:MAX_DETAIL_ATTRIBUTES]))


def _scale(window: Window, cells: int, glyphs: _Glyphs) -> Text:
    end = _duration(window.end - window.start, glyphs)
    return Text("0" + end.rjust(cells - 1), style="dim")


def _duration(nanoseconds: int, glyphs: _Glyphs) -> str:
    return duration(nanoseconds).replace("µ", glyphs.micro)


def _plural(number: int, noun: str) -> str:
    return noun if number == 1 else f"{noun}s"
