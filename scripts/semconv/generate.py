"""Write the data of ``nanospan.contract.conventions`` from packages of the registries and the tables beside this file.

    python scripts/semconv/generate.py PACKAGES [--fetch] [--output FOLDER]

PACKAGES is the folder of the downloaded packages; ``--fetch`` fills it. ``history.tsv`` and ``values.tsv`` hold what the
packages do not say: the version of each rename, names that the registry has forgotten, and which renames are more than a new
name. The output is the renames on which the package for Python and the data differ.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from packages import VERSION, Attribute, attributes, fetch, python_attributes

HERE = Path(__file__).parent
DATA = HERE.parents[1] / "src" / "nanospan" / "contract" / "conventions" / "data"
UNKNOWN = "0"
"""In the column of versions: before the first version that the sources tell apart."""
SPECIAL = {
    "peer.service": "by_span",
    "pool.name": "metric",
    "service.peer.name": "by_span",
    "service.peer.namespace": "by_span",
    "state": "metric",
}
"""Kinds of change that the text of the deprecation does not tell. ``metric``: the key was one of metrics only."""
OPEN_ENUMS = {"error.type"}
"""Enums with a member for "anything else": of such an attribute any value is meant."""


class Step(NamedTuple):
    """One change of one key, as in ``history.tsv``."""

    old: str
    since: str
    new: str
    how: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", type=Path)
    parser.add_argument("--fetch", action="store_true")
    parser.add_argument("--output", type=Path, default=DATA)
    arguments = parser.parse_args()
    if arguments.fetch:
        fetch(arguments.packages)
    for name, lines in generated(arguments.packages).items():
        (arguments.output / name).write_text("".join(line + "\n" for line in lines))
    for line in disagreements(arguments.packages):
        print(line)


def generated(folder: Path) -> dict[str, list[str]]:
    """The lines of each file of the data, by the file's name."""
    registry = attributes(folder)
    changes = steps(registry, python_attributes(folder))
    return {
        "attributes.tsv": ["key\ttype\tstability\tmembers", *map(_attribute_line, _by_key(registry.values()))],
        "renames.tsv": ["old\tsince\tnew\thow", *("\t".join(step) for step in changes)],
        "values.tsv": ["key\tvalue\tsince\tnew_key\tnew_value", *_value_lines(registry)],
    }


def steps(registry: dict[str, Attribute], python: dict[str, str | None]) -> list[Step]:
    """Every change of a key: the registry's word where it has one, else the history's.

    ``python`` tells what the release before the registry's deprecated already.
    """
    history = _history(registry)
    found: dict[tuple[str, str], Step] = {}
    for step in history:
        current = registry.get(step.old)
        if current is None or current.deprecated is not None:
            found[step.old, step.since] = step
    for one in registry.values():
        if one.deprecated is None:
            continue
        new, how = _meaning(one.deprecated, registry)
        earlier = [step for step in history if step.old == one.key]
        same = [step for step in earlier if step.new == new]
        if same:
            since, how = same[-1].since, how if same[-1].how == "renamed" else same[-1].how
        elif earlier and how != "renamed" and earlier[-1].how != "renamed":
            since, new, how = earlier[-1].since, earlier[-1].new if new == "-" else new, earlier[-1].how
        else:
            known = python.get(one.key.removesuffix(".<key>")) is not None
            since = UNKNOWN if known and not earlier else VERSION
        found[one.key, since] = Step(one.key, since, new, SPECIAL.get(one.key, how))
    return sorted((_checked(step, registry) for step in found.values()), key=lambda step: (step.old, version_of(step.since)))


def disagreements(folder: Path) -> list[str]:
    """Renames that the package for Python tells, and the data does not, and the other way round; the first line counts."""
    python = {}
    for key, text in python_attributes(folder).items():
        if exact := re.fullmatch(r"Replaced by `([^`]+)`\.", text or ""):
            python[key] = exact[1]
    registry = attributes(folder)
    here: dict[str, set[str]] = {}
    for step in steps(registry, python_attributes(folder)):
        here.setdefault(step.old.removesuffix(".<key>"), set()).update(step.new.replace(".<key>", "").split("|"))
    agree = [key for key, new in python.items() if new in here.get(key, ())]
    lines = [f"{key}: the package for Python says {new}" for key, new in sorted(python.items()) if key not in agree]
    for one in _by_key(registry.values()):
        exact = re.fullmatch(r"Replaced by `([^`]+)`\.", one.deprecated or "")
        if exact and one.key.removesuffix(".<key>") not in python:
            lines.append(f"{one.key}: {exact[1]}, which the package for Python does not say")
    return [f"{len(agree)} of {len(python)} renames of the package for Python agree", *lines]


def version_of(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def _attribute_line(one: Attribute) -> str:
    members = "" if one.key in OPEN_ENUMS else "|".join(str(member) for member in sorted(one.members, key=str))
    return f"{one.key}\t{one.type}\t{'stable' if one.stable else 'development'}\t{members}"


def _by_key(found: Iterable[Attribute]) -> list[Attribute]:
    return sorted(found, key=lambda one: one.key)


def _history(registry: dict[str, Attribute]) -> list[Step]:
    """The history's rows by version; a template that the history writes without its end gets it."""
    rows = [Step(*line.split("\t")) for line in (HERE / "history.tsv").read_text().splitlines()[1:]]

    def whole(key: str) -> str:
        return f"{key}.<key>" if key not in registry and f"{key}.<key>" in registry else key

    rows = [step._replace(old=whole(step.old), new=whole(step.new)) for step in rows]
    return sorted(rows, key=lambda step: version_of(step.since))


def _meaning(text: str, registry: dict[str, Attribute]) -> tuple[str, str]:
    """The new names, or ``-``, and the kind of change that the text of a deprecation tells."""
    if exact := re.match(r"Replaced by `([^`]+)`[.,]", text):
        new = exact[1]
        return f"{new}.<key>" if f"{new}.<key>" in registry and new not in registry else new, "renamed"
    if text.startswith("Moved to the"):
        return "-", "moved"
    named = [name for name in dict.fromkeys(re.findall(r"`([a-z0-9_.]+)`", text)) if _known(name, registry)]
    if not named or text.startswith("Use domain-specific"):
        return "-", "removed"
    return "|".join(named), "split" if len(named) > 1 else "merged"


def _known(name: str, registry: dict[str, Attribute]) -> bool:
    return name in registry or f"{name}.<key>" in registry


def _checked(step: Step, registry: dict[str, Attribute]) -> Step:
    """The step, of kind ``type`` if it changes the attribute's type."""
    old, new = registry.get(step.old), registry.get(step.new)
    if step.how == "renamed" and old is not None and new is not None and old.type != new.type:
        return step._replace(how="type")
    return step


def _value_lines(registry: dict[str, Attribute]) -> list[str]:
    rows = {}
    for one in registry.values():
        for member, text in one.members.items():
            if text is not None:
                exact = re.match(r"Replaced by `([^`]+)`", text)
                if exact is None or exact[1] != member:
                    new = (one.key, exact[1]) if exact else ("-", "-")
                    rows[one.key, str(member), UNKNOWN] = (one.key, str(member), UNKNOWN, *new)
    for line in (HERE / "values.tsv").read_text().splitlines()[1:]:
        key, value, since, *new = line.split("\t")
        rows.pop((key, value, UNKNOWN), None)
        rows[key, value, since] = (key, value, since, *new)
    return ["\t".join(row) for row in sorted(rows.values(), key=lambda row: (row[0], row[1], version_of(row[2])))]


if __name__ == "__main__":
    main()
