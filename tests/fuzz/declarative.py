"""Sampler nodes with anything for properties, as a declarative configuration file could have them: a sampler, or
ConfigurationError."""

from __future__ import annotations

import logging
from typing import Any

from fuzz.draw import Draw

from nanospan.sampling.configuration.nodes import MAKERS, SamplerNodes

try:
    from opentelemetry.configuration import ConfigurationError
except ImportError:  # no such package for this interpreter, or not installed
    ConfigurationError = None  # type: ignore[assignment,misc]

MISSING = "opentelemetry-configuration is not installed" if ConfigurationError is None else ""
NAMES = [*MAKERS, "always_on", "always_off", "parent_based", "trace_id_ratio_based", "unheard_of"]
PROPERTIES = [
    *("ratio", "precision", "randomness", "traces_per_second", "burst", "consistent", "target_spans_per_second"),
    *("cpu_fraction", "averaging_seconds", "min_probability", "rules", "default", "root", "name", "kind", "attributes"),
    *("parent", "sampler", "external", "scope", "local_parent_sampled", "linked_sampled"),
]


def plain(draw: Draw, depth: int = 0) -> Any:
    """What a YAML file can say."""
    choice = draw.byte() % (9 if depth < 4 else 6)
    if choice == 0:
        return draw.one([None, True, False])
    if choice == 1:
        return draw.text()
    if choice <= 3:
        return draw.number()
    if choice == 4:
        return draw.one([{}, [], "server", "hash", "none", {"any": True}, {"always_on": None}])
    if choice == 5:
        return draw.one([1, 0, 0.5, 100])
    if choice == 6:
        return [plain(draw, depth + 1) for _ in range(draw.byte() % 3)]
    if choice == 7:
        return node(draw, depth + 1)
    return properties(draw, depth + 1)


def properties(draw: Draw, depth: int) -> dict[Any, Any]:
    return {
        draw.one(PROPERTIES) if draw.byte() % 8 else draw.one([1, None, draw.text()]): plain(draw, depth)
        for _ in range(draw.byte() % 4)
    }


def node(draw: Draw, depth: int = 0) -> dict[Any, Any]:
    return {draw.one(NAMES): properties(draw, depth) if draw.byte() % 4 else plain(draw, depth)}


def check(data: bytes) -> None:
    draw = Draw(data)
    name, given = next(iter(node(draw).items()))
    logging.disable(logging.CRITICAL)
    try:
        if draw.flag():
            sampler = SamplerNodes().own("nanospan_always_record", {"root": {name: given}}, top=True)
        elif name in MAKERS:
            sampler = SamplerNodes().own(name, given or {}, top=draw.flag())
        else:
            return
    except ConfigurationError:
        return
    finally:
        logging.disable(logging.NOTSET)
    sampler.should_sample(None, 1, "name")
    sampler.get_description()
