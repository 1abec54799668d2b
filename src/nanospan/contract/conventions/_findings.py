"""What the checks have found, counted by instrumentation scope and key."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from nanospan.contract.conventions._rules import NO_NEW_NAME
from nanospan.contract.conventions._settings import LEVELS, Conventions
from nanospan.contract.conventions._switches import remedy

__all__ = ["Finding", "Findings", "Scope"]

logger = logging.getLogger("nanospan")

MAX_SCOPES = 256
MAX_KEYS = 512
"""Pairs of finding and key that are counted of one scope; others are counted together."""
MAX_WARNINGS = 512
OF_THE_SDK = frozenset(("exception.escaped",))
"""Deprecated keys that the SDK itself writes, whatever the scope: information."""
OTHER = "(other)"
"""The key, and the scope, under which findings beyond these bounds are counted."""


class Scope(Protocol):
    """An `InstrumentationScope`, or anything with its name and version."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Finding:
    """How often one finding was made about one key, or name, of one instrumentation scope."""

    id: str
    level: str
    scope: str
    version: str
    key: str
    count: int
    hint: str


def level_of(finding: str, key: str) -> str:
    """The level of a finding about ``key``."""
    return "information" if key in OF_THE_SDK else LEVELS.get(finding, "violation")


class _OfScope:
    """The counts of the scopes of one name and version."""

    __slots__ = ("cells", "name", "version")

    def __init__(self, name: str, version: str = "") -> None:
        self.name = name
        self.version = version
        self.cells: dict[str | tuple[str, str], list[Any]] = {}
        """Finding and count by key, and by key and finding if the key has another finding already."""


