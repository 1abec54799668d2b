"""Draws what web_service.py has measured as an SVG file, from its JSON file.

python benchmarks/web/web_chart.py RESULTS.json CHART.svg
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.sax.saxutils import escape

SHOWN = ("api", "stock", "fastotel", "nanospan", "nanospan_5")
"""From top to bottom; what was not measured is left out."""

_WIDTH = 860
_ROW = 34
_BAR = 18
_TOP = 84
_LABEL_END = 210
_PANEL = 250
_PANELS_X = (220, 550)
_VALUE_ROOM = 74
_STYLE = (
    "text{font:13px system-ui,-apple-system,Segoe UI,sans-serif;fill:#1f2328}"
    ".small{font-size:12px;fill:#59636e}.title{font-size:15px;font-weight:600}.head{font-weight:600}"
    ".bar{fill:#9aa4af}.ours{fill:#1a7f37}.frame{fill:#fff}.axis{stroke:#d1d9e0}"
    "@media (prefers-color-scheme:dark){text{fill:#e6edf3}.small{fill:#9198a1}.bar{fill:#6e7681}.ours{fill:#3fb950}"
    ".frame{fill:#0d1117}.axis{stroke:#3d444d}}"
)


def write_chart(record: dict, path: Path) -> None:
    """Two panels, CPU a request above no tracing and throughput kept, one bar a variant."""
    by_variant = {row["variant"]: row for row in record["rows"]}
    rows = [by_variant[variant] for variant in SHOWN if variant in by_variant]
    height = _TOP + _ROW * len(rows) + 34
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="Cost of tracing a web service">',
        f"<style>{_STYLE}</style>",
        f'<rect class="frame" width="{_WIDTH}" height="{height}" rx="8"/>',
        _text(20, 30, "A web service with 2 ms of work and 30 spans of 5 attributes a request, on one core", "title"),
        *_panel(0, "CPU a request above no tracing, µs", rows, "cpu_us", max(row["cpu_us"] for row in rows)),
        *_panel(1, "throughput kept, %", rows, "throughput_percent", 100.0),
    ]
    for number, row in enumerate(rows):
        parts.append(_text(_LABEL_END, _middle(number), row["title"], "", "end"))
    versions = f"CPython {record['python']}, opentelemetry-sdk {record['opentelemetry_sdk']}; medians of interleaved rounds"
    parts += [_text(20, height - 14, versions, "small"), "</svg>"]
    path.write_text("\n".join(parts) + "\n")


def _panel(number: int, title: str, rows: list[dict], key: str, full: float) -> list[str]:
    left = _PANELS_X[number]
    parts = [_text(left, _TOP - 16, title, "head")]
    bottom = _TOP + _ROW * len(rows)
    parts.append(f'<line class="axis" x1="{left}" y1="{_TOP - 6}" x2="{left}" y2="{bottom}"/>')
    for index, row in enumerate(rows):
        value = row[key]
        length = max(1.0, (_PANEL - _VALUE_ROOM) * max(0.0, value) / max(full, 1e-9)) + 0.0
        kind = "bar ours" if row["variant"].startswith("nanospan") else "bar"
        top = _TOP + _ROW * index + (_ROW - _BAR) / 2 - 4
        parts.append(f'<rect class="{kind}" x="{left}" y="{top:.1f}" width="{length:.1f}" height="{_BAR}" rx="2"/>')
        shown = f"{value:,.0f}" if abs(value) >= 10 else f"{value:.1f}"
        parts.append(_text(left + length + 8, _middle(index), shown, ""))
    return parts


def _middle(index: int) -> float:
    return _TOP + _ROW * index + _ROW / 2


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


if __name__ == "__main__":
    source, target = sys.argv[1:]
    write_chart(json.loads(Path(source).read_text()), Path(target))
