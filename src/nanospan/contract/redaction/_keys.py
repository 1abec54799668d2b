"""Sensitive keys, and whether the key of an attribute is one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from nanospan._common.arguments import check_bool, check_text, safe_repr

__all__ = ["MATCHES", "KeySet", "SensitiveKey", "fold"]

MATCHES: Final = ("any_end", "word_end", "whole")
_MARKS: Final = "-_."
MIN_KEY, MAX_KEY = 2, 64


def fold(key: str) -> str:
    """The key in lower case, without the marks between its words: ``X-Api-Key`` is ``xapikey``, ``apiKey`` is ``apikey``."""
    return "".join(char for char in key if char not in _MARKS).lower()


@dataclass(frozen=True, slots=True)
class SensitiveKey:
    """A key whose value is a secret, in attributes, URLs, headers, JSON and other texts. Raises TypeError, ValueError.

    Case and the marks ``-``, ``_`` and ``.`` do not count. ``match`` says how the key of a text must agree; for ``token``:
    ``any_end`` takes ``csrftoken`` too, ``word_end`` what ends with the word, as ``access_token`` and ``accessToken`` do,
    ``whole`` only ``token`` itself.
    """

    name: str
    match: Literal["any_end", "word_end", "whole"] = "word_end"
    weak: bool = False
    """Also a word of plain language: behind a colon in a text, only a value of eight characters with a digit counts."""
    line: bool = False
    """The name of a header whose value goes on to the end of the line."""

    def __post_init__(self) -> None:
        check_text("name", self.name)
        folded = fold(self.name)
        if not folded.isalnum() or not folded.isascii() or not MIN_KEY <= len(folded) <= MAX_KEY:
            raise ValueError(
                f"name must have {MIN_KEY} to {MAX_KEY} letters and digits of ASCII, with - _ . between them, "
                f"not {safe_repr(self.name)}"
            )
        if self.match not in MATCHES:
            raise ValueError(f"match must be one of {', '.join(MATCHES)}, not {safe_repr(self.match)}")
        check_bool("weak", self.weak)
        check_bool("line", self.line)


class KeySet:
    """The sensitive keys of a policy, asked once for each key of an attribute."""

    def __init__(self, keys: Iterable[SensitiveKey]) -> None:
        self._keys = [(fold(key.name), key.match) for key in keys]

    def has(self, key: str) -> bool:
        """Whether the key of an attribute is sensitive. ``whole`` asks for all that stands behind its last dot."""
        folded, begins = _words(key)
        for name, match in self._keys:
            if not folded.endswith(name):
                continue
            begin = len(folded) - len(name)
            if match == "any_end" or begins[begin] == "part" or (match == "word_end" and begins[begin] == "word"):
                return True
        return False


def _words(key: str) -> tuple[str, list[str]]:
    """The folded key, and for each of its characters what begins there: a ``part`` between dots, a ``word``, or nothing."""
    folded: list[str] = []
    begins: list[str] = []
    before = "."
    for char in key:
        if char not in _MARKS:
            if before == "." or not (before.isalnum() or before in _MARKS):
                begin = "part"
            elif before in _MARKS or (char.isupper() and not before.isupper()):
                begin = "word"
            else:
                begin = ""
            folded.append(char.lower()[:1])
            begins.append(begin)
        before = char
    return "".join(folded), begins
