"""Imports of modules of the API and the SDK that raise for an odd environment variable.

`opentelemetry.sdk.trace` reads a span limit, `opentelemetry.propagate` the names of propagators when they are imported. An
import that fails is tried again with the variable corrected, which has its own value back afterwards; with valid variables
nothing differs from a plain import.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from importlib import import_module
from types import ModuleType

__all__ = ["import_propagate", "import_sdk_trace"]

logger = logging.getLogger(__name__)

_PROPAGATORS = "OTEL_PROPAGATORS"
_LIMIT = "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT"


def import_sdk_trace() -> ModuleType:
    """`opentelemetry.sdk.trace`. `nanospan.TracerProvider` warns about the limit, when it reads it."""
    return _import("opentelemetry.sdk.trace", _LIMIT, lambda value: None)


def import_propagate() -> ModuleType:
    """`opentelemetry.propagate`."""
    return _import("opentelemetry.propagate", _PROPAGATORS, _known_propagators)


def _import(module: str, variable: str, correct: Callable[[str], str | None]) -> ModuleType:
    """``module``, if it fails with the value of ``variable`` with what ``correct`` makes of it; None stands for unset."""
    try:
        return import_module(module)
    except ValueError:
        if (value := os.environ.get(variable)) is None:
            raise
    corrected = correct(value)
    try:
        if corrected is None:
            del os.environ[variable]
        else:
            os.environ[variable] = corrected
        imported = import_module(module)
    finally:
        os.environ[variable] = value
    # The first attempt has imported submodules, which Python makes attributes of the module that imports them first.
    for name, submodule in list(sys.modules.items()):
        parent, _, last = name.rpartition(".")
        if parent == module:
            vars(imported).setdefault(last, submodule)
    return imported


def _known_propagators(value: str) -> str | None:
    """The names in ``value`` that are registered, in lower case where only that is; None for none of them."""
    from importlib.metadata import entry_points

    registered = sorted(entry_points(group="opentelemetry_propagator").names)
    known: list[str] = []
    unknown: list[str] = []
    for name in filter(None, (part.strip() for part in value.split(","))):
        found = next((one for one in (name, name.lower()) if one in registered or one == "none"), None)
        (unknown if found is None else known).append(found or name)
    if unknown:
        logger.warning(
            "%s=%r: %s is ignored: write names of %s or none, with commas (default tracecontext,baggage)",
            _PROPAGATORS,
            value,
            ", ".join(unknown),
            ", ".join(registered),
        )
    return ",".join(dict.fromkeys(known)) or None
