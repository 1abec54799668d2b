"""What the rules of one processor have found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from nanospan.contract.conventions import Finding

if TYPE_CHECKING:
    from nanospan._native.contract import Contract

__all__ = ["ContractReport", "report_of"]


@dataclass(frozen=True, slots=True)
class ContractReport:
    """The findings since the processor was made, in this process."""

    conventions: tuple[Finding, ...]
    """Each with its identifier, instrumentation scope and version, key, count, and what mends it."""
    redaction: dict[str, int]
    """How often each rule of the redaction replaced or dropped something, by the rule's name; never a value."""
    spans_changed: int
    """Spans that left with a changed field."""
    values_masked_whole: int
    """Values that were too long or too deeply nested to be searched."""

    def __str__(self) -> str:
        lines = [f"{one.count:>8} {one.id} in {one.scope or '(no scope)'}: {one.hint}" for one in self.conventions]
        lines += [f"{count:>8} redacted by {name}" for name, count in self.redaction.items() if count]
        return "\n".join(lines) or "nothing found"


def report_of(contract: Contract) -> ContractReport:
    """The report of one processor's rules."""
    counts = contract.counts()
    redaction = {} if contract.redaction is None else contract.redaction._by_name(contract.secrets())
    return ContractReport(tuple(contract.findings.report()), redaction, counts["spans_changed"], counts["masked_whole"])
