"""Regular expressions of the user, of which none can take more than linear time.

With the package google-re2 every expression that it takes is allowed. Without it Python's `re`, which backtracks, runs on
the thread that ends the span. So an expression is read first, and refused unless the number of ways in which it can match
at one place is small. What may repeat without end stands at the end of the expression, where nothing makes it give back
what it has taken. A value is searched up to the length at which the steps for it reach STEPS; a longer one is masked whole.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from typing import Any, Final

from nanospan._common.arguments import check_text, safe_repr

__all__ = ["STEPS", "Pattern", "is_literal"]

STEPS: Final = 2_000_000
MAX_COST: Final = 2_000
MAX_DEPTH: Final = 16
_SPECIAL: Final = frozenset("\\.^$*+?{}[]()|")
_ASSERTIONS: Final = frozenset("AbBZz")
_CLASSES: Final = frozenset("dDwWsS")
_REPEAT = re.compile(r"\{(\d*)(?:(,)(\d*))?\}")


def is_literal(text: str) -> bool:
    """Whether the expression is a plain text."""
    return not _SPECIAL & set(text)


@dataclass(frozen=True, slots=True)
class _Cost:
    """What matching a part at one place of a text can take.

    ``ways`` is in how many ways it can match, all of which are tried if what follows does not match; ``ways_at_end`` how
    many are tried at most if nothing follows; ``length`` how many characters it takes; ``is_open`` whether any number.
    """

    ways: int = 1
    ways_at_end: int = 1
    length: int = 0
    is_open: bool = False

    @property
    def steps(self) -> int:
        return self.ways_at_end * max(self.length, 1)


def _power(base: int, exponent: int) -> int:
    return 1 if base <= 1 else min(base ** min(exponent, MAX_COST.bit_length()), MAX_COST + 1)


class _Reader:
    """Reads an expression and counts; raises ValueError for what is not allowed."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def take(self) -> str:
        char = self.peek()
        self.at += 1
        return char

    def alternatives(self, depth: int) -> _Cost:
        if depth > MAX_DEPTH:
            raise ValueError(f"groups are nested more than {MAX_DEPTH} deep")
        costs = [self.sequence(depth)]
        while self.peek() == "|":
            self.take()
            costs.append(self.sequence(depth))
        return _Cost(
            sum(cost.ways for cost in costs),
            sum(cost.ways_at_end for cost in costs),
            max(cost.length for cost in costs),
            any(cost.is_open for cost in costs),
        )

    def sequence(self, depth: int) -> _Cost:
        total = _Cost()
        while self.peek() and self.peek() not in "|)":
            part = self.repeated(self.atom(depth))
            if total.is_open:
                raise ValueError("*, + and {n,} may stand at its end only; elsewhere write {0,20} or another limit")
            ways_at_end = min(total.ways * part.ways_at_end, MAX_COST + 1)
            ways = min(total.ways * part.ways, MAX_COST + 1)
            total = _Cost(ways, ways_at_end, total.length + part.length, part.is_open)
            if total.steps > MAX_COST:
                raise ValueError(f"it can match in too many ways at one place (more than {MAX_COST} steps)")
        return total

    def repeated(self, cost: _Cost) -> _Cost:
        low, high = self.quantifier()
        if high == 1 and low == 1:
            return cost
        if self.peek() in ("?", "+"):  # lazy, possessive
            self.take()
        if self.peek() and self.peek() in "*+?{":
            raise ValueError("a repetition is repeated")
        if cost.is_open:
            raise ValueError("a repetition without limit is repeated")
        if high is None:
            if cost.ways > 1 or cost.length != 1:
                raise ValueError("only one character or class may be repeated without limit")
            return _Cost(1, 1, max(low, 1), is_open=True)
        choices = high - low + 1
        if cost.ways == 1 and cost.length == 1:
            return _Cost(choices, 1, high)
        ways = min(_power(cost.ways, high) * choices, MAX_COST + 1)
        return _Cost(ways, ways, cost.length * high)

    def quantifier(self) -> tuple[int, int | None]:
        char = self.peek()
        if char == "*":
            self.take()
            return 0, None
        if char == "+":
            self.take()
            return 1, None
        if char == "?":
            self.take()
            return 0, 1
        if char == "{" and (found := _REPEAT.match(self.text, self.at)) and found[0] not in ("{}", "{,}"):
            self.at = found.end()
            low = int(found[1] or 0)
            if found[2] is None:
                return low, low
            return low, int(found[3]) if found[3] else None
        return 1, 1

    def atom(self, depth: int) -> _Cost:
        char = self.take()
        if char == "(":
            return self.group(depth)
        if char == "[":
            self.klass()
            return _Cost(length=1)
        if char in "^$":
            return _Cost()
        if char == "\\":
            return self.escape()
        if char and char in "*+?":
            raise ValueError("nothing to repeat")
        return _Cost(length=1)

    def group(self, depth: int) -> _Cost:
        if self.peek() == "?":
            self.take()
            kind = self.take()
            if kind == "P" and self.peek() == "<":
                self.at = self.text.find(">", self.at) + 1 or len(self.text)
            elif kind != ":":
                raise ValueError(
                    "of the groups that begin with (? only (?:...) and (?P<name>...) are allowed, and (?i) first"
                )
        cost = self.alternatives(depth + 1)
        if self.take() != ")":
            raise ValueError("a group is not closed")
        return cost

    def klass(self) -> None:
        if self.peek() == "^":
            self.take()
        first = True
        while first or self.peek() != "]":
            first = False
            char = self.take()
            if char == "\\":
                self.take()
            elif not char:
                raise ValueError("a class is not closed")
        self.take()

    def escape(self) -> _Cost:
        char = self.take()
        if char.isdigit():
            raise ValueError("a reference to a group is not allowed")
        if char in _ASSERTIONS:
            return _Cost()
        if char == "p" or char == "P":
            raise ValueError("a property of Unicode needs google-re2")
        for name, digits in (("x", 2), ("u", 4), ("U", 8)):
            if char == name:
                self.at += digits
        if not char:
            raise ValueError("it ends with a backslash")
        return _Cost(length=1)


