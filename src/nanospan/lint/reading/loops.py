"""The loops around a node, and which of them repeat without a bound that the code shows."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nanospan.lint.reading.module import Module, last_name, words_of
from nanospan.lint.reading.vocabulary import ARRIVING, ARRIVING_LATER, CONFIGURED, RECEIVING, RETRY, RUNNING

__all__ = ["SMALL", "Loop", "is_bounded", "loops_around", "repeats"]

SMALL = 8
"""Up to so many turns a loop is no loop for these rules."""

_FEW_ITEMS = 32
_MAX_DEPTH = 8
_PASSED_THROUGH = ("enumerate", "list", "reversed", "set", "sorted", "tuple", "zip")
_VIEWS = ("items", "keys", "values")

Comprehension = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop whose repeated part holds the node in question."""

    node: ast.For | ast.AsyncFor | ast.While | Comprehension
    iterated: ast.expr | None
    """What it goes over; None for ``while``."""
    target: ast.expr | None

    @property
    def line(self) -> int:
        # The clause of a comprehension has no line of its own.
        of_clause = 1 if self.iterated is None else self.iterated.lineno
        return getattr(self.node, "lineno", of_clause)


def loops_around(module: Module, node: ast.AST) -> Iterator[tuple[Loop, bool]]:
    """The loops of the same function that repeat ``node``, from the nearest, each with whether its first turn ends it.

    A turn is the last where ``return``, ``raise`` or ``break`` follows ``node`` in any case.
    """
    leaves_all = leaves_next = False
    for child, parent in module.path(node):
        ends = _ends_after(parent, child)
        leaves_all = leaves_all or ends in ("return", "raise")
        leaves_next = leaves_next or ends == "break"
        for loop in _repeated_by(parent, child):
            yield loop, leaves_all or leaves_next
            leaves_next = False


def _repeated_by(parent: ast.AST, child: ast.AST) -> Iterator[Loop]:
    if isinstance(parent, ast.For | ast.AsyncFor):
        if child in parent.body:
            yield Loop(parent, parent.iter, parent.target)
    elif isinstance(parent, ast.While):
        if child in parent.body or child is parent.test:
            yield Loop(parent, None, None)
    elif isinstance(parent, Comprehension):
        generators: Sequence[ast.comprehension] = parent.generators
        if child in generators:
            generators = generators[: generators.index(child)]
        for one in reversed(generators):
            yield Loop(parent, one.iter, one.target)
    elif isinstance(parent, ast.comprehension) and child is not parent.iter:
        # A condition is asked for each element of the iterable that it stands with.
        yield Loop(parent, parent.iter, parent.target)  # type: ignore[arg-type]


def repeats(module: Module, loop: Loop, node: ast.AST) -> bool:
    """Whether ``loop`` repeats ``node`` without a bound in the code, and not to try again."""
    if module.permitted(loop.node, node) or is_retry(loop) or is_configured(loop):
        return False
    return loop.iterated is None or not is_bounded(module, loop.iterated)


def is_bounded(module: Module, iterated: ast.expr, most: int = SMALL, depth: int = 0) -> bool:
    """Whether the code shows that ``iterated`` has a fixed or a small number of items.

    ``depth`` counts how many variables and parts lie between.
    """
    if depth > _MAX_DEPTH:
        return False
    depth += 1
    if isinstance(iterated, ast.Tuple | ast.List | ast.Set):
        return len(iterated.elts) <= _FEW_ITEMS and not any(isinstance(one, ast.Starred) for one in iterated.elts)
    if isinstance(iterated, ast.Dict):
        return len(iterated.keys) <= _FEW_ITEMS and None not in iterated.keys
    if isinstance(iterated, ast.Constant):
        return True
    if isinstance(iterated, ast.Name):
        values = module.values_of(iterated)
        grows = values is not None and _grows(module, iterated)
        return values is not None and not grows and all(is_bounded(module, one, most, depth) for one in values)
    if isinstance(iterated, Comprehension):
        return all(is_bounded(module, one.iter, most, depth) for one in iterated.generators)
    if isinstance(iterated, ast.IfExp):
        return is_bounded(module, iterated.body, most, depth) and is_bounded(module, iterated.orelse, most, depth)
    if isinstance(iterated, ast.Subscript):
        return isinstance(iterated.slice, ast.Slice) and _is_at_most(module, iterated.slice.upper, most, depth)
    if isinstance(iterated, ast.Call):
        return _is_bounded_call(module, iterated, most, depth)
    return False


def _is_bounded_call(module: Module, call: ast.Call, most: int, depth: int) -> bool:
    name = last_name(call.func)
    if name == "range" and call.args:
        return all(_is_at_most(module, one, most, depth) for one in call.args[:2])
    if name == "islice" and len(call.args) > 1:
        return _is_at_most(module, call.args[min(2, len(call.args) - 1)], most, depth)
    if name == "zip":
        return any(is_bounded(module, one, most, depth) for one in call.args)
    if name in _PASSED_THROUGH and isinstance(call.func, ast.Name) and call.args:
        return is_bounded(module, call.args[0], most, depth)
    if name in _VIEWS and isinstance(call.func, ast.Attribute) and not call.args:
        return is_bounded(module, call.func.value, most, depth)
    return False


def _grows(module: Module, name: ast.Name) -> bool:
    """Whether the code around adds to the container ``name``."""
    for node in module.within(module.scope(name)):
        if isinstance(node, ast.Attribute) and node.attr in ("append", "extend", "add", "update", "insert", "setdefault"):
            if isinstance(node.value, ast.Name) and node.value.id == name.id:
                return True
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            if isinstance(node.value, ast.Name) and node.value.id == name.id and not isinstance(node.slice, ast.Constant):
                return True
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name) and node.target.id == name.id:
            return True
    return False


