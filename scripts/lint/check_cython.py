"""Checks that no Cython source has a form whose generated C frees an object twice when memory is short.

    python scripts/lint/check_cython.py [FOLDER...]     # exit status 1 if a source has one; needs Cython

Cython 3.3.1 appends the items of a list comprehension with a function that releases the item even if the append fails, and
then releases it again. It makes the same code of a generator expression in a call (list, tuple, sorted, str.join), and of
the items that follow a `*` in a list or tuple. docs/evidence/cython.md has a reproduction. Set and dict comprehensions are
right.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from Cython.Compiler.TreeFragment import parse_from_strings
from Cython.Compiler.Visitor import TreeVisitor

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("src/nanospan/_native", "tests/native")
SUFFIXES = {".pyx", ".pxi", ".pxd"}
REASON = "drops an item twice if memory is short (docs/evidence/cython.md): write a loop with append"


class Forms(TreeVisitor):
    """Collects ``(line, form)``."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[int, str]] = []

    def visit_Node(self, node: object) -> None:
        self.visitchildren(node)

    def visit_ComprehensionNode(self, node) -> None:
        if node.type.name == "list":
            self.found.append((node.pos[1], "a list comprehension"))
        self.visitchildren(node)

    def visit_GeneratorExpressionNode(self, node) -> None:
        self.found.append((node.pos[1], "a generator expression"))
        self.visitchildren(node)

    def visit_SequenceNode(self, node) -> None:
        starred = [item.is_starred for item in node.args]
        if True in starred and not all(starred[starred.index(True) :]):
            self.found.append((node.pos[1], "an item after a * in a list or tuple"))
        self.visitchildren(node)

    def visit_SingleAssignmentNode(self, node) -> None:
        self.visit(node.rhs)  # a * on the left side takes items apart


def forms_in(source: str, *, is_pxd: bool) -> list[tuple[int, str]]:
    """The forbidden forms of one source, with their lines."""
    forms = Forms()
    # Each included file is read as a source of its own.
    alone = re.sub(r"^include .*$", "pass", source, flags=re.MULTILINE)
    forms.visit(parse_from_strings("source", alone, level="module_pxd" if is_pxd else "module"))
    return forms.found


def main(folders: list[str]) -> int:
    sources = [path for folder in folders for path in sorted((ROOT / folder).rglob("*")) if path.suffix in SUFFIXES]
    faults = [
        f"{path}:{line}: {form} {REASON}"
        for path in sources
        for line, form in forms_in(path.read_text(), is_pxd=path.suffix == ".pxd")
    ]
    print("\n".join(faults) or f"{len(sources)} Cython sources: no form that frees an object twice")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(FOLDERS)))
