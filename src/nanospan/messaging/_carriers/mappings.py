"""Headers that are a mapping of names to text: AMQP tables, NATS, stream fields, Pub/Sub and Service Bus attributes."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

from nanospan._native.messaging import set_in_dict
from nanospan.messaging._carriers.carrier import Carrier, Pair, as_text, write_fields

__all__ = ["MappingCarrier", "copied"]


def copied(headers: Any) -> MutableMapping[Any, Any]:
    """A copy that can be changed, and shares nothing with ``headers``; a new dict for None."""
    if headers is None:
        return {}
    if type(headers) is dict:
        return headers.copy()
    made: Any = None
    if isinstance(headers, dict) or hasattr(type(headers), "__copy__"):
        made = copy.copy(headers)
    elif callable(getattr(type(headers), "copy", None)):
        made = headers.copy()  # copy.copy would give one with the same dict inside
    if not isinstance(made, MutableMapping):
        return dict(headers.items())
    if made is headers:
        raise TypeError(f"the copy of {type(headers).__name__} is the object itself")
    return made


class MappingCarrier(Carrier):
    """A mapping of str to str. Names and values are read as bytes too, and the last value of a list.

    Args:
        name: The public name of the carrier.
        prefix: What the names of fields begin with in the mapping.
        case_sensitive: Whether the transport tells names by case.
        max_entries: Entries that the transport allows; None for any number.
        max_value_bytes: Length of a value that it allows; None for any length.
        aliases: Other names of fields, which others write: read if a field is missing, and removed where it is written.
    """

    def __init__(
        self,
        name: str,
        *,
        prefix: str = "",
        case_sensitive: bool = True,
        max_entries: int | None = None,
        max_value_bytes: int | None = None,
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(name)
        self._prefix = prefix
        self._case_sensitive = case_sensitive
        self._max_entries = max_entries
        self._max_value_bytes = max_value_bytes
        self._aliases = aliases or {}
        bounded = aliases or max_entries is not None or max_value_bytes is not None
        if type(self) is MappingCarrier and case_sensitive and not prefix and not bounded:
            self.shape = "mapping"

    def set(self, headers: Any, fields: Mapping[str, str]) -> Any:
        made = set_in_dict(headers, fields) if self.shape == "mapping" else None
        return super().set(headers, fields) if made is None else made

    def _encode(self, value: str) -> Any:
        return value

    def _decode(self, value: Any) -> object:
        if isinstance(value, list | tuple):
            return value[-1] if value else None
        return value

    def _keys_of(self, headers: Mapping[Any, Any], name: str) -> list[Any]:
        """The keys of ``headers`` that are this name, in their order."""
        if self._case_sensitive:
            keys = [key for key in (name, name.encode()) if key in headers]
            return keys if len(keys) < 2 else [key for key in headers if key in keys]
        name = name.lower()
        return [key for key in headers if (text := as_text(key)) is not None and text.lower() == name]

    def _set(self, headers: Any, pairs: list[Pair]) -> Any:
        made = copied(headers)

        def remove(name: str) -> None:
            for spelling in (self._prefix + name, self._aliases.get(name)):
                for key in self._keys_of(made, spelling) if spelling is not None else ():
                    del made[key]

        def write(name: str, value: str) -> bool:
            if self._max_value_bytes is not None and len(value) > self._max_value_bytes:
                return False
            if self._max_entries is not None and len(made) >= self._max_entries:
                return False
            made[self._prefix + name] = self._encode(value)
            return True

        write_fields(pairs, remove, write)
        return self._typed_as(headers, made)

    def _typed_as(self, headers: Any, made: MutableMapping[Any, Any]) -> Any:
        if headers is None or type(made) is type(headers):
            return made
        return type(headers)(made)  # one that cannot be changed, such as a mappingproxy

    def _get(self, headers: Any, key: str) -> object:
        keys = self._keys_of(headers, self._prefix + key)
        if not keys and key in self._aliases:
            keys = self._keys_of(headers, self._aliases[key])
        return self._decode(headers[keys[-1]]) if keys else None

    def _names(self, headers: Any) -> Iterable[object]:
        return list(headers)
