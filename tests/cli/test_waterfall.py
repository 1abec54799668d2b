"""Waterfalls of the traces that really occur: incomplete, circular, skewed, huge, hostile."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest

pytest.importorskip("rich", reason="rich is not installed")

from rich.cells import cell_len
from rich.console import Console

from nanospan.cli.format import byte_size, count, duration, plain
from nanospan.cli.receive.trace_tree import build_forest, count_nodes, fold, time_window, walk
from nanospan.cli.receive.waterfall import Waterfall
from nanospan.receiver.decode import Event, Link, Span

EPOCH = 1_700_000_000_000_000_000
MS = 1_000_000
BAR = re.compile("[━╸╺╵◂▸]")


def span(span_id: object, parent: object = "", start: float = 0, length: float = 1, **fields: Any) -> Span:
    """``start`` after `EPOCH` and ``length`` in milliseconds."""
    started = EPOCH + round(start * MS)
    defaults: dict[str, Any] = {
        "trace_id": "ab" * 16,
        "span_id": str(span_id),
        "parent_span_id": str(parent),
        "name": f"span {span_id}",
        "kind": "INTERNAL",
        "start_unix_nano": started,
        "end_unix_nano": started + round(length * MS),
        "status": "UNSET",
        "status_message": "",
        "attributes": {},
        "service": "shop",
    }
    return Span(**(defaults | fields))


def lines(*spans: Span, width: int = 80, encoding: str = "utf-8", **options: Any) -> list[str]:
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding=encoding)
    Console(file=file, width=width, color_system=None, legacy_windows=False).print(Waterfall(spans, **options))
    file.flush()
    printed = [line.rstrip() for line in raw.getvalue().decode(encoding).splitlines()]
    assert all(cell_len(line) <= width for line in printed)
    return printed


def row(printed: list[str], text: str) -> str:
    (found,) = [line for line in printed if text in line]
    return found


def bar_columns(line: str) -> tuple[int, int]:
    places = [match.start() for match in BAR.finditer(line)]
    return places[0], places[-1]


class TestRows:
    def test_children_stand_below_their_parent_in_order_of_start(self):
        printed = lines(span("c", "r", 6, 2), span("b1", "b", 2, 1), span("r", start=0, length=10), span("b", "r", 1, 4))
        names = [line.split("  ")[0].rstrip() for line in printed[3:]]
        assert names == ["span r", "├ span b", "│ └ span b1", "└ span c"]

    def test_title(self):
        printed = lines(span("r", length=12.3, name="GET /"), span("e", "r", service="cart", status="ERROR"), width=100)
        assert "ab" * 16 in printed[0]
        assert "shop, cart" in printed[0]
        assert printed[1].split("  ") == ["GET /", "12.3 ms", "2 spans", "1 error"]

    def test_bars_share_one_scale(self):
        printed = lines(span("r", length=10), span("a", "r", 0, 5), span("b", "r", 5, 5))
        whole, first, second = (bar_columns(row(printed, name)) for name in ("━  10.0 ms", "span a", "span b"))
        assert first[0] == whole[0]
        assert second[1] == whole[1]
        assert second[0] == first[1] + 1
        assert abs((first[1] - first[0]) - (second[1] - second[0])) <= 1

    def test_a_short_span_still_shows(self):
        printed = lines(span("r", length=1000), span("s", "r", 999.9999, 0.0001))
        assert bar_columns(row(printed, "span s"))[0] == bar_columns(printed[3])[1]

    def test_a_span_of_no_length(self):
        assert "╵" in row(lines(span("r", length=10), span("z", "r", 5, 0)), "span z")
        (only,) = [line for line in lines(span("r", length=0)) if "╵" in line]
        assert "0 ns" in only

    def test_another_service_is_named(self):
        printed = lines(span("r"), span("x", "r", service="cart"), span("y", "x", service="cart"))
        assert "cart: span x" in "\n".join(printed)
        assert "cart: span y" not in "\n".join(printed)

    def test_errors_say_what_went_wrong(self):
        exception = Event("exception", 0, {"exception.message": "boom", "exception.type": "ValueError"})
        printed = lines(
            span("r", status="ERROR", status_message="gone"),
            span("x", "r", status="ERROR", events=(exception,)),
            span("y", "r", status="ERROR"),
        )
        assert printed[3].endswith("gone")
        assert row(printed, "span x").endswith("boom")
        assert row(printed, "span y").endswith("error")

    def test_a_few_attributes_the_telling_ones_first(self):
        attributes = {
            "code.function.name": "f",
            "a.b.items": 4,
            "db.query.text": "SELECT 1",
            "x": [1],
            "y": None,
        }
        assert row(lines(span("r", attributes=attributes), width=120), "items").endswith("SELECT 1 items=4 x=[1]")

    def test_names_cannot_steer_the_terminal(self):
        printed = "\n".join(
            lines(
                span("r", name="\x1b[2Jevil\r\n[bold]x", service="s\x07"),
                span("c", "r", attributes={"k": "\x1b]0;title\x07"}),
                span("d", "r", status="ERROR", status_message="\x9b31m"),
                width=120,
            )
        )
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", printed)
        assert "[bold]x" in printed

    def test_wide_characters_and_long_names_fit(self):
        lines(span("r", name="注文" * 40), span("c", "r", name="n" * 500, attributes={"k": "値" * 300}))

    @pytest.mark.parametrize("width", [20, 40, 79, 80, 81, 200])
    def test_any_width(self, width):
        raw = io.StringIO()
        Console(file=raw, width=width, color_system=None).print(Waterfall([span("r"), span("c", "r")]))
        assert ("span c" if width >= 40 else "sp") in raw.getvalue()

    def test_a_terminal_without_unicode(self):
        spans = [
            span("r", length=0.005),
            span("c", "r", 0.001, 0.001),
            span("d", "r", 0, 0.001, name="n" * 200),
        ]
        printed = lines(*spans, encoding="ascii")
        assert row(printed, "`-span c").count("=") > 1
        assert "5.00 us" in printed[3]

    def test_no_spans_are_refused(self):
        with pytest.raises(ValueError, match="spans"):
            Waterfall([])


class TestBrokenTraces:
    def test_a_missing_parent(self):
        printed = lines(span("r", length=5), span("lost", "nowhere", 1), span("below", "lost", 1))
        assert row(printed, "span lost").startswith("? span lost")
        assert row(printed, "span below").startswith("└ span below")
        assert "1 span (marked ?) whose parent is missing" in printed[-1]
        assert printed[1].startswith("span r")

    def test_several_roots(self):
        printed = lines(span("a", length=2), span("b", start=3, length=5))
        assert [line.split("  ")[0] for line in printed[3:]] == ["span a", "span b"]
        assert printed[1].startswith("span b")

    @pytest.mark.parametrize(
        "spans",
        [
            [span("a", "a")],
            [span("a", "b"), span("b", "a", 1)],
            [span("r"), span("a", "c"), span("b", "a", 1), span("c", "b", 2), span("below", "b")],
        ],
    )
    def test_circles_show_every_span_once(self, spans):
        shown = [node.spans[0].span_id for node, _ in walk(build_forest(spans))]
        assert sorted(shown) == sorted(one.span_id for one in spans)
        assert "? span a" in "\n".join(lines(*spans))

    def test_a_repeated_span_is_shown_once(self):
        printed = lines(span("r"), span("c", "r"), span("c", "r"))
        assert row(printed, "span c")
        assert "1 span repeated, shown once" in printed[-1]

    def test_spans_without_ids(self):
        printed = lines(span("", name="one"), span("", name="two"))
        assert row(printed[3:], "one")
        assert row(printed[3:], "two")

    @pytest.mark.parametrize(("shift", "sign", "words"), [(-3_600_000, "◂", "before"), (3_600_000, "▸", "after")])
    def test_a_clock_that_is_an_hour_off(self, shift, sign, words):
        printed = lines(span("r", length=10), span("c", "r", 2, 5), span("skewed", "r", shift, 5))
        skewed = row(printed, "span skewed")
        assert sign in skewed
        assert words in skewed
        assert "1h 00m" in skewed or "59m" in skewed
        # The others keep the whole scale.
        assert bar_columns(printed[3])[1] - bar_columns(printed[3])[0] > 15
        assert "1 span off the scale of time" in printed[-1]

    def test_a_clock_that_is_a_little_off_stays_on_the_scale(self):
        printed = lines(span("r", length=10), span("early", "r", -5, 8))
        early, root = bar_columns(row(printed, "span early")), bar_columns(printed[3])
        assert early[0] < root[0]
        assert not any("scale" in line for line in printed)

    def test_spans_that_only_touch_the_scale(self):
        printed = lines(
            span("r", length=10),
            span("first", "r", -50, 10),
            span("before", "r", -60, 10),
            span("last", "r", 50, 10),
            span("after", "r", 60, 10),
        )
        first, last = bar_columns(row(printed, "span first"))[0], bar_columns(row(printed, "span last"))[1]
        assert bar_columns(row(printed, "span before")) == (first, first)
        assert bar_columns(row(printed, "span after")) == (last, last)

    def test_an_end_before_the_start(self):
        printed = lines(span("r", length=10), span("back", "r", 5, -3))
        assert "0 ns" in row(printed, "span back")
        assert "1 span with an end before the start" in printed[-1]

    def test_times_that_are_missing_do_not_stretch_the_scale(self):
        printed = lines(
            span("r", length=10),
            span("half", "r", start_unix_nano=0),
            span("none", "r", start_unix_nano=0, end_unix_nano=0),
        )
        assert printed[2].split() == ["0", "10.0", "ms"]
        assert "╵" in row(printed, "span half")
        assert row(printed, "span none").endswith("without times")


class TestFolding:
    def test_alike_siblings_become_one_row(self):
        spans = [span("r", length=100)] + [span(n, "r", n, 1, name="query") for n in range(90)]
        spans += [span("bad", "r", 95, 1, name="query", status="ERROR", status_message="lost")]
        printed = lines(*spans, max_rows=20)
        assert "\N{MULTIPLICATION SIGN}90" in row(printed, "longest 1.00 ms")
        assert "90.0 ms" in row(printed, "longest 1.00 ms")
        assert row(printed, "lost").startswith("└ query")

    def test_a_trace_that_fits_is_not_folded(self):
        spans = [span("r")] + [span(n, "r", name="query") for n in range(9)]
        assert "\N{MULTIPLICATION SIGN}" not in "\n".join(lines(*spans, max_rows=10))

    def test_what_folded_siblings_have_below_is_folded_too(self):
        spans = [span("r", length=100)]
        for n in range(50):
            spans += [span(f"p{n}", "r", n, name="page"), span(f"q{n}", f"p{n}", n, name="query")]
        printed = lines(*spans, max_rows=10)
        assert "\N{MULTIPLICATION SIGN}50" in row(printed, "└ page")
        assert "\N{MULTIPLICATION SIGN}50" in row(printed, "└ query")

    @pytest.mark.parametrize("max_rows", [1, 7, 60])
    @pytest.mark.parametrize("shape", ["flat", "chain", "roots", "bush"])
    def test_thousands_of_spans_fit_and_none_is_forgotten(self, shape, max_rows):
        total = 3000
        parents = {
            "flat": lambda n: 0 if n else "",
            "chain": lambda n: n - 1 if n else "",
            "roots": lambda n: "",
            "bush": lambda n: (n - 1) // 3 if n else "",
        }[shape]
        spans = [span(n, parents(n), n, 1) for n in range(total)]
        roots, left_out = fold(build_forest(spans), max_rows)
        assert count_nodes(roots) <= max_rows
        assert sum(len(node.spans) + node.hidden for node, _ in walk(roots)) + left_out == total
        lines(*spans, max_rows=max_rows)

    def test_very_deep_levels_leave_room_for_the_name(self):
        spans = [span(n, n - 1 if n else "", n * 0.01, 1 - n * 0.01) for n in range(50)]
        assert "49 span 49" in row(lines(*spans), "span 49")


def test_the_window_leaves_out_only_what_is_far_away():
    near = [span("r", length=10), span("a", "r", -20, 1), span("b", "r", 40, 1)]
    assert time_window(near) == (EPOCH - 20 * MS, EPOCH + 41 * MS)
    assert time_window([*near, span("far", "r", 1000, 1)]) == time_window(near)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (999.6, "1.00 µs"),
        (12_340, "12.3 µs"),
        (999_499, "999 µs"),
        (999_501, "1.00 ms"),
        (4_560_000, "4.56 ms"),
        (1.2e9, "1.20 s"),
        (99.9e9, "99.9 s"),
        (125e9, "2m 05s"),
        (3600e9, "1h 00m"),
        (-1500, "-1.50 µs"),
    ],
)
def test_durations(nanoseconds, text):
    assert duration(nanoseconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.00 KiB"), (50 << 20, "50.0 MiB"), (5 << 40, "5120 GiB")],
)
def test_sizes(size, text):
    assert byte_size(size) == text


def test_counts_and_plain_text():
    assert count(1234567) == "1,234,567"
    assert plain("a\tb\x1bé") == "a\ufffdb\ufffdé"


class TestLinks:
    SENT = "cd" * 16

    def printed(self, *links: Link, **options: Any) -> list[str]:
        spans = [span("r"), span("c", "r", links=links), span("d", "c"), span("e", "r")]
        others = {self.SENT: [span("s", trace_id=self.SENT, name="send orders")]}
        return lines(*spans, other_trace=lambda trace_id: others.get(trace_id, []), **options)

    @pytest.mark.parametrize(
        ("link", "text"),
        [
            (Link(SENT, "s", {}), "link to send orders in trace cdcdcdcd…"),
            (Link(SENT, "0123456789abcdef", {}), "link to span 01234567… in trace cdcdcdcd…"),
            (Link("ef" * 16, "s", {}), "link to span s… in trace efefefef…"),
            (Link("ab" * 16, "e", {}), "link to span e"),
            (Link("ab" * 16, "nothing", {}), "link to span nothing…"),
            (Link("", "", {}), "link to span without id in trace without id"),
        ],
    )
    def test_a_link_is_a_line_below_its_span(self, link: Link, text: str) -> None:
        printed = self.printed(link)
        at = printed.index(row(printed, "├ span c"))
        assert printed[at + 1] == f"│ │ → {text}"
        assert printed[at + 2].startswith("│ └ span d")
        # The rows below stand in the same columns.
        assert bar_columns(printed[at + 2]) == bar_columns(row(lines(span("r"), span("c", "r")), "span c"))

    def test_many_links_are_counted(self) -> None:
        printed = self.printed(*(Link(self.SENT, "s", {}) for _ in range(128)))
        assert sum("→ link to send orders" in line for line in printed) == 2
        assert row(printed, "→ 126 more links")

    def test_ascii(self) -> None:
        printed = self.printed(Link(self.SENT, "s", {}), encoding="ascii")
        assert row(printed, "-> link to send orders in trace cdcdcdcd~")

    def test_the_name_of_a_linked_span_is_made_plain(self) -> None:
        spans = [span("r", links=(Link(self.SENT, "s", {}),))]
        printed = lines(*spans, other_trace=lambda _: [span("s", name="send \x1b[31m" + "orders" * 99)])
        assert "\x1b" not in row(printed, "link to send")