class Findings:
    """The findings of one process; bounded, and without a lock, which a fork or a finalizer could leave locked.

    Without the GIL a count may miss one of two findings that two threads add at the same moment. A forked child starts with
    its parent's counts, until `clear`.
    """

    def __init__(self, conventions: Conventions | None = None) -> None:
        self._conventions = conventions
        self.show_name: Callable[[str], str] | None = None
        """Gives the name of a scope as reports and logs may show it: without secrets."""
        self._warns = conventions is not None and conventions.mode == "warn"
        self.clear()

    def clear(self) -> None:
        """Forget all findings and warnings."""
        self._by_name: dict[tuple[str, str], _OfScope] = {}
        # Scopes are kept, so that no identity is another's later.
        self._by_identity: dict[int, tuple[Scope | str | None, _OfScope]] = {}
        self._others = _OfScope(OTHER)
        self._last: tuple[Any, dict[str | tuple[str, str], list[Any]]] = (object(), {})
        self._warned: set[tuple[str, str, str]] = set()

    def add(self, finding: str, scope: Scope | str | None, key: str) -> None:
        """Count one finding about ``key`` in a span of ``scope``; in the mode ``warn`` log the first of each."""
        last = self._last
        if last[0] is scope:
            cell = last[1].get(key)
            if cell is not None and cell[0] == finding:
                # No other thread runs within this line, as long as there is a GIL.
                cell[1] += 1
                return
        self._add_slowly(finding, scope, key)

    def add_counted(self, finding: str, scope: Scope | str | None, key: str, count: int) -> None:
        """Count ``count`` findings, as so many calls of `add`."""
        self._add_slowly(finding, scope, key, count)

    def _add_slowly(self, finding: str, scope: Scope | str | None, key: str, count: int = 1) -> None:
        of_scope = self._of(scope)
        cells = of_scope.cells
        self._last = (scope, cells)
        cell = cells.get(key)
        if cell is not None and cell[0] != finding:
            cell = cells.get((key, finding))
        if cell is None:
            if len(cells) >= MAX_KEYS:
                cell = cells.setdefault((OTHER, finding), [finding, 0])
            else:
                cell = cells.setdefault((key, finding) if key in cells else key, [finding, 0])
            if self._warns:
                self._warn(finding, of_scope, key)
        cell[1] += count

    def _of(self, scope: Scope | str | None) -> _OfScope:
        known = self._by_identity.get(id(scope))
        if known is not None and known[0] is scope:
            return known[1]
        name = scope if isinstance(scope, str) else getattr(scope, "name", None) or ""
        version = "" if isinstance(scope, str) else getattr(scope, "version", None) or ""
        if self.show_name is not None:
            name, version = self.show_name(name), self.show_name(version)
        of_scope = self._by_name.get((name, version))
        if of_scope is None:
            if len(self._by_name) >= MAX_SCOPES:
                return self._others
            of_scope = self._by_name.setdefault((name, version), _OfScope(name, version))
        if len(self._by_identity) < MAX_SCOPES:
            self._by_identity[id(scope)] = (scope, of_scope)
        return of_scope

    def report(self) -> list[Finding]:
        """Every finding with its count, by scope, finding and key."""
        found: dict[tuple[str, str, str, str], int] = {}
        for of_scope in (*list(self._by_name.values()), self._others):
            for at, (finding, count) in list(of_scope.cells.items()):
                place = (of_scope.name, of_scope.version, finding, at if isinstance(at, str) else at[0])
                found[place] = found.get(place, 0) + count
        return [
            Finding(finding, level_of(finding, key), name, version, key, count, self.message(finding, name, key))
            for (name, version, finding, key), count in sorted(found.items())
        ]

    def as_dicts(self) -> list[dict[str, Any]]:
        """`report` as plain dictionaries."""
        return [asdict(finding) for finding in self.report()]

    def totals(self) -> dict[str, int]:
        """The number of findings of each kind."""
        found: dict[str, int] = {}
        for finding in self.report():
            found[finding.id] = found.get(finding.id, 0) + finding.count
        return found

    def message(self, finding: str, scope: str, key: str) -> str:
        """What is wrong, and what mends it."""
        rule = self._conventions._facts(key) if self._conventions is not None and key != OTHER else None
        hint = rule.hint if rule is not None else ""
        match finding:
            case "deprecated":
                if rule is None or rule.finding != "deprecated":
                    return f"a value of {key!r} is deprecated"
                if key in OF_THE_SDK:
                    return f"{key!r} is deprecated: the SDK's record_exception writes it; there is nothing to change"
                mends = remedy(scope, key, has_new_name=rule.hint != NO_NEW_NAME, renames=rule.renames)
                return f"{key!r} is deprecated: {hint}. {mends}"
            case "type_mismatch":
                return f"{key!r} must be of the type {rule.expected if rule is not None else 'of the conventions'}"
            case "undefined_enum_variant":
                return f"{key!r} has a value that the conventions do not list"
            case "concrete_path":
                return f"{key!r} holds a path with the values of one request: it must be the route, as '/users/{{id}}'"
            case "too_many_values":
                return f"{key!r} has more different values than names and routes may have"
            case "limit_reached":
                return f"spans reach the limit of {key}: what is beyond it is lost"
            case "baggage_limit":
                return f"the baggage is more than propagators have to pass on: {key}"
            case "baggage_growth":
                return f"this process adds to the baggage of its callers: {key}"
            case "baggage_personal_data":
                return f"the baggage entry {key!r} holds personal data, which every service behind this one receives"
        return f"{key!r}: {hint or finding}"

    def _warn(self, finding: str, of_scope: _OfScope, key: str) -> None:
        if level_of(finding, key) == "information" or len(self._warned) > MAX_WARNINGS:
            return
        place = (finding, of_scope.name, key)
        if place in self._warned:
            return
        self._warned.add(place)
        if len(self._warned) > MAX_WARNINGS:
            logger.warning("Semantic conventions: more than %d findings; further ones are counted only", MAX_WARNINGS)
            return
        where = f"{of_scope.name or 'a scope without a name'} {of_scope.version}".rstrip()
        logger.warning("Semantic conventions: %s in %s: %s", finding, where, self.message(finding, of_scope.name, key))
