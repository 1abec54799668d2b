"""The table and the JSON of ``nanospan audit``. Neither repeats a canary, only its name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from nanospan.cli.audit.canaries import KEEP
from nanospan.cli.audit.run import STANDARD_ERROR, Audit, Finding
from nanospan.cli.format import byte_size, plain

__all__ = ["as_json", "findings_table", "sentences"]


def findings_table(audit: Audit) -> Table:
    """A row for each canary and place."""
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("canary", "where it was found", "as"):
        table.add_column(name, overflow="fold")
    table.add_column("span", no_wrap=True, overflow="ellipsis", max_width=24)
    table.add_column("times", justify="right")
    for finding in audit.findings:
        place, span = Text(plain(finding.place)), Text(plain(finding.span))
        table.add_row(finding.canary, place, finding.form, span, str(finding.count), style=_style(finding))
    return table


def _style(finding: Finding) -> str:
    return "dim" if finding.place == STANDARD_ERROR else ""


def sentences(audit: Audit) -> Iterator[str]:
    """What was done, and what it comes to."""
    answers = ", ".join(f"{audit.statuses.count(status)} x {status}" for status in sorted(set(audit.statuses)))
    yield (
        f"{len(audit.statuses)} requests with {len(audit.canaries)} canaries (answers: {answers}); "
        f"{audit.spans} spans arrived in {audit.requests} exports, {byte_size(audit.wire_bytes)}."
    )
    leaked = {finding.canary for finding in audit.left}
    yield f"{len(leaked)} of {len(audit.canaries)} canaries left in telemetry."
    in_errors = {finding.canary for finding in audit.findings} - leaked
    if in_errors:
        yield f"{len(in_errors)} more are in what the application itself wrote to standard error, which is not redacted."
    if not audit.keep_arrived:
        yield f"{KEEP} did not arrive: the rules mask what is innocent, or the application's spans have no URL."


def as_json(audit: Audit) -> dict[str, Any]:
    return {
        "canaries": list(audit.canaries),
        "statuses": list(audit.statuses),
        "exports": audit.requests,
        "spans": audit.spans,
        "encodings": sorted(audit.encodings),
        "wire_bytes": audit.wire_bytes,
        "keep_arrived": audit.keep_arrived,
        "left": sorted({finding.canary for finding in audit.left}),
        "findings": [asdict(finding) for finding in audit.findings],
    }
