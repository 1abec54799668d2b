"""Whether a route or a span's name holds the values of one request.

No source defines this; the rule is ours. A segment counts as a value if it is all digits, a UUID, 16 or more hexadecimal
digits, 20 or more characters of base64 with digits and both cases, an e-mail address, a date, or more than 128 characters. A
placeholder anywhere makes the path a route, and a path without such a segment, as ``/health``, is no finding even where it
equals the path of the request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from opentelemetry.trace import SpanKind

__all__ = ["check_name", "check_route", "has_value", "path_of"]

_PLACEHOLDER = re.compile(r"[{<*]|(^|/):|\(\?")
_VALUE = re.compile(
    r"""
    \d+                                                                   # a number
    | [0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}                # a UUID
    | [0-9a-fA-F]{16,}                                                    # an id, a digest
    | (?=[^0-9]*[0-9])(?=[^A-Z]*[A-Z])(?=[^a-z]*[a-z])[A-Za-z0-9_+=-]{20,}  # base64
    | [^@\s/]+@[^@\s/]+\.[A-Za-z]{2,}                                     # an e-mail address
    | \d{4}-\d{2}-\d{2}(?:T[\d:.]+(?:Z|[+-]\d{2}:?\d{2})?)?               # a date
    """,
    re.VERBOSE,
)
_PATH_KEYS = ("url.path", "http.target")
_MAX_LENGTH = 2048
"""Characters of a path that are looked at."""
_MAX_SEGMENT = 128


def has_value(path: str) -> bool:
    """Whether ``path`` has a segment that is a value, or a query, and no placeholder."""
    path = path[:_MAX_LENGTH]
    if _PLACEHOLDER.search(path):
        return False
    before, question, _ = path.partition("?")
    return bool(question) or any(map(_is_value, before.split("/")))


def _is_value(segment: str) -> bool:
    return len(segment) > _MAX_SEGMENT or _VALUE.fullmatch(segment.replace("%40", "@")) is not None


def check_route(route: str, path: str | None) -> str | None:
    """The finding about an ``http.route``, given the request's path, with or without its query."""
    if not isinstance(route, str) or not isinstance(path, str):
        return None
    return "concrete_path" if route == path.partition("?")[0] and has_value(route) else None


def check_name(name: str, kind: int, attributes: Mapping[str, Any]) -> str | None:
    """The finding about the name of a span: a path, alone or after the method, with the values of one request.

    ``kind`` is the number of the `SpanKind`; only names of servers' and clients' spans are looked at. A name that equals the
    ``http.route`` is none: there the route is the finding.
    """
    if kind not in (SpanKind.SERVER.value, SpanKind.CLIENT.value):
        return None
    method, blank, rest = name.partition(" ")
    target = rest if blank and method.isalpha() and method.isupper() else name
    if "://" in target:
        target = "/" + target.partition("://")[2].partition("/")[2]
    if not target.startswith("/") or target == attributes.get("http.route"):
        return None
    return "concrete_path" if has_value(target) else None


def path_of(attributes: Mapping[str, Any]) -> str | None:
    """The path of the request that ``attributes`` of a server's span name, under its old or its new name."""
    for key in _PATH_KEYS:
        path = attributes.get(key)
        if isinstance(path, str):
            return path
    return None
