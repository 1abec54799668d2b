"""Samplers whose ``OTEL_TRACES_SAMPLER_ARG`` is a JSON object with the properties of a configuration file.

    OTEL_TRACES_SAMPLER=nanospan_rule_based
    OTEL_TRACES_SAMPLER_ARG='{"rules": [{"name": "GET /health", "sampler": {"always_off": {}}}],
                              "default": {"always_on": {}}}'

Needs no other package. A nested sampler is one of nanospan's, or always_on, always_off, trace_id_ratio_based or
parent_based, as in the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nanospan._common.arguments import safe_repr
from nanospan.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler, TraceIdRatioBased
from nanospan.sampling.configuration.nodes import DELEGATES, MAKERS, SamplerNodes

__all__ = ["sampler_of_json"]

STANDARD = ("always_on", "always_off", "trace_id_ratio_based", "parent_based")


def sampler_of_json(name: str, argument: str) -> Sampler:
    """nanospan's sampler of that name. Raises ValueError if ``argument`` is no valid JSON object."""
    try:
        return JsonNodes().own(name, json.loads(argument), top=True)
    except RecursionError as error:
        raise ValueError(str(error)) from error


class JsonNodes(SamplerNodes):
    """Makes samplers of nodes without opentelemetry-configuration. Raises ValueError for an invalid node."""

    def error(self, message: str) -> Exception:
        return ValueError(message)

    def from_node(self, node: object, where: str, *, top: bool) -> Sampler:
        name, properties = self.only_entry(node, where)
        if name in MAKERS:
            return self.own(name, properties, top=top)
        if name not in STANDARD:
            raise ValueError(f"{where}: {name!r} is not one of {', '.join((*STANDARD, *MAKERS))}")
        if not isinstance(properties, Mapping):
            raise ValueError(f"{where}: {name} must have a mapping of its properties, not {safe_repr(properties)}")
        known = {"trace_id_ratio_based": ("ratio",), "parent_based": DELEGATES}.get(name, ())
        for key in properties:
            if key not in known:
                raise ValueError(f"{where}: {key!r} is not a property of {name}: {', '.join(known) or 'it has none'}")
        if name == "parent_based":
            delegates: dict[str, Any] = {"root": ALWAYS_ON}
            for key, one in properties.items():
                delegates[key] = self.from_node(one, f"{where}: {key}", top=False)
            return ParentBased(**delegates)
        if name == "trace_id_ratio_based":
            try:
                return TraceIdRatioBased(properties.get("ratio", 1.0))
            except (TypeError, ValueError) as error:
                raise ValueError(f"{where}: ratio: {error}") from error
        return ALWAYS_ON if name == "always_on" else ALWAYS_OFF
