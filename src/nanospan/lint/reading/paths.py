"""The paths of a function from the start of a span, and whether each of them ends it."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from nanospan.lint.reading.module import Module, last_name, root_name
from nanospan.lint.reading.tracing import Tracing
from nanospan.lint.reading.vocabulary import HARMLESS

__all__ = ["Paths"]

_OPEN, _CLOSED, _BEFORE = "open", "closed", "before"


class _Leaves:
    """In which states, and from which lines, code is left: at its end, by return or raise, by break and by continue."""

    def __init__(self) -> None:
        self.through: set[str] = set()
        self.returned: dict[str, int] = {}
        self.raised: dict[str, int] = {}
        self.breaks: set[str] = set()
        self.continues: set[str] = set()

    def take(self, other: _Leaves) -> None:
        """Add how ``other`` is left, but at its end."""
        for state, line in other.returned.items():
            self.returned.setdefault(state, line)
        for state, line in other.raised.items():
            self.raised.setdefault(state, line)
        self.breaks |= other.breaks
        self.continues |= other.continues


class Paths:
    """The paths of ``function``, in which the statement ``start`` sets the variable ``name`` to a new span.

    A call may raise, unless it is one of a span or is known as harmless; `except` clauses are taken to catch what the code
    before them raises.
    """

    def __init__(
        self, module: Module, tracing: Tracing, function: ast.FunctionDef | ast.AsyncFunctionDef, name: str, start: ast.stmt
    ) -> None:
        self._module = module
        self._tracing = tracing
        self._function = function
        self._name = name
        self._start = start
        self._ends = [one for one in module.within(function) if self._is_end(one)]
        self._is_guarded = any(self._guards(one) for one in module.within(function))

    @property
    def ends_anywhere(self) -> bool:
        return bool(self._ends)

    def line_left_open(self) -> int | None:
        """The line in which a path leaves the function with the span open; None if each ends it."""
        left = self._block(self._function.body, {_BEFORE})
        lines = []
        if _OPEN in left.through:
            lines.append(self._function.body[-1].end_lineno or self._function.body[-1].lineno)
        if _OPEN in left.returned:
            lines.append(left.returned[_OPEN])
        # A `finally` or `except` that ends the span shows that exceptions were thought of.
        if _OPEN in left.raised and not self._is_guarded:
            lines.append(left.raised[_OPEN])
        return min(lines, default=None)

    def _is_end(self, node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "end"
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == self._name
        )

    def _guards(self, node: ast.AST) -> bool:
        if not isinstance(node, ast.Try):
            return False
        parts: list[ast.AST] = [*node.finalbody, *node.handlers]
        return any(self._is_end(inner) for part in parts for inner in ast.walk(part))

    def _block(self, statements: Iterable[ast.stmt], states: set[str]) -> _Leaves:
        left = _Leaves()
        left.through = set(states)
        for statement in statements:
            if not left.through:
                break
            step = self._statement(statement, left.through)
            left.take(step)
            left.through = step.through
        return left

    def _statement(self, node: ast.stmt, states: set[str]) -> _Leaves:
        if isinstance(node, ast.If):
            return self._if(node, states)
        if isinstance(node, ast.For | ast.AsyncFor | ast.While):
            return self._loop(node, states)
        if isinstance(node, ast.Try):
            return self._try(node, states)
        if isinstance(node, ast.With | ast.AsyncWith):
            return self._with(node, states)
        if isinstance(node, ast.Match):
            left = _Leaves()
            left.through = set(states)
            for case in node.cases:
                part = self._block(case.body, states)
                left.take(part)
                left.through |= part.through
            return left
        left = _Leaves()
        # The times that `end` gets are not expected to raise.
        if node is not self._start and not any(self._is_end(one) for one in ast.walk(node)):
            self._may_raise(left, [node], states)
        if isinstance(node, ast.Return):
            left.returned = dict.fromkeys(self._after(node, states), node.lineno)
        elif isinstance(node, ast.Raise):
            left.raised = dict.fromkeys(states, node.lineno)
        elif isinstance(node, ast.Break):
            left.breaks = set(states)
        elif isinstance(node, ast.Continue):
            left.continues = set(states)
        else:
            left.through = {_OPEN} if node is self._start else self._after(node, states)
        return left

    def _after(self, node: ast.AST, states: set[str]) -> set[str]:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            return set(states)
        return {_CLOSED} if any(self._is_end(one) for one in ast.walk(node)) else set(states)

    def _may_raise(self, left: _Leaves, parts: Iterable[ast.AST], states: set[str]) -> None:
        for part in parts:
            if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                continue
            for node in ast.walk(part):
                if self._raises(node):
                    for state in states:
                        left.raised.setdefault(state, getattr(node, "lineno", 1))

    def _raises(self, node: ast.AST) -> bool:
        if isinstance(node, ast.Await | ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, ast.Call) or last_name(node.func) in HARMLESS:
            return False
        # A class.
        if last_name(node.func)[:1].isupper():
            return False
        if isinstance(node.func, ast.Attribute) and self._tracing.is_span(node.func.value):
            return False
        return root_name(node.func).strip("_").lower() not in ("log", "logger", "logging", "trace", "trace_api", self._name)

    def _if(self, node: ast.If, states: set[str]) -> _Leaves:
        left = _Leaves()
        self._may_raise(left, [node.test], states)
        body_states, else_states = set(states), set(states)
        # `if span: span.end()` ends it on every path.
        if self._asks_for_span(node.test):
            else_states = {_CLOSED if one == _OPEN else one for one in else_states}
        body, orelse = self._block(node.body, body_states), self._block(node.orelse, else_states)
        for part in (body, orelse):
            left.take(part)
            left.through |= part.through
        return left

    def _asks_for_span(self, test: ast.expr) -> bool:
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            return any(self._asks_for_span(one) for one in test.values)
        if isinstance(test, ast.Compare):
            return self._is_name(test.left) and isinstance(test.ops[0], ast.IsNot)
        if isinstance(test, ast.Call):
            return last_name(test.func) == "is_recording" and root_name(test.func) == self._name
        return self._is_name(test)

    def _is_name(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id == self._name

    def _loop(self, node: ast.For | ast.AsyncFor | ast.While, states: set[str]) -> _Leaves:
        left = _Leaves()
        header = node.test if isinstance(node, ast.While) else node.iter
        forever = isinstance(node, ast.While) and isinstance(node.test, ast.Constant) and bool(node.test.value)
        entering = set(states)
        while True:
            body = self._block(node.body, entering)
            again = entering | body.through | body.continues
            if again == entering:
                break
            entering = again
        self._may_raise(left, [header], entering)
        left.returned, left.raised = body.returned, left.raised | body.raised
        after = self._block(node.orelse, set() if forever else entering)
        left.take(after)
        left.through = after.through | body.breaks
        return left

    def _with(self, node: ast.With | ast.AsyncWith, states: set[str]) -> _Leaves:
        left = _Leaves()
        self._may_raise(left, node.items, states)
        body = self._block(node.body, states)
        left.take(body)
        left.through = body.through
        return left

    def _try(self, node: ast.Try, states: set[str]) -> _Leaves:
        body = self._block(node.body, states)
        left = _Leaves()
        left.returned, left.breaks, left.continues = dict(body.returned), set(body.breaks), set(body.continues)
        left.through = set(body.through)
        if node.handlers:
            for handler in node.handlers:
                part = self._block(handler.body, set(body.raised))
                left.take(part)
                left.through |= part.through
        else:
            left.raised = dict(body.raised)
        if node.orelse:
            orelse = self._block(node.orelse, body.through)
            left.through = (left.through - body.through) | orelse.through
            left.take(orelse)
        return self._finally(node.finalbody, left) if node.finalbody else left

    def _finally(self, statements: list[ast.stmt], before: _Leaves) -> _Leaves:
        """Each way out of ``before`` leads through ``statements``."""
        left = _Leaves()

        def after(states: set[str]) -> set[str]:
            part = self._block(statements, states)
            left.take(part)
            return part.through

        left.through = after(before.through)
        left.breaks |= after(before.breaks)
        left.continues |= after(before.continues)
        for state, line in before.returned.items():
            for one in after({state}):
                left.returned.setdefault(one, line)
        for state, line in before.raised.items():
            for one in after({state}):
                left.raised.setdefault(one, line)
        return left
