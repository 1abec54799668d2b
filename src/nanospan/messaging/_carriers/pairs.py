"""Headers that are pairs of a name and bytes: Kafka."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from nanospan._native.messaging import set_in_pairs
from nanospan.messaging._carriers.carrier import Carrier, Pair, write_fields

__all__ = ["PairCarrier"]


def _is_named(pair: object, name: str) -> bool:
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        return False
    key = pair[0]
    return bool(key == name or (isinstance(key, bytes) and key == name.encode()))


class PairCarrier(Carrier):
    """A list or tuple of ``(str, bytes)``, or a dict of them, as confluent-kafka takes; a name may occur several times.

    Of another iterable, such as an iterator, `set` makes a list; an iterator is not read.
    """

    def __init__(self, name: str, prefix: str = "") -> None:
        super().__init__(name)
        self._prefix = prefix
        if type(self) is PairCarrier and not prefix:
            self.shape = "pairs"

    def set(self, headers: Any, fields: Mapping[str, str]) -> Any:
        made = set_in_pairs(headers, fields) if self.shape == "pairs" else None
        return super().set(headers, fields) if made is None else made

    def empty(self) -> Any:
        return []

    def _set(self, headers: Any, pairs: list[Pair]) -> Any:
        if isinstance(headers, str | bytes):
            raise TypeError(f"headers must be pairs, not {type(headers).__name__}")
        kept = list(headers.items() if isinstance(headers, Mapping) else headers or ())

        def remove(name: str) -> None:
            name = self._prefix + name
            kept[:] = [pair for pair in kept if not _is_named(pair, name)]

        def write(name: str, value: str) -> bool:
            kept.append((self._prefix + name, value.encode("ascii")))
            return True

        write_fields(pairs, remove, write)
        if isinstance(headers, Mapping):
            return type(headers)(dict(kept))  # type: ignore[call-arg]
        if headers is None or type(headers) is list or not isinstance(headers, list | tuple):
            return kept  # an iterator has been used up, and a view cannot be made
        return type(headers)(kept)

    def _get(self, headers: Any, key: str) -> object:
        key = self._prefix + key
        if isinstance(headers, Mapping):
            headers = list(headers.items())
        elif isinstance(headers, Iterator):
            raise TypeError("an iterator of headers can be read once, and is left to the application")
        elif not isinstance(headers, list | tuple):
            headers = list(headers)
        for pair in reversed(headers):
            if _is_named(pair, key):
                return pair[1]
        return None

    def _names(self, headers: Any) -> Iterable[object]:
        if isinstance(headers, Mapping):
            return list(headers)
        if isinstance(headers, Iterator):
            return []
        return [pair[0] for pair in headers if isinstance(pair, tuple | list) and len(pair) == 2]
