"""Every file uses only what docs/architecture.md puts below it, and no two files or folders use each other."""

from __future__ import annotations

from pathlib import Path

import pytest
from house.parts import faults_of_parts
from house.rooms import (
    NATIVE,
    Order,
    Tree,
    c_that_needs_python,
    circles_of_files,
    circles_of_rooms,
    crowded_folders,
    headers_declared_twice,
    misnamed_includes,
)

ROOT = Path(__file__).resolve().parents[2]
ARCHITECTURE = ROOT / "docs" / "architecture.md"

MAX_FILES = 12
# A few parts each, whose includes begin with the part's name.
LARGER = [f"{NATIVE}/context", f"{NATIVE}/trace", f"{NATIVE}/sampling", f"{NATIVE}/encoding"]

pytestmark = pytest.mark.skipif(not ARCHITECTURE.exists(), reason="docs/ is not here: not a source tree")


@pytest.fixture(scope="module")
def tree() -> Tree:
    return Tree(ROOT)


@pytest.fixture(scope="module")
def order() -> Order:
    return Order.read(ARCHITECTURE.read_text(), ROOT)


def test_the_order_names_folders_and_allows_only_what_is_above(order: Order) -> None:
    assert order.faults == []


def test_no_file_uses_a_room_above_its_own(tree: Tree, order: Order) -> None:
    assert order.violations(tree.uses()) == []


def test_every_file_has_a_room(tree: Tree, order: Order) -> None:
    assert [file for file in tree.product() if order.room(file) is None] == []


def test_every_name_leads_to_a_file(tree: Tree) -> None:
    tree.uses()
    assert tree.faults == set()


def test_no_circle_of_rooms(tree: Tree, order: Order) -> None:
    assert circles_of_rooms(order, tree.uses()) == []


def test_no_circle_of_files(tree: Tree) -> None:
    assert circles_of_files(tree, tree.uses()) == []


def test_c_needs_no_python(tree: Tree) -> None:
    assert c_that_needs_python(tree) == []


def test_every_header_is_declared_once(tree: Tree) -> None:
    assert headers_declared_twice(tree) == []


def test_includes_begin_with_the_name_of_their_part(tree: Tree) -> None:
    assert misnamed_includes(tree) == []


def test_the_parts_of_a_module_use_only_those_included_before(tree: Tree) -> None:
    assert faults_of_parts(tree) == []


def test_no_folder_is_crowded(tree: Tree) -> None:
    assert crowded_folders(tree, MAX_FILES, LARGER) == []


# --- that the checks find what they are for ---------------------------------------------------------------------------

FILES = {
    "csrc/base/ns_base.h": "#include <stdint.h>\n",
    "csrc/queue/ns_ring.h": '#include "base/ns_base.h"\n#include "base/threads.h"\n',
    "csrc/queue/ns_ring.c": '#include "queue/ns_ring.h"\n#include <Python.h>\n',
    "src/nanospan/_native/base/threads.h": "",
    "src/nanospan/_native/base/csrc.pxd": 'cdef extern from "base/ns_base.h" nogil:\n    int ns_one\n',
    "src/nanospan/_native/queue/span_queue.pyx": '"""\nimport nanospan.missing\n"""\ncimport cython\n'
    'from nanospan._native.base.csrc cimport (\n    ns_one,\n)\ninclude "objects.pxi"\n',
    "src/nanospan/_native/queue/objects.pxi": 'cdef extern from *:\n    """\n    #include "queue/ns_ring.h"\n    """\n'
    'cdef extern from "base/ns_base.h":\n    int ns_two\ndef late():\n    from nanospan.tail import plan\n',
    "src/nanospan/_native/queue/unused.pxi": "",
    "src/nanospan/tail/__init__.py": "",
    "src/nanospan/tail/plan.py": "import nanospan.tail.settings as settings\n",
    "src/nanospan/tail/settings.py": "def late():\n    from . import plan\n    import nanospan.gone\n",
}
ROOMS = """```rooms
csrc/base:
csrc/queue: csrc/base
_native/base: csrc/base
_native/queue: csrc, _native/base
tail: _native
```
"""


