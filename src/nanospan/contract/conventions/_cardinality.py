"""How many different values a key has had, in bounded memory."""

from __future__ import annotations

import math
from collections import OrderedDict
from contextlib import suppress
from hashlib import blake2b
from typing import Final

from nanospan._common.arguments import check_integer

__all__ = ["Cardinality", "Sketch"]

MAX_SKETCHES: Final = 256
EXACT: Final = 256
"""Different values that a sketch counts exactly; more are estimated."""
_BITS: Final = 10
_REGISTERS: Final = 1 << _BITS


class Sketch:
    """The number of different texts seen: exact up to `EXACT`, then by HyperLogLog with a standard error of 3.3 %.

    It takes at most `EXACT` numbers, or 1,024 bytes.
    """

    def __init__(self) -> None:
        self._exact: set[int] | None = set()
        self._registers: bytearray | None = None

    def add(self, text: str) -> None:
        digest = int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())
        # Without a lock: another thread may do the same step at any line.
        exact, registers = self._exact, self._registers
        if registers is not None:
            _put(registers, digest)
        elif exact is not None:
            exact.add(digest)
            if len(exact) <= EXACT:
                return
            registers = bytearray(_REGISTERS)
            for one in exact.copy():
                _put(registers, one)
            self._registers, self._exact = registers, None

    def __len__(self) -> int:
        exact, registers = self._exact, self._registers
        if registers is None:
            return len(exact or ())
        share = 0.7213 / (1 + 1.079 / _REGISTERS)
        estimate = share * _REGISTERS**2 / sum(2.0**-rank for rank in registers)
        empty = registers.count(0)
        if estimate <= 2.5 * _REGISTERS and empty:
            estimate = _REGISTERS * math.log(_REGISTERS / empty)
        return max(EXACT + 1, round(estimate))


def _put(registers: bytearray, digest: int) -> None:
    place, rest = digest >> (64 - _BITS), digest & ((1 << (64 - _BITS)) - 1)
    rank = 64 - _BITS - rest.bit_length() + 1
    if rank > registers[place]:
        registers[place] = rank


class Cardinality:
    """Sketches by scope and key, of at most `MAX_SKETCHES`; the one that was asked for longest ago gives way.

    ``limit``: more different values than this are the finding ``too_many_values``. Raises TypeError or ValueError if it is
    not an integer from 1.
    """

    def __init__(self, limit: int = 200) -> None:
        self._limit = check_integer("limit", limit, 1, 10**9)
        self._sketches: OrderedDict[tuple[str, str], Sketch] = OrderedDict()

    def add(self, scope: str, key: str, value: str) -> str | None:
        """Count ``value``. The finding, for each value from the first beyond the limit on."""
        sketch = self._sketches.get((scope, key))
        if sketch is None:
            sketch = Sketch()
            # Other threads add and remove at the same time.
            with suppress(KeyError):
                if len(self._sketches) >= MAX_SKETCHES:
                    self._sketches.popitem(last=False)
            sketch = self._sketches.setdefault((scope, key), sketch)
        else:
            with suppress(KeyError):
                self._sketches.move_to_end((scope, key))
        sketch.add(value)
        return "too_many_values" if len(sketch) > self._limit else None

    def counts(self) -> dict[tuple[str, str], int]:
        """The number of different values by scope and key."""
        return {place: len(sketch) for place, sketch in list(self._sketches.items())}
