"""What each file of nanospan imports, cimports and includes, and the order that docs/architecture.md allows it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

CSRC = "csrc"
PACKAGE = "src/nanospan"
NATIVE = "src/nanospan/_native"

CYTHON = (".pyx", ".pxd", ".pxi")
SOURCES = (".c", ".h", ".py", ".pyi", *CYTHON)

BLOCK = re.compile(r"^```rooms\n(.*?)^```", re.MULTILINE | re.DOTALL)
C_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^">]+)[">]', re.MULTILINE)
EXTERN_FROM = re.compile(r'^[ \t]*cdef[ \t]+extern[ \t]+from[ \t]+"([^"]+)"', re.MULTILINE)
# A block that holds only `pass` brings the header into the C, and declares nothing.
EMPTY_BLOCK = re.compile(r"[^\n]*:[^\n]*\n[ \t]+pass\b")
CYTHON_INCLUDE = re.compile(r'^[ \t]*include[ \t]+"([^"]+)"', re.MULTILINE)
CYTHON_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+c?import[ \t]*(\([^)]*\)|[^\n]+)|c?import[ \t]+([^\n]+))", re.MULTILINE
)
NOT_CODE = re.compile(r'"""[\s\S]*?"""|#[^\n]*')


@dataclass(frozen=True, order=True)
class Use:
    """One file names another one, at a line. Paths are relative to the root of the tree."""

    file: str
    line: int
    target: str


@dataclass
class Tree:
    """The sources below ``root``, which is a checkout of the project."""

    root: Path
    files: list[str] = field(init=False)
    faults: set[str] = field(init=False, default_factory=set)
    """Names of the project that lead to no file; known once the uses have been read."""

    def __post_init__(self) -> None:
        self.files = sorted(
            path.relative_to(self.root).as_posix()
            for folder in (CSRC, PACKAGE)
            for path in (self.root / folder).rglob("*")
            if path.suffix in SOURCES and not self._is_generated(path)
        )
        self._known = frozenset(self.files)
        self._owner = {part: file for file in self.files for part in self.included(file)}

    def _is_generated(self, path: Path) -> bool:
        inner = path.relative_to(self.root).parts
        return "build" in inner or (inner[0] == "src" and path.suffix == ".c")

    def text(self, file: str) -> str:
        return (self.root / file).read_text()

    def product(self) -> list[str]:
        """The sources without the C tests, which may use every folder of csrc/."""
        return [file for file in self.files if not file.startswith(f"{CSRC}/tests/")]

    def uses(self) -> list[Use]:
        return sorted({use for file in self.product() for use in self._uses_of(file) if use.target != file})

    def _uses_of(self, file: str) -> Iterator[Use]:
        if file.endswith((".py", ".pyi")):
            yield from self._python_imports(file)
            return
        text = self.text(file)
        yield from self._c_includes(file, text)
        if file.endswith(CYTHON):
            yield from self._cython_imports(file, text)

    def _python_imports(self, file: str) -> Iterator[Use]:
        package = file.removeprefix("src/").rpartition("/")[0].split("/")
        for node in ast.walk(ast.parse(self.text(file))):
            if isinstance(node, ast.Import):
                named = [(alias.name, None) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = package[: len(package) - node.level + 1] if node.level else []
                module = ".".join([*base, *([node.module] if node.module else [])])
                named = [(module, alias.name) for alias in node.names]
            else:
                continue
            for module, name in named:
                if target := self._module(file, node.lineno, module, name):
                    yield Use(file, node.lineno, target)

    def _cython_imports(self, file: str, text: str) -> Iterator[Use]:
        # Line numbers must stay what they are.
        code = NOT_CODE.sub(lambda match: "\n" * match[0].count("\n"), text)
        for match in CYTHON_IMPORT.finditer(code):
            line = code.count("\n", 0, match.start()) + 1
            module, names, modules = match.groups()
            listed = [part.split()[0] for part in (names or modules).strip("()").split(",") if part.strip()]
            for name in listed:
                if target := self._module(file, line, module or name, name if module else None):
                    yield Use(file, line, target)
        for match in CYTHON_INCLUDE.finditer(code):
            target = f"{PurePosixPath(file).parent}/{match[1]}"
            if target not in self._known:
                self.faults.add(f"{file}: {match[1]} is not in the tree")
                continue
            yield Use(file, code.count("\n", 0, match.start()) + 1, target)

    def _c_includes(self, file: str, text: str) -> Iterator[Use]:
        found = [(match.start(), match[2]) for match in C_INCLUDE.finditer(text) if match[1] == '"']
        found += [(match.start(), match[1]) for match in EXTERN_FROM.finditer(text)]
        for start, name in found:
            if target := self.header(file, name):
                yield Use(file, text.count("\n", 0, start) + 1, target)

    def header(self, file: str, name: str) -> str | None:
        """The header of the project that ``name`` means in ``file``; None for one of the system."""
        folders = (str(PurePosixPath(file).parent), CSRC, NATIVE)
        return next((path for folder in folders if (path := f"{folder}/{name}") in self._known), None)

    def _module(self, file: str, line: int, module: str, name: str | None) -> str | None:
        """The file of a module of nanospan, or of the module that has ``name``; None for other packages."""
        if module.split(".")[0] != "nanospan":
            return None
        path = "src/" + module.replace(".", "/")
        bases = [path] if name is None else [f"{path}/{name}", path]
        for base in bases:
            for candidate in (f"{base}.py", f"{base}.pyx", f"{base}.pxd", f"{base}/__init__.py", f"{base}/__init__.pyx"):
                if candidate in self._owner:
                    self.faults.add(f"{file}:{line}: {module} is a part of {self.unit(candidate)}, not a module")
                    return None
                if candidate in self._known:
                    return candidate
        self.faults.add(f"{file}:{line}: {module} is not in the tree")
        return None

    def unit(self, file: str) -> str:
        """The module that a file is a part of: an extension module is its .pyx, .pxd, .pyi and includes together."""
        while file in self._owner:
            file = self._owner[file]
        path = PurePosixPath(file)
        return str(path.with_suffix(".pyx")) if path.suffix in (".pxd", ".pyi") else file

    def included(self, file: str) -> list[str]:
        """The files that a Cython file includes, in their order."""
        if not file.endswith(CYTHON):
            return []
        return [f"{PurePosixPath(file).parent}/{name}" for name in CYTHON_INCLUDE.findall(self.text(file))]


@dataclass
class Order:
    """The lines of the block ``rooms``: each folder, or file, with the folders that it may use.

    A line allows only folders of lines above it, so no circle can be allowed. A folder of a line stands for those below it
    that have no line of their own; a folder that is allowed stands for all below it.
    """

    rooms: dict[str, list[str]]
    faults: list[str]

    @classmethod
    def read(cls, text: str, root: Path) -> Order:
        blocks = BLOCK.findall(text)
        if len(blocks) != 1:
            return cls({}, [f"docs/architecture.md has {len(blocks)} blocks with the info string `rooms`, not 1"])
        rooms: dict[str, list[str]] = {}
        faults: list[str] = []
        for line in filter(None, (line.strip() for line in blocks[0].splitlines())):
            name, _, allowed = line.partition(":")
            room = _folder(root, name)
            if room is None:
                faults.append(f"{name}: no such folder")
                continue
            rooms[room] = []
            for other in filter(None, (part.strip() for part in allowed.split(","))):
                found = [above for above in rooms if _is_in(above, _folder(root, other)) and above != room]
                if not found:
                    faults.append(f"{name}: {other} has no line above it")
                rooms[room] += found
        return cls(rooms, faults)

    def room(self, file: str) -> str | None:
        return max((room for room in self.rooms if _is_in(file, room)), key=len, default=None)

    def violations(self, uses: Iterable[Use]) -> list[str]:
        """The uses that the order does not allow, each with its place."""
        found = []
        for use in uses:
            here, there = self.room(use.file), self.room(use.target)
            if here is None or there is None:
                lost = use.file if here is None else use.target
                found.append(f"{lost}: in no room of docs/architecture.md")
            elif here != there and there not in self.rooms[here]:
                found.append(f"{use.file}:{use.line}: {short(here)} uses {use.target} of {short(there)}")
        return sorted(set(found))


def short(room: str) -> str:
    return room.removeprefix(f"{PACKAGE}/")


def _folder(root: Path, name: str) -> str | None:
    name = name.strip().strip("`").rstrip("/")
    candidates = (name, f"{PACKAGE}/{name}", f"src/{name}")
    return next((path for path in candidates if name and (root / path).exists()), None)


def _is_in(path: str, folder: str | None) -> bool:
    return folder is not None and (path == folder or path.startswith(f"{folder}/"))


def circles(edges: Iterable[tuple[str, str]]) -> list[list[str]]:
    """The sets of nodes that reach each other, by Tarjan's algorithm; a node alone is none."""
    graph: dict[str, list[str]] = {}
    for start, end in edges:
        graph.setdefault(start, []).append(end)
        graph.setdefault(end, [])
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            members = stack[stack.index(node) :]
            del stack[-len(members) :]
            if len(members) > 1:
                found.append(sorted(members))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return sorted(found)