def _is_at_most(module: Module, node: ast.expr | None, most: int, depth: int) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int) and node.value <= most
    if depth > _MAX_DEPTH:
        return False
    if isinstance(node, ast.Name | ast.Attribute) and last_name(node).isupper():
        values = module.values_of(node) if isinstance(node, ast.Name) else None
        # A limit that another module sets is taken for one of events and attributes, but not of spans.
        return most > SMALL if values is None else all(_is_at_most(module, one, most, depth + 1) for one in values)
    if not isinstance(node, ast.Call) or last_name(node.func) != "min":
        return False
    return any(_is_at_most(module, one, most, depth + 1) for one in node.args)


def is_configured(loop: Loop) -> bool:
    """Whether a loop goes over what a program is made of: its plug-ins, handlers, servers."""
    iterated = loop.iterated
    while isinstance(iterated, ast.Call) and last_name(iterated.func) in (*_PASSED_THROUGH, *_VIEWS):
        inner = iterated.args[0] if iterated.args else getattr(iterated.func, "value", None)
        if not isinstance(inner, ast.expr):
            break
        iterated = inner
    if isinstance(iterated, ast.Name | ast.Attribute) and _is_made_of(last_name(iterated)):
        return True
    targets = loop.target.elts if isinstance(loop.target, ast.Tuple) else [loop.target]
    return any(_is_made_of(last_name(one)) for one in targets)


def _is_made_of(name: str) -> bool:
    words = [word.removesuffix("s") for word in words_of(name)]
    if len(words) > 1 and words[-1] in ("id", "name", "class", "clas", "list", "config"):
        words = words[:-1]
    return bool(words) and words[-1] in CONFIGURED


def is_retry(loop: Loop) -> bool:
    """Whether a loop tries something again until it succeeds."""
    parts: list[ast.AST | None] = [loop.target, loop.iterated]
    if isinstance(loop.node, ast.While):
        parts = [loop.node.test]
        body: list[ast.stmt] = loop.node.body
        if _is_true(loop.node.test) and _tries_again(body):
            return True
    for part in parts:
        for node in ast.walk(part) if part is not None else ():
            name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
            if not RETRY.isdisjoint(words_of(name)):
                return True
    return False


def _tries_again(body: list[ast.stmt]) -> bool:
    """Whether the code leaves the loop where nothing is raised: ``try: ...; return`` with an ``except`` that goes on."""
    last = body[-1] if body else None
    if isinstance(last, ast.With | ast.AsyncWith):
        return _tries_again(last.body)
    return isinstance(last, ast.Try) and bool(last.handlers) and _last_leaves([*last.body, *last.orelse]) is not None


def receives(module: Module, loop: Loop) -> bool:
    """Whether a loop waits for what arrives: a consumer, a worker, a poller."""
    if loop.iterated is not None:
        names = {
            word
            for node in ast.walk(loop.iterated)
            if isinstance(node, ast.Name | ast.Attribute)
            for word in words_of(node.id if isinstance(node, ast.Name) else node.attr)
        }
        return not ARRIVING.isdisjoint(names) or (
            isinstance(loop.node, ast.AsyncFor) and not ARRIVING_LATER.isdisjoint(names)
        )
    if not isinstance(loop.node, ast.While) or not _is_endless(loop.node.test):
        return False
    for part in loop.node.body:
        for node in ast.walk(part):
            name = last_name(node.func) if isinstance(node, ast.Call) else ""
            # The `get` of a dict has a key.
            if name in RECEIVING and (name not in ("get", "pop") or not node.args):  # type: ignore[attr-defined]
                return True
    return False


def _is_endless(test: ast.expr) -> bool:
    """Whether a loop goes on until the program or its worker ends: `while True`, `while not stop.is_set()`."""
    names = (
        one.id if isinstance(one, ast.Name) else one.attr
        for one in ast.walk(test)
        if isinstance(one, ast.Name | ast.Attribute)
    )
    return _is_true(test) or any(not RUNNING.isdisjoint(words_of(name)) for name in names)


def _is_true(test: ast.expr) -> bool:
    return isinstance(test, ast.Constant) and bool(test.value)


def _ends_after(parent: ast.AST, child: ast.AST) -> str | None:
    """What leaves a loop in any case after ``child``, a part of ``parent``."""
    if isinstance(parent, ast.withitem):
        return None
    if isinstance(parent, ast.With | ast.AsyncWith) and child in parent.items:
        return _last_leaves(parent.body)
    if isinstance(child, ast.Return | ast.Raise):
        return "return"
    for block in ("body", "orelse", "finalbody"):
        statements = getattr(parent, block, None)
        if isinstance(statements, list) and child in statements:
            after = statements[statements.index(child) + 1 :]
            return _last_leaves(after)
    return None


def _last_leaves(statements: Sequence[ast.stmt]) -> str | None:
    """``return``, ``raise`` or ``break`` if one of ``statements`` comes to it whatever happens before."""
    for one in statements:
        if isinstance(one, ast.Return):
            return "return"
        if isinstance(one, ast.Raise):
            return "raise"
        if isinstance(one, ast.Break):
            return "break"
        if isinstance(one, ast.Continue):
            return None
        found: str | None = None
        if isinstance(one, ast.With | ast.AsyncWith):
            found = _last_leaves(one.body)
        elif isinstance(one, ast.Try):
            found = _last_leaves([*one.body, *one.orelse]) or _last_leaves(one.finalbody)
        elif isinstance(one, ast.If):
            found = _last_leaves(one.body) and _last_leaves(one.orelse)
        if found is not None:
            return found
    return None
