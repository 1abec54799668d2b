"""All checks of a span, in plain Python: of spans that were captured, and the model of what the native stage does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from opentelemetry.trace import SpanKind

from nanospan.contract.conventions._cardinality import Cardinality
from nanospan.contract.conventions._derive import fits
from nanospan.contract.conventions._findings import Findings, Scope
from nanospan.contract.conventions._paths import check_name, check_route, path_of
from nanospan.contract.conventions._settings import Conventions

__all__ = ["Checker", "check_attribute", "check_limits"]

ROUTE = "http.route"
NAME = "span name"
"""The key under which findings about names of spans are counted."""


class Checker:
    """Adds what it finds to `findings`."""

    def __init__(self, conventions: Conventions, findings: Findings | None = None) -> None:
        self.conventions = conventions
        self.findings = Findings(conventions) if findings is None else findings
        self.cardinality = Cardinality()

    def check_span(
        self,
        scope: Scope | str | None,
        name: str,
        kind: int,
        attributes: Mapping[str, Any],
        others: Iterable[Mapping[str, Any]] = (),
        dropped: tuple[int, int, int] = (0, 0, 0),
    ) -> list[tuple[str, str]]:
        """The findings about one span, as pairs of finding and key.

        Args:
            scope: The instrumentation scope.
            name: The span's name.
            kind: The number of its `SpanKind`.
            attributes: The span's attributes.
            others: The attributes of its events and links.
            dropped: The numbers of attributes, events and links that the span's limits have dropped.
        """
        found = [*self._of_names(scope, name, kind, attributes), *check_limits(name, *dropped)]
        for group in (attributes, *others):
            for key, value in group.items():
                finding = check_attribute(self.conventions, key, value)
                if finding is not None:
                    found.append((finding, key))
        return self._add(scope, found)

    def check_names(
        self, scope: Scope | str | None, name: str, kind: int, attributes: Mapping[str, Any]
    ) -> list[tuple[str, str]]:
        """As `check_span`, of the span's name and its ``http.route`` alone."""
        return self._add(scope, self._of_names(scope, name, kind, attributes))

    def check_attributes(self, scope: Scope | str | None, attributes: Mapping[str, Any]) -> list[tuple[str, str]]:
        """As `check_span`, of the attributes of a resource or a scope."""
        found = ((check_attribute(self.conventions, key, value), key) for key, value in attributes.items())
        return self._add(scope, ((finding, key) for finding, key in found if finding is not None))

    def _of_names(
        self, scope: Scope | str | None, name: str, kind: int, attributes: Mapping[str, Any]
    ) -> list[tuple[str, str]]:
        scope_name = scope if isinstance(scope, str) else scope.name if scope is not None else ""
        found = [(check_name(name, kind, attributes), NAME), (self.cardinality.add(scope_name, NAME, name), NAME)]
        route = attributes.get(ROUTE)
        if isinstance(route, str):
            if kind == SpanKind.SERVER.value:
                found.append((check_route(route, path_of(attributes)), ROUTE))
            found.append((self.cardinality.add(scope_name, ROUTE, route), ROUTE))
        return [(finding, key) for finding, key in found if finding is not None]

    def _add(self, scope: Scope | str | None, found: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
        added = [pair for pair in dict.fromkeys(found) if pair[0] in self.conventions.checks]
        for finding, key in added:
            self.findings.add(finding, scope, key)
        return added


def check_attribute(conventions: Conventions, key: str, value: Any) -> str | None:
    """The finding about one attribute, the first of: its key, its type, its value."""
    rule = conventions._facts(key)
    if rule is None:
        return None
    if rule.finding is not None:
        return rule.finding
    if not fits(value, rule.expected):
        return "type_mismatch"
    if rule.value_renames and isinstance(value, str) and value in rule.value_renames:
        return "deprecated"
    if rule.members is not None and isinstance(value, str | int) and value not in rule.members:
        return "undefined_enum_variant"
    return None


def check_limits(name: str, attributes: int, events: int, links: int) -> list[tuple[str, str]]:
    """The findings about a span of which a limit has dropped so many attributes, events and links."""
    dropped = (("attributes", attributes), ("events", events), ("links", links))
    return [("limit_reached", f"{what} of {name}") for what, count in dropped if count]
