"""What the fuzz targets make of an input: numbers, texts and objects that nobody should hand over, and some that one may."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeVar

__all__ = ["Draw"]

_Option = TypeVar("_Option")

MAX_DEPTH = 5


class Text(str):
    """A str that is not exactly one."""


class Level(str, enum.Enum):  # noqa: UP042 (a StrEnum prints itself in another way)
    HIGH = "high"


class Size(enum.IntEnum):
    LARGE = 12


class Printable:
    def __str__(self) -> str:
        return "printed"


class Raising:
    """Whatever one asks it, it raises."""

    def _raise(self, *arguments: Any) -> Any:
        raise RuntimeError("asked")

    __str__ = __repr__ = __len__ = __bool__ = __hash__ = __eq__ = __int__ = __index__ = __float__ = _raise
    __iter__ = __contains__ = __getitem__ = __bytes__ = __getattr__ = _raise


class Endless(Sequence[Any]):
    """A sequence that contains itself."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: Any) -> Any:
        if index:
            raise IndexError
        return self


class Liar(Mapping[str, Any]):
    """A mapping whose length, keys and items do not go together."""

    def __len__(self) -> int:
        return 7

    def __iter__(self) -> Iterator[str]:
        return iter(("here", "gone"))

    def __getitem__(self, key: str) -> Any:
        if key == "here":
            return 1
        raise KeyError(key)


PIECES = [
    *("", "a", "key", "http.route", "service.name", "\ud800", "a\udc00b", "ä€\U0001f600", "\x00", "\n", " ", "\t"),
    *("%", "%41", "0", "1", "-1", "1e308", "nan", "inf", "0x10", "\u0661", "true", "false", "none", "9" * 30, "1_000"),
    *("x" * 130, "é" * 70, "=", ",", ";", ":", "*", "?", "/", "//", "http://", "https://", "@", "[", "]", "(", "\\", "."),
    *("-", "ot", "th:", "rv:"),
]
NUMBERS = [2**31, 2**32, 2**53, 2**56, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**30, 10**400, 10**5000]
ODD: list[Callable[[], Any]] = [
    *(lambda: float("nan"), lambda: float("inf"), lambda: -0.0, lambda: 1e-320, lambda: 1j, lambda: Level.HIGH),
    *(lambda: Size.LARGE, lambda: Text("subclass"), lambda: Decimal("1.5"), lambda: frozenset({1}), lambda: range(3)),
    *(Printable, object, lambda: object, lambda: print, lambda: bytearray(b"abc"), lambda: memoryview(b"xyz")),
    *(lambda: {1, 2}, lambda: b"bytes", lambda: b"\xff\x00"),
]
HOSTILE: list[Callable[[], Any]] = [Raising, Endless, Liar, lambda: iter([1, 2])]


class Draw:
    """An endless input: zeros follow its last byte, and zero always means the least of what could be drawn."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        """Whether anything is left."""
        return self._at < len(self._data)

    def byte(self) -> int:
        if self._at >= len(self._data):
            return 0
        self._at += 1
        return self._data[self._at - 1]

    def rest(self) -> bytes:
        start, self._at = self._at, len(self._data)
        return self._data[start:]

    def flag(self) -> bool:
        return bool(self.byte() & 1)

    def one(self, options: Sequence[_Option]) -> _Option:
        return options[self.byte() % len(options)]

    def integer(self) -> int:
        """Small ones most often; of any size, and negative, else."""
        choice = self.byte()
        if choice < 160:
            return choice % 20 if choice < 128 else -(choice % 8)
        number = NUMBERS[choice % len(NUMBERS)] + self.byte() % 3 - 1
        return -number if choice & 128 and choice & 64 else number

    def number(self) -> int | float:
        if self.flag():
            return self.integer()
        return self.one([0.0, 0.5, 1.0, 1e-17, 1e300, -1.0, 1e-320, math.nan, math.inf, -math.inf, 2.0**-56, 100.25])

    def text(self) -> str:
        """Up to seven pieces that mean something to somebody, or characters of the input."""
        pieces = []
        for _ in range(self.byte() % 8):
            choice = self.byte()
            pieces.append(PIECES[choice % len(PIECES)] if choice < 192 else chr(self.byte() << (choice & 3) * 4))
        return "".join(pieces)

    def key(self) -> Any:
        if self.byte() % 4:
            return self.one(["a", "b", "c"])
        return self.one([self.text(), 5, None, b"k", ("a", 1), 1.5, Text("a")])

    def value(self, depth: int = 0, *, hostile: bool = True) -> Any:
        """Anything at all; without what lies, raises or never ends if not ``hostile``."""
        choice = self.byte() % (10 if depth < MAX_DEPTH else 7)
        if choice == 0:
            return self.one([None, True, False])
        if choice <= 2:
            return self.text()
        if choice == 3:
            return self.integer()
        if choice == 4:
            return self.number()
        if choice == 5:
            return self.one(ODD)()
        if choice == 6:
            return self.one(HOSTILE)() if hostile else self.text().encode("utf-8", "surrogatepass")
        items = [self.value(depth + 1, hostile=hostile) for _ in range(self.byte() % 4)]
        if choice == 7:
            return items
        return tuple(items) if choice == 8 else {self.key(): item for item in items}

    def attributes(self, *, hostile: bool = True) -> Any:
        if hostile and self.byte() % 16 == 15:
            return self.value()
        return {self.key(): self.value(hostile=hostile) for _ in range(self.byte() % 5)}
