"""A module's syntax tree with what the rules ask of it: parents, functions by name, and comments that permit."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Function", "FunctionNode", "Module", "Scope", "last_name", "root_name", "words_of"]

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.Module

_PERMIT = re.compile(r"#\s*nanospan:\s*loop-ok\b[ \t]*(.*)")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


@dataclass(frozen=True, slots=True)
class Function:
    """A function, a method or a lambda that has a name."""

    node: FunctionNode
    name: str
    owner: ast.AST
    """Where its name is defined: the module, a class or a function."""

    @property
    def is_async(self) -> bool:
        return isinstance(self.node, ast.AsyncFunctionDef)


class Module:
    """The tree of one module. ``lines`` are the lines of its source."""

    def __init__(self, tree: ast.Module, lines: Sequence[str]) -> None:
        self.tree = tree
        self.nodes: list[ast.AST] = []
        self._parents: dict[ast.AST, ast.AST] = {}
        self._names: dict[ast.AST, frozenset[str]] = {}
        self._functions: dict[tuple[ast.AST, str], Function] = {}
        self._permits = {number: match[1].strip() for number, line in enumerate(lines, 1) if (match := _PERMIT.search(line))}
        self._read()

    def _read(self) -> None:
        waiting: list[ast.AST] = [self.tree]
        while waiting:
            node = waiting.pop()
            self.nodes.append(node)
            for child in ast.iter_child_nodes(node):
                self._parents[child] = node
                waiting.append(child)
        for node in self.nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self._define(node, node.name, node)
            elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        self._define(node, target.id, node.value)

    def _define(self, place: ast.AST, name: str, node: FunctionNode) -> None:
        owner = self._owner(place)
        self._functions[owner, name] = Function(node, name, owner)

    def _owner(self, node: ast.AST) -> ast.AST:
        for above in self.above(node):
            if isinstance(above, ast.ClassDef | FunctionNode):
                return above
        return self.tree

    @property
    def functions(self) -> Iterator[Function]:
        yield from self._functions.values()

    def parent(self, node: ast.AST) -> ast.AST | None:
        return self._parents.get(node)

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        """The nodes around ``node``, from the nearest."""
        while (parent := self._parents.get(node)) is not None:
            yield parent
            node = parent

    def path(self, node: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
        """Pairs of child and parent from ``node`` up to the function that holds it."""
        child = node
        for parent in self.above(node):
            if isinstance(parent, FunctionNode):
                return
            yield child, parent
            child = parent

    def scope(self, node: ast.AST) -> Scope:
        """The function whose code ``node`` is, or the module."""
        child = node
        for above in self.above(node):
            if isinstance(above, ast.Lambda) and child is above.body:
                return above
            # Decorators and defaults run where the function is defined.
            if isinstance(above, ast.FunctionDef | ast.AsyncFunctionDef) and child in above.body:
                return above
            child = above
        return self.tree

    def function_called(self, callee: ast.expr) -> Function | None:
        """The function of this module that ``callee`` names, as seen from there; None if that cannot be told."""
        if isinstance(callee, ast.Name):
            return self._seen_from(callee, callee.id)
        if not isinstance(callee, ast.Attribute) or not isinstance(callee.value, ast.Name):
            return None
        if callee.value.id in ("self", "cls"):
            around = (one for one in self.above(callee) if isinstance(one, ast.ClassDef))
            owner = next(around, None)
            return None if owner is None else self._functions.get((owner, callee.attr))
        for node in self.tree.body:
            if isinstance(node, ast.ClassDef) and node.name == callee.value.id:
                return self._functions.get((node, callee.attr))
        return None

    def _seen_from(self, node: ast.AST, name: str) -> Function | None:
        for above in self.above(node):
            if isinstance(above, ast.Lambda | ast.Module) or not isinstance(above, FunctionNode):
                continue
            if (found := self._functions.get((above, name))) is not None:
                return found
            if name in self.names_set_in(above):
                return None
        return self._functions.get((self.tree, name))

    def names_set_in(self, function: FunctionNode) -> frozenset[str]:
        """The names of parameters, and of variables that the code of ``function`` sets."""
        if (known := self._names.get(function)) is not None:
            return known
        arguments = function.args
        every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
        names = {one.arg for one in every if one is not None}
        if not isinstance(function, ast.Lambda):
            names |= {
                node.id for node in self.within(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
            }
        return self._names.setdefault(function, frozenset(names))

    def within(self, scope: Scope) -> Iterator[ast.AST]:
        """The nodes of the code of ``scope``, without that of functions and classes defined in it, in no set order."""
        waiting: list[ast.AST] = [scope.body] if isinstance(scope, ast.Lambda) else list(scope.body)
        while waiting:
            node = waiting.pop()
            yield node
            if isinstance(node, FunctionNode | ast.ClassDef):
                continue
            waiting.extend(ast.iter_child_nodes(node))

    def values_of(self, name: ast.Name) -> list[ast.expr] | None:
        """What the code around assigns to the variable ``name``: None if something else sets it too, or nothing is seen."""
        scope = self.scope(name)
        while True:
            found = self._assigned(scope, name.id)
            if found is not None or scope is self.tree:
                return found or None
            scope = self.scope(scope)

    def _assigned(self, scope: Scope, name: str) -> list[ast.expr] | None:
        values: list[ast.expr] = []
        if isinstance(scope, FunctionNode):
            arguments = scope.args
            every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
            if any(one is not None and one.arg == name for one in every):
                return []
        if isinstance(scope, ast.Lambda):
            return None
        for node in self.within(scope):
            if not (isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)):
                continue
            parent = self.parent(node)
            if isinstance(parent, ast.Assign | ast.NamedExpr) or (isinstance(parent, ast.AnnAssign) and parent.value):
                assert parent.value is not None
                values.append(parent.value)
            elif not isinstance(parent, ast.AnnAssign):
                return []
        return values or None

    def permitted(self, *nodes: ast.AST) -> bool:
        """Whether ``# nanospan: loop-ok`` with a reason stands on the first line of a node, or on the line before it.

        For an expression also of its statement.
        """
        every = [one for node in nodes for one in (node, self._statement_of(node))]
        lines = [line for one in every if isinstance(one, ast.expr | ast.stmt) for line in (one.lineno, one.lineno - 1)]
        return any(self._permits.get(line) for line in lines)

    def _statement_of(self, node: ast.AST) -> ast.AST | None:
        if isinstance(node, ast.stmt):
            return node
        return next((one for one in self.above(node) if isinstance(one, ast.stmt)), None)


def last_name(node: ast.expr | None) -> str:
    """``c`` of ``a.b.c``, ``a.b.c(...)`` and ``a.b.c[...]``; empty if there is none."""
    while True:
        if isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Subscript | ast.Starred | ast.Await):
            node = node.value
        elif isinstance(node, ast.Attribute):
            return node.attr
        else:
            return node.id if isinstance(node, ast.Name) else ""


def root_name(node: ast.expr) -> str:
    """``a`` of ``a.b(...).c[...]``; empty if there is none."""
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Attribute | ast.Subscript | ast.Starred | ast.Await):
            node = node.value
        else:
            return ""
    return node.id


def words_of(name: str) -> list[str]:
    """``order_id`` and ``orderId`` as ``["order", "id"]``."""
    return [word.lower() for word in _WORD.findall(name)]
