"""An envelope around the payload, for transports without headers: Redis lists and pub/sub, sockets, files.

The payload follows a first line ``nanospan-envelope/1 {"traceparent":"..."}``. Readers that know envelopes take payloads
without one as they are; readers that do not know them get the first line too. Use it where all readers know it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, TypeVar

from nanospan.messaging._carriers.carrier import Carrier, Pair, write_fields
from nanospan.messaging._carriers.counts import log_failure

__all__ = ["EnvelopeCarrier"]

Payload = TypeVar("Payload", str, bytes)

_MAGIC = "nanospan-envelope/1 "
MAX_HEADER = 65536


class EnvelopeCarrier(Carrier):
    """The ``headers`` of this carrier are the payload itself, str or bytes: `set` returns it in its envelope."""

    def empty(self) -> Any:
        return b""

    def wrap(self, payload: Payload, fields: dict[str, str]) -> Payload:
        """The payload in an envelope with these fields; the same as `set`."""
        wrapped: Payload = self.set(payload, fields)
        return wrapped

    def unwrap(self, data: Payload) -> tuple[Payload, dict[str, str]]:
        """The payload, and the fields of its envelope; no fields if it has none. Never raises."""
        try:
            return _split(data)
        except Exception:
            log_failure(f"{self!r}.unwrap")
            return data, {}

    def _set(self, headers: Any, pairs: list[Pair]) -> Any:
        data = b"" if headers is None else headers
        if not isinstance(data, str | bytes):
            raise TypeError(f"the payload must be str or bytes, not {type(data).__name__}")
        payload, fields = _split(data)
        if not pairs:
            return data

        def remove(name: str) -> None:
            fields.pop(name, None)

        def write(name: str, value: str) -> bool:
            if len(_line({**fields, name: value})) > MAX_HEADER:
                return False
            fields[name] = value
            return True

        write_fields(pairs, remove, write)
        line = _line(fields)
        return line + payload if isinstance(payload, str) else line.encode("ascii") + payload

    def _get(self, headers: Any, key: str) -> object:
        return _split(headers)[1].get(key)

    def _names(self, headers: Any) -> Iterable[object]:
        return _split(headers)[1]


def _line(fields: dict[str, str]) -> str:
    return f"{_MAGIC}{json.dumps(fields, separators=(',', ':'))}\n"


def _split(data: Any) -> tuple[Any, dict[str, str]]:
    is_text = isinstance(data, str)
    if not data.startswith(_MAGIC if is_text else _MAGIC.encode()):
        return data, {}
    end = data.find("\n" if is_text else b"\n", 0, MAX_HEADER)
    if end < 0:
        return data, {}
    try:
        fields = json.loads(data[len(_MAGIC) : end])
    except (ValueError, RecursionError):
        return data, {}
    if not isinstance(fields, dict) or not all(isinstance(value, str) for value in fields.values()):
        return data, {}
    return data[end + 1 :], fields
