"""`Carrier`: how one kind of transport carries text fields beside its messages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nanospan.messaging._carriers.counts import count, log_failure

__all__ = ["MAX_BAGGAGE_MEMBERS", "MAX_LENGTHS", "Carrier", "Pair", "as_text", "fits", "write_fields"]

Pair = tuple[str, str | None]
"""A field, and its value; None: the field is to be removed."""

MAX_LENGTHS = {"traceparent": 512, "tracestate": 512, "baggage": 8192}
"""Characters. (W3C Trace Context, section 3.3.1.5: 512 of tracestate at least; W3C Baggage, section 3.3.2: 8192 bytes.)"""
MAX_LENGTH = 8192
"""Of a field of another propagator."""
MAX_BAGGAGE_MEMBERS = 180

_ORDER = {"traceparent": 0, "tracestate": 1, "baggage": 2}
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,256}")


def as_text(value: object) -> str | None:
    """The text of a header's name or value; None if it has none."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        try:
            return bytes(value).decode("utf-8")
        except ValueError:
            return None
    return None


def fits(name: str, value: str) -> bool:
    """Whether a field is within the bounds of its specification."""
    if len(value) > MAX_LENGTHS.get(name, MAX_LENGTH):
        return False
    return name != "baggage" or value.count(",") < MAX_BAGGAGE_MEMBERS


def _ordered(fields: Mapping[str, str]) -> list[Pair]:
    """The fields in the order in which they are given room; those that no message may carry with the value None."""
    pairs: list[Pair] = []
    for name in sorted(fields, key=lambda name: _ORDER.get(name, len(_ORDER))) if len(fields) > 1 else fields:
        value = fields[name]
        if not _NAME.fullmatch(name):
            count("fields_left_out")
        elif value and value.isascii() and value.isprintable() and fits(name, value):
            pairs.append((name, value))
        else:
            count("fields_left_out")
            pairs.append((name, None))
    return pairs


class Carrier:
    """Writes fields into the headers of a message, and reads them.

    `set` and `get` never raise, and never change an object that they are given.
    """

    shape: str | None = None
    """How native code may read the headers: as ``"pairs"``, as a ``"mapping"``; None: by the methods alone."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"nanospan.messaging.{self._name}"

    def set(self, headers: Any, fields: Mapping[str, str]) -> Any:
        """A copy of ``headers``, of the same type, in which each of ``fields`` has its value and no other.

        A field goes whole or not at all, in the order traceparent, tracestate, baggage, others; a tracestate only with its
        traceparent. One that is left out is counted (`stats`), and its former value is removed. For None the headers are
        new ones.
        """
        try:
            return self._set(headers, _ordered(fields))
        except Exception:
            log_failure(f"{self!r}.set")
            return self.empty() if headers is None else headers

    def get(self, headers: Any, key: str) -> str | None:
        """The value of a field, the last of several; None if it is missing or no text."""
        if headers is None:
            return None
        try:
            value = self._get(headers, key)
        except Exception:
            log_failure(f"{self!r}.get")
            return None
        text = as_text(value)
        if text is None and value is not None:
            count("malformed")
        return text

    def keys(self, headers: Any) -> list[str]:
        """The names of the headers."""
        if headers is None:
            return []
        try:
            return [key for key in map(as_text, self._names(headers)) if key is not None]
        except Exception:
            log_failure(f"{self!r}.keys")
            return []

    def empty(self) -> Any:
        """Headers without a field, which the clients of the transport accept."""
        return {}

    def _set(self, headers: Any, pairs: list[Pair]) -> Any:
        raise NotImplementedError

    def _get(self, headers: Any, key: str) -> object:
        """The value of a field as it is in ``headers``: text or bytes, or something that cannot be one; None if missing."""
        raise NotImplementedError

    def _names(self, headers: Any) -> Iterable[object]:
        raise NotImplementedError


def write_fields(pairs: list[Pair], remove: Callable[[str], None], write: Callable[[str, str], bool]) -> None:
    """Write ``pairs`` by the rule of `Carrier.set`. ``write`` returns False if there is no room."""
    written: set[str] = set()
    for name, value in pairs:
        remove(name)
        if name == "traceparent":
            remove("tracestate")  # of the producer before: it belongs to the former traceparent
        if value is None:
            continue
        if (name != "tracestate" or "traceparent" in written) and write(name, value):
            written.add(name)
        else:
            count("fields_left_out")
