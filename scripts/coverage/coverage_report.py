"""Adds up what scripts/coverage/coverage.sh measured: one table, pages to read, and what is not covered and not named.

    scripts/coverage/coverage_report.py build/coverage

Every function in which a line was never run, or a way out of a condition not taken, carries a marker (see coverage_gcov.py,
in Python `# pragma: no cover`), or is named in docs/coverage.md with the reason: in an item that begins with the end of the
file's path, as in ``- `ns_buf.c`: `ns_buf_grow` ...``. Other gaps are printed, and make the exit status 1.
"""

from __future__ import annotations

import html
import json
import re
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import coverage_gcov

ROOT = Path(__file__).resolve().parents[2]
NAMED = ROOT / "docs" / "coverage.md"

ITEM = re.compile(r"^- (`[^`]+\.(?:c|h|pyx|pxi|pxd|py)`.*?)(?=^- |^\n|^#|\Z)", re.MULTILINE | re.DOTALL)


@dataclass
class Row:
    """One line of the table: what ran of a language, or of one file."""

    name: str
    files: int = 0
    lines_run: int = 0
    lines: int = 0
    ways_taken: int = 0
    ways: int = 0

    def add(self, totals: tuple[int, int, int, int]) -> None:
        self.files += 1
        self.lines_run += totals[0]
        self.lines += totals[1]
        self.ways_taken += totals[2]
        self.ways += totals[3]

    def cells(self) -> list[str]:
        return [self.name, str(self.files), _share(self.lines_run, self.lines), _share(self.ways_taken, self.ways)]


def _share(part: int, whole: int) -> str:
    return f"{part} of {whole}, {100 * part / whole:.1f} %" if whole else "-"


Gap = tuple[str, int, str, str]
"""File, line, function, what is missing."""


def python_totals(report: dict[str, Any]) -> dict[str, tuple[int, int, int, int]]:
    totals = {}
    for path, file in sorted(report["files"].items()):
        s = file["summary"]
        totals[path] = (s["covered_lines"], s["num_statements"], s["covered_branches"], s["num_branches"])
    return totals


def python_gaps(report: dict[str, Any]) -> list[Gap]:
    gaps = []
    for path, file in sorted(report["files"].items()):
        for name, part in file["functions"].items():
            name = name or "module"
            gaps += [(path, line, name, "never run") for line in part["missing_lines"]]
            missed = [way for way in part.get("missing_branches", []) if way[0] not in part["missing_lines"]]
            gaps += [(path, way[0], name, f"never goes on to {_target(way[1])}") for way in missed]
    return sorted(gaps)


def _target(line: int) -> str:
    return f"line {line}" if line > 0 else "the end"


def named() -> dict[str, set[str]]:
    """The functions that docs/coverage.md names, by the end of the path of their file."""
    found: dict[str, set[str]] = defaultdict(set)
    for item in ITEM.findall(NAMED.read_text()) if NAMED.exists() else []:
        file, *functions = re.findall(r"`([^`]+)`", item)
        found[f"/{file}"] |= {name.removesuffix("()") for name in functions}
    return found


def is_named(gap: Gap, names: dict[str, set[str]]) -> bool:
    here = {name for end, functions in names.items() if f"/{gap[0]}".endswith(end) for name in functions}
    return gap[2] in here or gap[2].rpartition(".")[2] in here


def print_table(rows: list[list[str]]) -> None:
    rows = [["language", "files", "lines", "branches"], *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


STYLE = """<meta charset="utf-8"><style>body{font:15px sans-serif;margin:2em}pre{margin:0}
td{padding:0 1em 0 0;vertical-align:top}
.miss{background:#f9c9c9}.part{background:#fbeeb4}.n{color:#888;text-align:right}</style>
"""


def write_pages(out: Path, sources: dict[str, coverage_gcov.Source], languages: list[Row]) -> None:
    """An index, and one page for each source of C and Cython with its uncovered lines marked."""
    rows = ["<tr>" + "".join(f"<td>{cell}</td>" for cell in row.cells()) + "</tr>" for row in languages]
    rows.append('<tr><td colspan="4"><a href="python/index.html">Python, by file</a></td></tr>')
    (out / "c").mkdir(exist_ok=True)
    for path, source in sources.items():
        page = path.replace("/", "_") + ".html"
        row = Row(f'<a href="c/{page}">{path}</a>')
        row.add(source.totals())
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in row.cells()) + "</tr>")
        lines = "".join(_lines_of(source, out / "tree"))
        (out / "c" / page).write_text(f"{STYLE}<h1>{path}</h1><table>{lines}</table>\n")
    (out / "index.html").write_text(STYLE + f"<h1>Coverage</h1><table>{''.join(rows)}</table>\n")


def _lines_of(source: coverage_gcov.Source, tree: Path) -> list[str]:
    missing = {number: what for number, _, what in source.gaps()}
    made = []
    for number, text in enumerate((tree / source.path).read_text().splitlines(), 1):
        what = missing.get(number, "")
        mark = "" if not what else ' class="miss"' if what == "never run" else ' class="part"'
        count = source.lines[number].count if number in source.lines else ""
        made.append(
            f'<tr{mark} title="{what}"><td class="n">{number}</td><td class="n">{count}</td>'
            f"<td><pre>{html.escape(text)}</pre></td></tr>"
        )
    return made


def main(out: Path) -> int:
    tree = out / "tree"
    unit = coverage_gcov.read([tree / "csrc/build/coverage"], tree)
    sources = coverage_gcov.read([tree / "csrc/build/coverage", tree / "build"], tree)
    report = json.loads((out / "python.json").read_text())

    alone, both, cython, python = (
        Row("C, its own tests alone"),
        Row("C"),
        Row("Cython"),
        Row("Python"),
    )
    for source in unit.values():
        alone.add(source.totals())
    for source in sources.values():
        (cython if source.cython else both).add(source.totals())
    for totals in python_totals(report).values():
        python.add(totals)
    languages = [alone, both, cython, python]
    print_table([row.cells() for row in languages])

    gaps: list[Gap] = [(source.path, *gap) for source in sources.values() for gap in source.gaps()] + python_gaps(report)
    keys = ("file", "line", "function", "gap")
    (out / "gaps.json").write_text(json.dumps([dict(zip(keys, gap, strict=True)) for gap in gaps], indent=1))
    (out / "table.json").write_text(json.dumps([vars(row) for row in languages], indent=1))
    write_pages(out, sources, languages)
    names = named()
    unnamed = [gap for gap in gaps if not is_named(gap, names)]
    for path, line, function, what in unnamed:
        print(f"{path}:{line}: {function}: {what}, and not named in docs/coverage.md")
    print(f"coverage: {len(gaps)} gaps, {len(unnamed)} of them not named; pages in {out / 'index.html'}")
    return 1 if unnamed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