def circles_of_files(tree: Tree, uses: Iterable[Use]) -> list[list[str]]:
    unit = {file: tree.unit(file) for file in tree.files}
    pairs = {(unit[use.file], unit.get(use.target, use.target)) for use in uses}
    return circles(pair for pair in sorted(pairs) if pair[0] != pair[1])


def circles_of_rooms(order: Order, uses: Iterable[Use]) -> list[list[str]]:
    pairs = {(order.room(use.file), order.room(use.target)) for use in uses}
    return circles((short(a), short(b)) for a, b in sorted(pairs, key=str) if a and b and a != b)


def headers_declared_twice(tree: Tree) -> list[str]:
    """Headers of the project that more than one Cython file declares."""
    declared: dict[str, set[str]] = {}
    for file in tree.product():
        if file.endswith(CYTHON):
            text = tree.text(file)
            for match in EXTERN_FROM.finditer(text):
                header = tree.header(file, match[1])
                if header and not EMPTY_BLOCK.match(text, match.end()):
                    declared.setdefault(header, set()).add(file)
    return [f"{header}: {', '.join(sorted(files))}" for header, files in sorted(declared.items()) if len(files) > 1]


def misnamed_includes(tree: Tree) -> list[str]:
    """Includes of a part that do not begin with the part's name, and those that nothing includes.

    What a room's `__init__.pyx` includes is named by its content; a .pxd that `__init__.pxd` includes bears the name of the
    part that it declares.
    """
    included = {part: file for file in tree.files for part in tree.included(file)}
    found = [file for file in tree.files if file.endswith(".pxi") and file not in included]
    for part, file in included.items():
        path, stem = PurePosixPath(part), PurePosixPath(file).stem
        if stem != "__init__":
            named = path.name.startswith(f"{stem}_")
        else:
            named = path.suffix == ".pxi" or str(path.with_suffix(".pxi")) in included
        if not named:
            found.append(part)
    return sorted(found)


def crowded_folders(tree: Tree, limit: int, larger: Iterable[str]) -> list[str]:
    """Folders with more source files than ``limit``, other than those of ``larger``."""
    counts: dict[str, int] = {}
    for file in tree.files:
        folder = str(PurePosixPath(file).parent)
        counts[folder] = counts.get(folder, 0) + 1
    for folder in larger:
        counts.pop(folder, None)
    return [f"{folder}: {count} files" for folder, count in sorted(counts.items()) if count > limit]


def c_that_needs_python(tree: Tree) -> list[str]:
    """Files of csrc/ that include a header of CPython or of _native."""
    found = []
    for file in tree.files:
        if file.startswith(f"{CSRC}/"):
            names = [match[2] for match in C_INCLUDE.finditer(tree.text(file))]
            for name in (tree.header(file, name) or name for name in names):
                if PurePosixPath(name).name == "Python.h" or name.startswith("src/"):
                    found.append(f"{file}: {name}")
    return found
