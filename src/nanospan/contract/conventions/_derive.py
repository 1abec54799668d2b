"""The new attributes that a deprecated one gives on a span of some kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.trace import SpanKind

from nanospan.contract.conventions._rules import KeyRule

__all__ = ["Pairs", "derive", "fits"]

Pairs = tuple[tuple[str, Any], ...]

_SCALARS: dict[str, tuple[type, ...]] = {"string": (str,), "int": (int,), "double": (float, int), "boolean": (bool,)}


def fits(value: Any, expected: str) -> bool:
    """Whether ``value`` has the type ``expected``, as `KeyRule.expected` names it."""
    if expected == "any" or value is None:
        return True
    if expected.endswith("[]"):
        if isinstance(value, str | bytes) or not isinstance(value, Sequence):
            return False
        return all(fits(one, expected[:-2]) for one in value if one is not None)
    if isinstance(value, bool):
        return expected == "boolean"
    return isinstance(value, _SCALARS[expected])


def derive(key: str, value: Any, kind: int, rule: KeyRule) -> Pairs:
    """The attributes that take the place of ``key`` on a span of this kind; empty if it has to keep its name.

    ``kind`` is the number of the `SpanKind`.
    """
    if not fits(value, rule.expected):
        return ()
    if rule.derive:
        return _DERIVED[key](value, kind)
    if rule.by_kind is not None:
        name = rule.by_kind[kind] if 0 <= kind < len(rule.by_kind) else None
    else:
        name = rule.new_keys[0] if rule.new_keys else None
    if name is None:
        return ()
    if rule.value_renames and isinstance(value, str):
        value = rule.value_renames.get(value, value)
        if value is None:
            return ()
    return ((name, value),)


def _status_code(value: int, kind: int) -> Pairs:
    """The code, and the ``error.type`` of a failed request: 400 and above for a client, 500 and above for a server."""
    new: tuple[str, Any] = ("http.response.status_code", value)
    lowest = {SpanKind.CLIENT.value: 400, SpanKind.SERVER.value: 500}.get(kind)
    return (new, ("error.type", str(value))) if lowest is not None and value >= lowest else (new,)


def _target(value: str, kind: int) -> Pairs:
    """Path and query of a request target, which may be a whole URL."""
    if not value.startswith("/"):
        parts = _split(value)
        return () if parts is None else _path_and_query(parts.path, parts.query)
    path, _, query = value.partition("#")[0].partition("?")
    return _path_and_query(path, query)


def _url(value: str, kind: int) -> Pairs:
    """The whole URL, and the server it names, for a client; path and query for a server."""
    parts = _split(value)
    if kind == SpanKind.CLIENT.value:
        full: tuple[tuple[str, Any], ...] = (("url.full", value),)
        if parts is None or not parts.hostname:
            return full
        try:
            port = parts.port
        except ValueError:
            port = None
        address = (*full, ("server.address", parts.hostname))
        return (*address, ("server.port", port)) if port else address
    if kind == SpanKind.SERVER.value and parts is not None:
        return _path_and_query(parts.path, parts.query)
    return ()


def _path_and_query(path: str, query: str) -> Pairs:
    pairs = (("url.path", path), ("url.query", query))
    return tuple(pair for pair in pairs if pair[1])


def _split(url: str) -> Any:
    try:
        return urlsplit(url)
    except ValueError:
        return None


_DERIVED: dict[str, Callable[[Any, int], Pairs]] = {
    "http.status_code": _status_code,
    "http.target": _target,
    "http.url": _url,
}
