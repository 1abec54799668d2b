"""What the checks have found, counted by instrumentation scope and key."""

from __future__ import annotations

import logging
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
    """The counts of one scope object, which is kept so that its identity cannot be another's."""

    __slots__ = ("counts", "name", "scope", "version")

    def __init__(self, scope: Scope | str | None) -> None:
        self.scope = scope
        self.name = scope if isinstance(scope, str) else getattr(scope, "name", None) or ""
        self.version = "" if isinstance(scope, str) else getattr(scope, "version", None) or ""
        self.counts: dict[tuple[str, str], int] = {}


class Findings:
    """The findings of one process; bounded, and without a lock, which a fork or a finalizer could leave locked.

    A count may miss one of two findings that two threads add at the same moment.
    """

    def __init__(self, conventions: Conventions | None = None) -> None:
        self._conventions = conventions
        self._warns = conventions is not None and conventions.mode == "warn"
        self._scopes: dict[int, _OfScope] = {}
        self._others = _OfScope(OTHER)
        self._warned: set[tuple[str, str, str]] = set()

    def add(self, finding: str, scope: Scope | str | None, key: str) -> None:
        """Count one finding about ``key`` in a span of ``scope``; in the mode ``warn`` log the first of each."""
        of_scope = self._scopes.get(id(scope))
        if of_scope is None:
            of_scope = self._new_scope(scope)
        counts, pair = of_scope.counts, (finding, key)
        try:
            counts[pair] += 1
        except KeyError:
            if len(counts) >= MAX_KEYS:
                pair = (finding, OTHER)
            counts[pair] = counts.get(pair, 0) + 1
            if self._warns:
                self._warn(finding, of_scope, key)

    def report(self) -> list[Finding]:
        """Every finding with its count, by scope, finding and key."""
        found: dict[tuple[str, str, str, str], int] = {}
        for of_scope in (*list(self._scopes.values()), self._others):
            for (finding, key), count in list(of_scope.counts.items()):
                place = (of_scope.name, of_scope.version, finding, key)
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

    def clear(self) -> None:
        self._scopes.clear()
        self._others = _OfScope(OTHER)
        self._warned.clear()

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

    def _new_scope(self, scope: Scope | str | None) -> _OfScope:
        if isinstance(scope, str):
            # Equal strings need not be one object.
            for of_scope in list(self._scopes.values()):
                if of_scope.scope == scope:
                    return of_scope
        if len(self._scopes) >= MAX_SCOPES:
            return self._others
        return self._scopes.setdefault(id(scope), _OfScope(scope))

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
