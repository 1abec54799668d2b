"""What the native stage asks once for each span name and route, and of spans at a limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nanospan.contract.conventions import Cardinality, Conventions, Findings
from nanospan.contract.conventions._checker import check_limits
from nanospan.contract.conventions._paths import path_of

__all__ = ["FirstSight"]


class FirstSight:
    """Adds to the findings what it finds itself; the native stage counts paths."""

    def __init__(self, conventions: Conventions, findings: Findings) -> None:
        self._conventions = conventions
        self._findings = findings
        self._cardinality = Cardinality()

    def count(self, scope: Any, key: str, text: str) -> None:
        """A name or route that was not seen before."""
        finding = self._cardinality.add(scope.name if scope is not None else "", key, text)
        if finding is not None and finding in self._conventions.checks:
            self._findings.add(finding, scope, key)

    def name_is_path(self, name: str, kind: int, attributes: Mapping[str, Any]) -> bool:
        """Whether the name of a server's or client's span is a path with the values of one request."""
        return self._conventions._check_name(name, kind, attributes) is not None

    def route_is_path(self, route: str, attributes: Mapping[str, Any]) -> bool | None:
        """The same of an ``http.route``; None if the span does not tell the path of its request."""
        path = path_of(attributes)
        return None if path is None else self._conventions._check_route(route, path) is not None

    def limits(self, scope: Any, name: str, attributes: int, events: int, links: int) -> None:
        """A span of which limits have dropped so many attributes, events and links."""
        if "limit_reached" in self._conventions.checks:
            for finding, key in check_limits(name, attributes, events, links):
                self._findings.add(finding, scope, key)
