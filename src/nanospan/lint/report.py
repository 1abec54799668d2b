"""Findings of `nanospan lint`, in the formats that people, editors and pipelines read, and the baseline of known ones."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

__all__ = ["FORMATS", "LEVELS", "BaselineError", "Finding", "fails", "read_baseline", "unknown", "write_baseline"]

LEVELS: Final = ("violation", "improvement", "information")
"""From the gravest, as Weaver's live check has them."""

_SARIF_LEVELS = {"violation": "error", "improvement": "warning", "information": "note"}
_GITHUB_LEVELS = {"violation": "error", "improvement": "warning", "information": "notice"}
_JSON_FIELDS = ("rule", "path", "line", "column", "message")
_BASELINE = "nanospan lint baseline"


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: where, by which rule, and what is wrong. Lines and columns count from 1."""

    rule: str
    path: str
    line: int
    column: int
    message: str
    level: str = field(default="violation", compare=False)
    """One of `LEVELS`."""
    identity: str = field(default="", compare=False)
    """What a baseline knows the finding by; empty: rule, path and message, so that other lines may come before it."""

    @property
    def known_by(self) -> str:
        return self.identity or f"{self.rule} {self.path}: {self.message}"


class BaselineError(Exception):
    """A file that is no baseline; the message says why."""


def fails(findings: Iterable[Finding], fail_on: str) -> bool:
    """Whether one of ``findings`` is at least as grave as the level ``fail_on``; never if that is ``none``."""
    if fail_on == "none":
        return False
    grave = LEVELS[: LEVELS.index(fail_on) + 1]
    return any(finding.level in grave for finding in findings)


def as_text(findings: Sequence[Finding]) -> str:
    """``path:line:column: rule message`` lines, and their number."""
    lines = [f"{one.path}:{one.line}:{one.column}: {one.rule}{_less_grave(one)} {one.message}" for one in findings]
    return "\n".join([*lines, f"{len(findings)} finding{'' if len(findings) == 1 else 's'}"])


def _less_grave(one: Finding) -> str:
    return "" if one.level == LEVELS[0] else f" ({one.level})"


def as_json(findings: Sequence[Finding]) -> str:
    """``{"findings": [{"rule", "path", "line", "column", "message"}]}``."""
    fields = [asdict(one) for one in findings]
    return json.dumps({"findings": [{name: one[name] for name in _JSON_FIELDS} for one in fields]}, indent=2)


def as_sarif(findings: Sequence[Finding]) -> str:
    """SARIF 2.1.0. `<https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>`_"""
    rules = sorted({one.rule for one in findings})
    run = {
        "tool": {"driver": {"name": "nanospan lint", "rules": [{"id": rule} for rule in rules]}},
        "results": [_sarif_result(one, rules) for one in findings],
    }
    return json.dumps(
        {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}, indent=2
    )


def as_github(findings: Sequence[Finding]) -> str:
    """Workflow commands of GitHub Actions, which become annotations."""
    return "\n".join(
        f"::{_GITHUB_LEVELS[one.level]} file={_property(one.path)},line={one.line},col={one.column},"
        f"title={_property(one.rule)}::{_data(one.message)}"
        for one in findings
    )


FORMATS: Final[Mapping[str, Callable[[Sequence[Finding]], str]]] = {
    "text": as_text,
    "json": as_json,
    "sarif": as_sarif,
    "github": as_github,
}


def read_baseline(path: str) -> Counter[str]:
    """How often each known finding is known. Raises BaselineError, or OSError when the file cannot be read."""
    try:
        fields = json.loads(Path(path).read_text(encoding="utf-8"))
        if fields["kind"] != _BASELINE:
            raise ValueError("another kind of file")
        return Counter({str(name): int(count) for name, count in fields["findings"].items()})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BaselineError(f"{path} is no baseline, as --write-baseline writes it") from error


def write_baseline(path: str, findings: Iterable[Finding]) -> None:
    """Make all of ``findings`` known. Raises OSError."""
    counts = Counter(one.known_by for one in findings)
    text = json.dumps({"kind": _BASELINE, "findings": dict(sorted(counts.items()))}, indent=2)
    Path(path).write_text(text + "\n", encoding="utf-8")


def unknown(findings: Iterable[Finding], baseline: Counter[str]) -> list[Finding]:
    """The findings beyond those that ``baseline`` knows: of equal ones the later."""
    left = Counter(baseline)
    rest = []
    for one in findings:
        if left[one.known_by] > 0:
            left[one.known_by] -= 1
        else:
            rest.append(one)
    return rest


def _sarif_result(one: Finding, rules: list[str]) -> dict[str, Any]:
    place = {
        "artifactLocation": {"uri": Path(one.path).as_posix()},
        "region": {"startLine": one.line, "startColumn": one.column},
    }
    return {
        "ruleId": one.rule,
        "ruleIndex": rules.index(one.rule),
        "level": _SARIF_LEVELS[one.level],
        "message": {"text": one.message},
        "locations": [{"physicalLocation": place}],
    }


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
