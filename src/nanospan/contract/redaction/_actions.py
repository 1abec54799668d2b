"""What happens to the value of an attribute whose key is sensitive."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any, Final

from nanospan._common.arguments import safe_repr

__all__ = ["ACCEPTED", "Actor", "check_action", "needs_hash_key"]

ACCEPTED: Final = 'one of "mask", "hash", "drop", "drop_span", "keep_last_N" with N from 1 to 8'
_PLAIN: Final = frozenset({"mask", "hash", "drop", "drop_span"})
_KEEP: Final = "keep_last_"
_HASH_DIGITS: Final = 32


def check_action(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be {ACCEPTED}, not {safe_repr(value)}")
    kept = value.removeprefix(_KEEP)
    if value not in _PLAIN and not (value.startswith(_KEEP) and len(kept) == 1 and kept in "12345678"):
        raise ValueError(f"{name} must be {ACCEPTED}, not {safe_repr(value)}")
    return value


def needs_hash_key(action: str) -> bool:
    return action == "hash"


class Actor:
    """Carries actions out. ``hash_key`` is the key of HMAC-SHA-256; without it the action hash is not used."""

    def __init__(self, marker: str, hash_key: bytes | None) -> None:
        self._marker = marker
        self._hash_key = hash_key

    def act(self, action: str, value: Any) -> Any:
        """The new value. Raises what drops a span, and returns what stands for a dropped attribute."""
        if action == "drop" or action == "drop_span":
            from nanospan._native import contract

            if action == "drop":
                return contract.ABSENT
            raise contract.Withheld
        return self._changed(action, value)

    def _changed(self, action: str, value: Any) -> Any:
        if value is None or isinstance(value, bool):
            return value  # tells nothing of the secret
        if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview):
            return tuple(self._changed(action, item) for item in value)
        if isinstance(value, Mapping):
            return {key: self._changed(action, item) for key, item in value.items()}
        if action == "hash" and self._hash_key is not None:
            data = (
                bytes(value)
                if isinstance(value, bytes | bytearray | memoryview)
                else _text_of(value).encode("utf-8", "replace")
            )
            return hmac.new(self._hash_key, data, hashlib.sha256).hexdigest()[:_HASH_DIGITS]
        if action.startswith(_KEEP) and not isinstance(value, bytes | bytearray | memoryview):
            text, kept = _text_of(value), int(action.removeprefix(_KEEP))
            # Of a short value the end would tell too much.
            if len(text) >= 4 * kept and text != self._marker:
                return self._marker + text[-kept:]
        return self._marker


def _text_of(value: Any) -> str:
    try:
        return str(value)
    except Exception:
        return ""