@pytest.fixture
def faulty(tmp_path: Path) -> tuple[Tree, Order]:
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Tree(tmp_path), Order.read(ROOMS, tmp_path)


def test_each_fault_is_found(faulty: tuple[Tree, Order]) -> None:
    tree, order = faulty
    uses = tree.uses()
    native = "src/nanospan/_native"
    assert order.faults == []
    assert order.violations(uses) == [
        f"csrc/queue/ns_ring.h:2: csrc/queue uses {native}/base/threads.h of _native/base",
        f"{native}/queue/objects.pxi:8: _native/queue uses src/nanospan/tail/plan.py of tail",
    ]
    assert tree.faults == {"src/nanospan/tail/settings.py:3: nanospan.gone is not in the tree"}
    assert circles_of_files(tree, uses) == [["src/nanospan/tail/plan.py", "src/nanospan/tail/settings.py"]]
    assert circles_of_rooms(order, [*uses]) == []
    assert c_that_needs_python(tree) == ["csrc/queue/ns_ring.c: Python.h", f"csrc/queue/ns_ring.h: {native}/base/threads.h"]
    assert headers_declared_twice(tree) == [f"csrc/base/ns_base.h: {native}/base/csrc.pxd, {native}/queue/objects.pxi"]
    assert misnamed_includes(tree) == [f"{native}/queue/objects.pxi", f"{native}/queue/unused.pxi"]
    assert crowded_folders(tree, 2, [f"{native}/queue"]) == ["src/nanospan/tail: 3 files"]


def test_an_order_that_allows_a_circle_or_names_nothing_is_refused(faulty: tuple[Tree, Order]) -> None:
    root = faulty[0].root
    order = Order.read("```rooms\ncsrc/base: csrc/queue\ncsrc/queue: csrc/base\nmessaging: csrc\n```\n", root)
    assert order.faults == ["csrc/base: csrc/queue has no line above it", "messaging: no such folder"]
    assert Order.read("no block", root).faults != []


PARTS = {
    "tail/__init__.pyx": 'include "facts.pxi"\ninclude "policies.pxi"\n',
    "tail/__init__.pxd": 'include "policies.pxd"\ninclude "verdicts.pxd"\n',
    "tail/facts.pxi": 'cdef enum:\n    MAX_FACTS = 2\ncdef int read(object span):\n    """As decide does."""\n'
    "    return decide(span)\ncdef int own():\n    verdict = MAX_FACTS\n    return verdict\n",
    "tail/policies.pxi": 'include "decide.pxi"\ncdef object MAX_FACTS = 3\ncdef int verdict(object span):\n'
    "    return read(span)\n",
    "tail/decide.pxi": "",
    "tail/policies.pxd": "cdef int decide(object span) except -1\n",
    "tail/verdicts.pxd": "",
    "trace/__init__.pyx": "from nanospan._native.tail cimport decide\nfrom nanospan._native.tail.policies cimport decide\n",
}


def test_each_fault_of_parts_is_found(tmp_path: Path) -> None:
    native = "src/nanospan/_native"
    for name, text in PARTS.items():
        (tmp_path / native / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / native / name).write_text(text)
    tree = Tree(tmp_path)
    assert faults_of_parts(tree) == [
        f"{native}/tail/__init__.pyx: MAX_FACTS is defined in {native}/tail/facts.pxi and in {native}/tail/policies.pxi",
        f"{native}/tail/facts.pxi:5: decide is defined in {native}/tail/policies.pxi, which comes later",
    ]
    module, user = f"{native}/tail/__init__.pyx", f"{native}/trace/__init__.pyx"
    assert [use.target for use in tree.uses() if use.file == user] == [module]
    assert tree.faults == {f"{user}:2: nanospan._native.tail.policies is a part of {module}, not a module"}
    assert misnamed_includes(tree) == [f"{native}/tail/decide.pxi", f"{native}/tail/verdicts.pxd"]
