"""What an examination found: facts, findings, and a verdict of three lines."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Finding", "Level", "Report", "worst_first"]


class Level(enum.StrEnum):
    """How much a finding matters; ordered from the worst."""

    ERROR = "error"
    """Spans are lost, or are not sent."""
    WARNING = "warning"
    """Something to do."""
    NOTE = "note"
    """Something to know."""


_ORDER = list(Level)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found, and what to do about it."""

    level: Level
    about: str
    """The part that it is about: ``provider``, ``sampler``, ``processor``, ``endpoint``, ``queue``, ``environment``,
    ``versions``, ``process``."""
    says: str
    do: str


@dataclass(frozen=True, slots=True)
class Report:
    """The result of `nanospan.doctor`. Its text begins with the verdict, in three lines."""

    provider: Mapping[str, Any]
    processors: Sequence[Mapping[str, Any]]
    environment: Sequence[Mapping[str, Any]]
    versions: Mapping[str, str]
    findings: Sequence[Finding]
    """The worst first."""
    process: Mapping[str, Any] = field(default_factory=dict)
    """The process, if it is another one."""
    partial: bool = False
    """Whether it is seen from outside only."""

    @property
    def ok(self) -> bool:
        """Whether there is nothing to do; notes alone are nothing to do."""
        return not self._to_do

    @property
    def _to_do(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.level is not Level.NOTE]

    @property
    def verdict(self) -> tuple[str, str, str]:
        """What is wrong, the way of the spans, and what to do first."""
        to_do = self._to_do
        if not to_do:
            fine = "Nothing to do, as far as it is seen from outside." if self.partial else "Fine: nothing to do."
            return fine, self._way(), "First: nothing."
        things = "1 thing" if len(to_do) == 1 else f"{len(to_do)} things"
        lost = ", and spans are lost" if to_do[0].level is Level.ERROR else ""
        return f"{things} to do{lost}: {to_do[0].says}.", self._way(), f"First: {to_do[0].do}"

    def _way(self) -> str:
        """The way of the spans in one line: provider, sampler, and the processors with their endpoints."""
        way = f"Spans: {self.provider['class']}"
        if sampler := self.provider.get("sampler"):
            way += f", {sampler}"
        ends = [
            f"{one['class']} to {one.get('endpoint') or one.get('exporter') or 'no exporter'}"
            + (f" ({one['answer']['text']})" if one.get("answer") else "")
            for one in self.processors
        ]
        return f"{way} -> {'; '.join(ends) or ('not seen' if self.partial else 'nothing')}"

    def as_dict(self) -> dict[str, Any]:
        """The report as values of JSON."""
        return {
            "ok": self.ok,
            "verdict": list(self.verdict),
            "provider": dict(self.provider),
            "processors": [dict(one) for one in self.processors],
            "environment": [dict(one) for one in self.environment],
            "versions": dict(self.versions),
            "findings": [asdict(finding) for finding in self.findings],
            **({"process": dict(self.process)} if self.process else {}),
        }

    def __str__(self) -> str:
        lines = [*self.verdict]
        for finding in self.findings:
            lines += ["", f"{finding.level} ({finding.about}): {finding.says}", f"  {finding.do}"]
        return "\n".join(lines)


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: _ORDER.index(finding.level))
