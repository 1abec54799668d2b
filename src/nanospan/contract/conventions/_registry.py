"""The attributes of the semantic conventions, and what became of each name, at one version.

The data is written by ``scripts/semconv/generate.py``. It describes the attributes of version 1.45, the newest it knows; of
older versions it knows which names they deprecated, not which attributes they did not have yet.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

__all__ = ["NEWEST", "OLDEST", "Attribute", "Change", "Registry", "registry"]

OLDEST: Final = (1, 21)
NEWEST: Final = (1, 45)
"""The versions that `registry` takes."""

_DATA = Path(__file__).with_name("data")
_MOVED = "moved"
"""The change that deprecates nothing: the attribute's text is in another registry now."""


class Attribute(NamedTuple):
    """What the registry says of an attribute."""

    type: str
    """One of ``any``, ``string``, ``int``, ``double``, ``boolean``, and ``string[]``, ``int[]``."""
    stable: bool
    members: frozenset[str | int] | None
    """The values of an enum."""


class Change(NamedTuple):
    """What the conventions have in place of a deprecated attribute."""

    since: str
    """The version that deprecated the name; empty if unknown."""
    new: tuple[str, ...]
    """The names of now that the registry points to; templates end with ``.<key>``."""
    how: str
    """``renamed``: the same attribute under one new name. ``by_span``: one of ``new``, by the kind of the span. ``type``,
    ``merged``, ``split``: the value changes too. ``removed``: nothing takes its place."""


class Registry:
    """The conventions at one version."""

    def __init__(self, version: tuple[int, int]) -> None:
        self.attributes: dict[str, Attribute] = {}
        self._templates: dict[str, str] = {}
        self._steps: dict[str, tuple[str, str, str]] = {}
        self._values: dict[str, dict[str, str | None]] = {}
        for key, kind, stability, members in _rows("attributes.tsv"):
            values = frozenset(int(one) if kind == "int" else one for one in members.split("|")) if members else None
            self.attributes[key] = Attribute(kind, stability == "stable", values)
        for old, since, new, how in _rows("renames.tsv"):
            if how == "metric":
                self.attributes.pop(old, None)
            elif _version(since) <= version:
                self._steps[old] = (since, new, how)
        for key, value, since, _, new_value in _rows("values.tsv"):
            if _version(since) <= version:
                self._values.setdefault(key, {})[value] = None if new_value == "-" else new_value
        self.roots = frozenset(key.partition(".")[0] for key in self.attributes if "." in key)
        """The first parts of all names."""
        for key in (*self.attributes, *self._steps):
            if key.endswith(".<key>"):
                self._templates[key.removesuffix("<key>")] = key

    def template_of(self, key: str) -> str | None:
        """The template, as ``http.request.header.<key>``, that ``key`` is an instance of, the longest that fits."""
        end = key.rfind(".")
        while end > 0:
            found = self._templates.get(key[: end + 1])
            if found is not None and end + 1 < len(key):
                return found
            end = key.rfind(".", 0, end)
        return None

    def change(self, key: str) -> Change | None:
        """What became of ``key``, or of the template with that name; None if it is not deprecated."""
        step = self._steps.get(key)
        if step is None or step[2] == _MOVED:
            return None
        first, seen = step[0], {key}
        while True:
            _, new, how = step
            names = () if new == "-" else tuple(new.split("|"))
            after = self._steps.get(new) if how == "renamed" and new not in seen else None
            if after is None or after[2] == _MOVED:
                break
            seen.add(new)
            step = after
        return Change("" if first == "0" else first, names, how)

    def value_changes(self, key: str) -> dict[str, str | None]:
        """By deprecated value of the enum ``key`` the new one; None: there is none."""
        return self._values.get(key, {})

    def deprecated(self) -> list[str]:
        """The deprecated names, sorted; templates end with ``.<key>``."""
        return sorted(key for key in self._steps if self.change(key) is not None)


@lru_cache(maxsize=4)
def registry(version: tuple[int, int]) -> Registry:
    """The registry at ``version``, read once."""
    return Registry(version)


def _rows(name: str) -> list[list[str]]:
    return [line.split("\t") for line in (_DATA / name).read_text(encoding="utf-8").splitlines()[1:]]


def _version(text: str) -> tuple[int, int]:
    numbers = [int(part) for part in text.split(".")]
    return (numbers[0], numbers[1]) if len(numbers) > 1 else (0, 0)