def _cost_of(text: str) -> int:
    reader = _Reader(text.removeprefix("(?i)"))
    cost = reader.alternatives(0)
    if reader.at < len(reader.text):
        raise ValueError("a group is closed that was not opened")
    if cost.length == 0:
        raise ValueError("it matches an empty text")
    return cost.steps


def _re2() -> Any:
    try:
        return importlib.import_module("re2")
    except ImportError:
        return None


class Pattern:
    """One expression. Raises TypeError or ValueError, naming ``argument``."""

    def __init__(self, argument: str, text: str) -> None:
        check_text(argument, text)
        self.text = text
        engine = _re2()
        try:
            # Python's own compiler first: what it refuses is no expression at all.
            if engine is None:
                self._compiled = re.compile(text)
                self.max_length: int | None = STEPS // _cost_of(text)
            else:
                self._compiled = engine.compile(text)
                self.max_length = None
            if self._compiled.search("") is not None:
                raise ValueError("it matches an empty text")
        except Exception as error:
            more = "" if engine is not None else "; with the package google-re2 every expression of RE2 is allowed"
            raise ValueError(f"{argument} {safe_repr(text)} cannot be used: {error}{more}") from None

    def search(self, text: str) -> bool:
        return self._compiled.search(text) is not None

    def matches_whole(self, text: str) -> bool:
        return self._compiled.fullmatch(text) is not None

    def replace(self, text: str, marker: str) -> tuple[str, int]:
        """The text with ``marker`` in place of what matches, and how many matches there were."""
        if self.max_length is not None and len(text) > self.max_length:
            return (text, 0) if text == marker else (marker, 1)
        count = 0

        def replaced(found: Any) -> str:
            nonlocal count
            if found[0] == marker:
                return marker
            count += 1
            return marker

        after = self._compiled.sub(replaced, text)
        return (after, count) if count else (text, 0)
