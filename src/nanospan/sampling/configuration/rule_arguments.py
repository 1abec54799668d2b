"""The rules of ``nanospan_rule_based`` in a declarative configuration file, as arguments of `nanospan.sampling.Rule`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.trace import SpanKind

from nanospan import sampling
from nanospan._common.arguments import safe_repr
from nanospan.sampling import Sampler

__all__ = ["rule_arguments"]

PROPERTIES = ("name", "kind", "attributes", "parent", "scope", "sampler", "external")


def rule_arguments(rule: object, make_sampler: Callable[[object], Sampler]) -> dict[str, Any]:
    """The arguments of Rule for a rule of the file; ``make_sampler`` makes its sampler from the node.

    ``kind`` is the name of a kind or a list of names. An attribute is a value, a list of values of which one must match, or
    ``{any: true}`` for any value. Raises TypeError and ValueError.
    """
    if not isinstance(rule, Mapping):
        raise TypeError(f"rules must be mappings, not {type(rule).__name__}")
    given = {key: value for key, value in rule.items() if value is not None}
    for key in given:
        if key not in PROPERTIES:
            raise ValueError(f"{key!r} is not a property of a rule: {', '.join(PROPERTIES)}")
    if "sampler" not in given:
        raise ValueError("a rule must have a sampler")
    arguments = dict(given)
    arguments["sampler"] = make_sampler(given["sampler"])
    if "kind" in given:
        arguments["kind"] = _kinds(given["kind"])
    if "attributes" in given:
        if not isinstance(given["attributes"], Mapping):
            raise TypeError(f"attributes of a rule must be a mapping, not {type(given['attributes']).__name__}")
        arguments["attributes"] = {key: _expected(key, value) for key, value in given["attributes"].items()}
    return arguments


def _kinds(names: object) -> list[SpanKind]:
    kinds = []
    for name in names if isinstance(names, list) else [names]:
        kind = SpanKind.__members__.get(name.upper()) if isinstance(name, str) else None
        if kind is None:
            known = ", ".join(member.lower() for member in SpanKind.__members__)
            raise ValueError(f"kind of a rule must be of {known}, not {safe_repr(name)}")
        kinds.append(kind)
    return kinds


def _expected(key: object, value: object) -> object:
    if isinstance(value, Mapping):
        if value != {"any": True}:
            accepted = "a value, a list of them or {any: true}"
            raise ValueError(f"attribute {key!r} of a rule must be {accepted}, not {safe_repr(value)}")
        return sampling.ANY
    if value is None:
        raise ValueError(f"attribute {key!r} of a rule has no value; {{any: true}} stands for any")
    return value
