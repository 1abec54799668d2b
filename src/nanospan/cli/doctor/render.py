"""A report for a terminal: the verdict, what to do about each finding, and the facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from nanospan._doctor.report import Level, Report
from nanospan.cli.format import plain

__all__ = ["show"]

_STYLES = {Level.ERROR: "bold red", Level.WARNING: "bold yellow", Level.NOTE: "bold cyan"}


def show(console: Console, report: Report, origin: str) -> None:
    """Print ``report``; ``origin`` says where the provider comes from."""
    for index, line in enumerate(report.verdict):
        style = ("bold green" if report.ok else "bold red") if index == 0 else ""
        console.print(Text(plain(line), style=style), soft_wrap=True)
    for finding in report.findings:
        console.print()
        head = Text(f"{finding.level} ", style=_STYLES[finding.level])
        console.print(head + Text(f"{finding.about}: {plain(finding.says)}", style=""), soft_wrap=True)
        console.print(Padding(Text(plain(finding.do)), (0, 0, 0, 2)))
    if report.process:
        _section(console, "Process", report.process)
    _section(console, f"Provider, {origin}", report.provider)
    for one in report.processors:
        _section(console, "Processor", _flat(one))
    _section(console, "Environment", {one["name"]: one["value"] for one in report.environment})
    _section(console, "Versions", report.versions)


def _flat(processor: Mapping[str, Any]) -> dict[str, Any]:
    facts = {key: value for key, value in processor.items() if value not in (None, [], {})}
    if answer := facts.get("answer"):
        facts["answer"] = answer["text"]
    if stats := facts.pop("stats", None):
        facts["spans"] = ", ".join(f"{stats[key]} {key}" for key in ("ended", "exported", "queued", "held", "rejected"))
        facts["dropped"] = ", ".join(f"{count} {reason}" for reason, count in stats["dropped"].items() if count) or "none"
    return facts


def _section(console: Console, title: str, facts: Mapping[str, Any]) -> None:
    console.print()
    console.print(Text(title, style="bold"), soft_wrap=True)
    if not facts:
        console.print("  nothing")
    for name, value in facts.items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        console.print(Text(f"  {name}  {plain(text)}"), soft_wrap=True)
