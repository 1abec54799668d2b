"""`Conventions`: which conventions a process keeps to, and what happens to attributes that do not."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping
from typing import Any, Final, Literal

from nanospan._common.arguments import check_texts, constructor_text, safe_repr
from nanospan._common.environment import parsed_variable
from nanospan.contract.conventions._derive import Pairs, derive
from nanospan.contract.conventions._paths import check_name, check_route
from nanospan.contract.conventions._registry import NEWEST, OLDEST, Registry, registry
from nanospan.contract.conventions._rules import KeyRule, rule_of

__all__ = ["CHECKS", "DEFAULT_CHECKS", "LEVELS", "MODES", "VARIABLE", "Conventions"]

logger = logging.getLogger("nanospan")

VARIABLE = "OTEL_PYTHON_NANOSPAN_SEMCONV"
Mode = Literal["count", "warn", "rename", "dup"]
MODES: Final = ("count", "warn", "rename", "dup")

LEVELS: Final = {
    "deprecated": "violation",
    "type_mismatch": "violation",
    "invalid_format": "violation",
    "illegal_namespace": "violation",
    "missing_attribute": "violation",
    "concrete_path": "violation",
    "too_many_values": "violation",
    "limit_reached": "violation",
    "baggage_limit": "violation",
    "baggage_personal_data": "violation",
    "baggage_growth": "improvement",
    "missing_namespace": "improvement",
    "not_stable": "improvement",
    "undefined_enum_variant": "information",
    "extends_namespace": "information",
    "template_attribute": "information",
}
"""The level of each finding. Those that Weaver has too have its name and its level."""

CHECKS: Final = tuple(name for name in LEVELS if not name.startswith("baggage"))
DEFAULT_CHECKS: Final = (
    "deprecated",
    "type_mismatch",
    "invalid_format",
    "illegal_namespace",
    "concrete_path",
    "too_many_values",
    "limit_reached",
    "undefined_enum_variant",
)

_VERSION = re.compile(r"(\d+)\.(\d+)(\.\d+)?")
_MAX_KEYS = 4096
"""Rules that are remembered; the rule of a key beyond them is made anew each time."""
_MAX_LENGTH = 1024
"""Characters of a key of which the rule is remembered."""


class Conventions:
    """The semantic conventions as a contract, for ``BatchSpanProcessor(contract=[...])``.

    Args:
        version: The version of the conventions to keep to, from ``1.21`` to ``1.45``. A name that a later version
            deprecates is no finding.
        mode: ``count`` counts the findings; ``warn`` also logs each once per instrumentation scope and key; ``rename`` gives
            deprecated attributes their new names; ``dup`` adds the new names to the old. What changed its type or meaning
            keeps its name, as do attributes of which the new name depends on more than the span's kind.
        namespaces: Where the application's own attributes belong, as ``com.acme``. An attribute that is neither there nor in
            the conventions is the finding ``missing_attribute``. With none, all names are accepted.
        checks: The findings to look for, of `CHECKS`; None: `DEFAULT_CHECKS`, with ``missing_attribute`` if there are
            ``namespaces``.

    Raises:
        TypeError, ValueError: An argument is not of these.
    """

    def __init__(
        self,
        version: str = "1.45",
        mode: Mode = "count",
        namespaces: Collection[str] = (),
        *,
        checks: Collection[str] | None = None,
    ) -> None:
        self._release = _checked_version(version)
        if not isinstance(mode, str) or mode not in MODES:
            error = ValueError if isinstance(mode, str) else TypeError
            raise error(f"mode must be one of {', '.join(MODES)}, not {safe_repr(mode)}")
        self.version = version
        self.mode: Mode = mode
        self.namespaces = tuple(one.rstrip(".") for one in check_texts("namespaces", namespaces)) if namespaces else ()
        if not all(self.namespaces) or isinstance(namespaces, str):
            raise ValueError(f"namespaces must be names as 'com.acme', not {safe_repr(namespaces)}")
        self.checks = _checked_checks(checks, bool(self.namespaces))
        self._registry: Registry = registry(self._release)
        self._rules: dict[str, KeyRule | None] = {}

    def __repr__(self) -> str:
        arguments: dict[str, Any] = {"version": self.version, "mode": self.mode, "namespaces": self.namespaces}
        return constructor_text("Conventions", Conventions, arguments)

    @classmethod
    def from_environment(cls) -> Conventions | None:
        """What ``OTEL_PYTHON_NANOSPAN_SEMCONV`` asks for, one of the modes; None if it is unset, or none of them.

        A value that is none of them is warned about once.
        """

        def parse(text: str) -> Conventions:
            return cls(mode=text.lower())  # type: ignore[arg-type]

        return parsed_variable(logger, VARIABLE, parse, f"one of {', '.join(MODES)}", "unset: nothing is checked")

    def _facts(self, key: str) -> KeyRule | None:
        """The rule for attributes of this key; None if there is nothing to check or to change."""
        try:
            return self._rules[key]
        except KeyError:
            rule = rule_of(key, self._registry, self.namespaces, self.checks)
            if len(self._rules) < _MAX_KEYS and len(key) <= _MAX_LENGTH:
                self._rules[key] = rule
            return rule

    def _check_name(self, name: str, kind: int, attributes: Mapping[str, Any]) -> str | None:
        """The finding about the name of a span of this kind, the number of the `SpanKind`."""
        return check_name(name, kind, attributes) if "concrete_path" in self.checks else None

    def _check_route(self, route: str, path: str | None) -> str | None:
        """The finding about an ``http.route``, given the path of the request, if it is known."""
        return check_route(route, path) if "concrete_path" in self.checks else None

    def _derive(self, key: str, value: Any, kind: int) -> Pairs:
        """The attributes that take the place of ``key`` on a span of this kind; empty if it keeps its name.

        ``kind`` is the number of the `SpanKind`.
        """
        rule = self._facts(key)
        return derive(key, value, kind, rule) if rule is not None and rule.renames else ()

    def _apply_plain(self, attributes: Mapping[str, Any], kind: int) -> dict[str, Any]:
        """The attributes as they leave in this mode: what the native stage does, in plain Python.

        Rules are applied by rank, those of one rank in the order of the attributes. A key that is there stays.
        """
        result = dict(attributes)
        if self.mode not in ("rename", "dup"):
            return result
        rules = [(rule, key) for key in attributes if (rule := self._facts(key)) is not None]
        for rule, key in sorted((pair for pair in rules if pair[0].renames), key=lambda pair: pair[0].rank):
            pairs = derive(key, attributes[key], kind, rule)
            for new_key, value in pairs:
                result.setdefault(new_key, value)
            if pairs and self.mode == "rename":
                del result[key]
        if self.mode == "rename":
            for rule, key in rules:
                if rule.value_renames and not rule.renames and isinstance(attributes[key], str):
                    new_value = rule.value_renames.get(attributes[key])
                    if new_value is not None:
                        result[key] = new_value
        return result


def _checked_version(version: str) -> tuple[int, int]:
    accepted = f"a version from {OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}, as '1.45'"
    if not isinstance(version, str):
        raise TypeError(f"version must be {accepted}, not {safe_repr(version)}")
    parts = _VERSION.fullmatch(version)
    release = (int(parts[1]), int(parts[2])) if parts else (0, 0)
    if not OLDEST <= release <= NEWEST:
        raise ValueError(f"version must be {accepted}, not {safe_repr(version)}")
    return release


def _checked_checks(checks: Collection[str] | None, with_namespaces: bool) -> frozenset[str]:
    if checks is None:
        return frozenset((*DEFAULT_CHECKS, "missing_attribute") if with_namespaces else DEFAULT_CHECKS)
    for one in check_texts("checks", checks):
        if one not in CHECKS:
            raise ValueError(f"checks must be of {', '.join(CHECKS)}, not {safe_repr(one)}")
    if "missing_attribute" in checks and not with_namespaces:
        raise ValueError("checks cannot contain 'missing_attribute' without namespaces")
    return frozenset(checks)
