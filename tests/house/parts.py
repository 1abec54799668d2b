"""What the parts of one extension module, the files that its `__init__.pyx` includes, define and use.

All share one namespace, so that Cython checks neither their order nor, for all kinds of names, that each name is defined
once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from house.rooms import Tree

NOT_CODE = re.compile(r'"""[\s\S]*?"""|#[^\n]*|"[^"\n]*"')
DEFINED = re.compile(
    r"^(?:(?:cdef|cpdef|ctypedef|def|class)\b(?! extern)[^\n=]*?(\w+)(?=\(|:|$| *=|\[)|(\w+)(?= *=))", re.MULTILINE
)
# The names declared in these are global, too: those of an extern block, and the members of an enumeration.
BLOCK = re.compile(r"^cdef (?:enum|extern)\b[^\n]*:\n((?: +[^\n]*\n|\n)+)", re.MULTILINE)
DECLARED = re.compile(r"^    (?!cdef|ctypedef|pass)(?:[^\n=(]*?[ *])?(\w+)(?= *(?:\(|=|$|\"))", re.MULTILINE)
USED = re.compile(r"(?<![\w.])[A-Za-z_]\w*")
KEYWORDS = frozenset(("enum", "struct"))


def parts_of(tree: Tree, module: str) -> list[list[str]]:
    """The files of each part of a module, in the order of inclusion: its .pxi, what that includes, its .pxd."""
    parts = []
    for included in tree.included(module):
        files = list(_with_includes(tree, included))
        declarations = str(PurePosixPath(included).with_suffix(".pxd"))
        parts.append(files + [declarations] * (declarations in tree.files))
    return parts


def _with_includes(tree: Tree, file: str) -> Iterator[str]:
    yield file
    for part in tree.included(file):
        yield from _with_includes(tree, part)


def _code(tree: Tree, file: str) -> str:
    return NOT_CODE.sub(lambda match: "\n" * match[0].count("\n"), tree.text(file))


def _definitions(code: str) -> set[str]:
    found = {match[1] or match[2] for match in DEFINED.finditer(code)}
    for block in BLOCK.finditer(code):
        found |= set(DECLARED.findall(block[1]))
    return found - KEYWORDS


def faults_of_parts(tree: Tree) -> list[str]:
    """Names that two parts of a module define, and uses of a name of a later part.

    The order in which parts are included is thus the order in which they depend on each other, without circles. A name that
    a file itself assigns is a variable of its own.
    """
    found = []
    for module in tree.files:
        if PurePosixPath(module).name != "__init__.pyx":
            continue
        parts = parts_of(tree, module)
        code = {file: _code(tree, file) for part in parts for file in part}
        place: dict[str, int] = {}
        for number, part in enumerate(parts):
            for name in sorted(set().union(*(_definitions(code[file]) for file in part))):
                if name in place:
                    found.append(f"{module}: {name} is defined in {parts[place[name]][0]} and in {part[0]}")
                place[name] = number
        for number, part in enumerate(parts):
            for file in part:
                for line, text in enumerate(code[file].splitlines(), 1):
                    for name in USED.findall(text):
                        if place.get(name, number) > number and not re.search(rf"\b{name} *=[^=]", code[file]):
                            found.append(f"{file}:{line}: {name} is defined in {parts[place[name]][0]}, which comes later")
    return found
