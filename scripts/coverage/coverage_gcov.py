"""Reads what gcov has counted, in C and in the Cython that C was made from, and adds up what several runs did.

gcovr's markers, in a comment beside the code, leave it out: GCOVR_EXCL_LINE a line, GCOVR_EXCL_START and GCOVR_EXCL_STOP the
lines between them, GCOVR_EXCL_BR_LINE the branches of a line, GCOVR_EXCL_FUNCTION the function that begins there.

gcovr itself cannot read Cython with `emit_linenums`: one `#line` may precede several lines of C, and gcov counts those after
the first as the next lines of the .pyx, comments and blank lines among them.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePath

NATIVE = "src/nanospan/_native"
CYTHON = (".pyx", ".pxi", ".pxd")

# Where a function or a class begins in Cython; what stands before the name may be a type of any kind.
BLOCK = re.compile(r"^(?P<indent> *)(?:async )?(?:def|cdef|cpdef|class)\b[^=#]*?(?P<name>\w+)(?=\(|:)")

MARKER = re.compile(r"GCOVR_EXCL_(LINE|START|STOP|BR_LINE|FUNCTION)\b")

# What Cython writes before the C of a statement, and behind that of the last one of a function.
STATEMENT = re.compile(r' */\* "([^"]+)":([0-9]+)$')
END_OF_CODE = "/* function exit code */"


@dataclass
class Line:
    """How often a line ran, and each way out of the conditions in it, by the function that it is part of."""

    count: int = 0
    branches: dict[str, list[int]] = field(default_factory=dict)

    def add(self, function: str, count: int, branches: list[int]) -> None:
        self.count += count
        known = self.branches.get(function)
        if not known:
            self.branches[function] = branches
        elif len(known) == len(branches):
            self.branches[function] = [a + b for a, b in zip(known, branches, strict=True)]
        elif _taken(branches) > _taken(known):
            # Compiled twice with different macros, as test_ring_races.c does: the ways out cannot be told apart.
            self.branches[function] = branches

    @property
    def ways(self) -> list[int]:
        return [count for branches in self.branches.values() for count in branches]


def _taken(branches: list[int]) -> int:
    return sum(count > 0 for count in branches)


@dataclass
class Source:
    """One source file: its lines with code, and where each function begins."""

    path: str
    lines: dict[int, Line] = field(default_factory=lambda: defaultdict(Line))
    functions: dict[int, str] = field(default_factory=dict)

    @property
    def cython(self) -> bool:
        return self.path.endswith(CYTHON)

    @property
    def has_branches(self) -> bool:
        """Not for Cython, whose C has a branch for each error that a call might meet."""
        return not self.cython

    def totals(self) -> tuple[int, int, int, int]:
        """Lines that ran, lines, ways that were taken, ways."""
        ways = [count for line in self.lines.values() for count in line.ways] if self.has_branches else []
        return sum(line.count > 0 for line in self.lines.values()), len(self.lines), _taken(ways), len(ways)

    def function_at(self, number: int) -> str:
        return self.functions[max((start for start in self.functions if start <= number), default=0)]

    def gaps(self) -> list[tuple[int, str, str]]:
        """Line, function, and what is missing there."""
        found = []
        for number, line in sorted(self.lines.items()):
            if line.count == 0:
                found.append((number, self.function_at(number), "never run"))
            elif self.has_branches and 0 in line.ways:
                missed = line.ways.count(0)
                found.append((number, self.function_at(number), f"{missed} of {len(line.ways)} ways never taken"))
        return found


def read(folders: Iterable[Path], root: Path) -> dict[str, Source]:
    """All sources of nanospan that the objects in ``folders`` were compiled from, by their path below ``root``.

    Raises:
        subprocess.CalledProcessError: gcov cannot read a file, which comes of another compiler's gcov.
    """
    sources: dict[str, Source] = {}
    for folder in folders:
        for notes in sorted(folder.rglob("*.gcno")):
            data = notes.with_suffix(".gcda")
            command = ["gcov", "--json-format", "--stdout", "--branch-probabilities", data if data.exists() else notes]
            printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
            for document in printed.splitlines():
                for file in json.loads(document)["files"]:
                    _add(sources, file, root)
    for source in sources.values():
        text = (root / source.path).read_text().splitlines()
        source.functions = {0: "module", **(_cython_blocks(text) if source.cython else source.functions)}
        _leave_out(source, text)
    return dict(sorted(sources.items()))


def _leave_out(source: Source, text: list[str]) -> None:
    left_out: set[str] = set()
    between = False
    for number, line in enumerate(text, 1):
        found = MARKER.findall(line)
        between = (between or "START" in found) and "STOP" not in found
        if "FUNCTION" in found:
            left_out.add(source.function_at(number))
        if between or "LINE" in found:
            source.lines.pop(number, None)
        elif "BR_LINE" in found and number in source.lines:
            source.lines[number].branches.clear()
    for number in [number for number in source.lines if source.function_at(number) in left_out]:
        del source.lines[number]


def _add(sources: dict[str, Source], file: dict, root: Path) -> None:
    made_from = root / file["file"]
    if made_from.suffix == ".c" and NATIVE in file["file"] and made_from.exists():
        _add_cython(sources, file, _statements(made_from))
    path = _path_below_root(file["file"])
    if path is None:
        return
    source = sources.setdefault(path, Source(path))
    for function in file["functions"]:
        source.functions[function["start_line"]] = function["name"]
    for line in file["lines"]:
        ways = [branch["count"] for branch in line["branches"]]
        source.lines[line["line_number"]].add(line.get("function_name", ""), line["count"], ways)


def _add_cython(sources: dict[str, Source], file: dict, statements: dict[int, tuple[str, int]]) -> None:
    """A statement ran as often as what ran most often of the C that it became."""
    most: dict[tuple[str, int], int] = {}
    for line in file["lines"]:
        if statement := statements.get(line["line_number"]):
            most[statement] = max(line["count"], most.get(statement, 0))
    for (path, number), count in most.items():
        sources.setdefault(path, Source(path)).lines[number].add("", count, [])


def _statements(module: Path) -> dict[int, tuple[str, int]]:
    """The statement that each line of a module's C comes from, by the comments that Cython puts before it."""
    found: dict[int, tuple[str, int]] = {}
    statement: tuple[str, int] | None = None
    for number, line in enumerate(module.read_text().splitlines(), 1):
        if match := STATEMENT.match(line):
            path = _path_below_root(match[1])
            statement = (path, int(match[2])) if path else None
        elif line == "}" or line.endswith(END_OF_CODE):
            statement = None
        elif statement:
            found[number] = statement
    return found


def _path_below_root(name: str) -> str | None:
    path = PurePath(name)
    if "_native" in path.parts and path.suffix in (*CYTHON, ".h"):
        return "/".join([NATIVE, *path.parts[path.parts.index("_native") + 1 :]])
    if path.name.startswith("ns_") and not {"tests", "_native"} & set(path.parts):
        below = path.parts[len(path.parts) - path.parts[::-1].index("csrc") :] if "csrc" in path.parts else path.parts
        return "/".join(["csrc", *below])
    return None


def _cython_blocks(text: list[str]) -> dict[int, str]:
    """The innermost function or class of each line where it changes, with its classes: ``Span.end``."""
    blocks: dict[int, str] = {}
    open_blocks: list[tuple[int, str]] = []
    for number, line in enumerate(text, 1):
        if not line.strip() or line.lstrip().startswith((")", "#")):
            continue
        indent = len(line) - len(line.lstrip())
        while open_blocks and open_blocks[-1][0] >= indent:
            open_blocks.pop()
        if (match := BLOCK.match(line)) and "extern from" not in line:
            open_blocks.append((indent, match["name"]))
        blocks[number] = ".".join(name for _, name in open_blocks) or "module"
    return blocks
