"""Writes the table of the section "Packages" of docs/compatibility.md from the rows of a run of the suite.

NANOSPAN_PACKAGES_TABLE=rows pytest tests/ecosystem/test_packages.py; python scripts/compatibility/packages.py rows
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[2] / "docs" / "compatibility.md"
BEGIN, END = "<!-- packages: begin -->\n", "<!-- packages: end -->\n"
HEAD = """\
| package | run with | spans equal to the SDK's | thousand instructions a span: SDK, nanospan |
|---|---|---|---|
"""


def line(row: dict[str, Any]) -> str:
    versions = dict(row["versions"])
    sdk = versions.pop("opentelemetry-sdk")
    shown = ", ".join([*(f"{name} {version}" for name, version in versions.items()), f"SDK {sdk}"])
    if note := row.get("note"):
        return f"| {row['name']} | {shown} | not run: {note} | |\n"
    counts = row["instructions"]
    counted = ", ".join(f"{count / 1000:,.0f}" for count in counts) if all(counts) else "not counted"
    return f"| {row['name']} | {shown} | {row['equal']} of {row['spans']} | {counted} |\n"


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    rows: dict[str, dict[str, Any]] = {}
    for row in map(json.loads, Path(sys.argv[1]).read_text().splitlines()):  # to which each run appends
        rows[row["name"]] = rows.get(row["name"], {}) | row
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        sys.exit(f"{PAGE} lacks the lines {BEGIN.strip()} and {END.strip()}")
    PAGE.write_text(before + BEGIN + HEAD + "".join(line(rows[name]) for name in sorted(rows)) + END + after)


if __name__ == "__main__":
    main()
