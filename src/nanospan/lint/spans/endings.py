"""Rule L4: spans that are started without ``with`` and do not end on every path."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nanospan.lint.reading.module import FunctionNode, Module, last_name
from nanospan.lint.reading.paths import Paths
from nanospan.lint.reading.tracing import Start, Tracing
from nanospan.lint.report import Finding

__all__ = ["RULE", "check"]

RULE = "L4"

_USES = (
    "add_event",
    "add_link",
    "end",
    "get_span_context",
    "is_recording",
    "record_exception",
    "set_attribute",
    "set_attributes",
    "set_status",
    "update_name",
)
_BORROWS = ("use_span", "set_span_in_context", "isinstance", "id", "repr", "str", "bool", "print", "debug")
"""Functions that get a span and leave its end to the caller."""

_HINT = "start it by `with tracer.start_as_current_span(...)`, or end it in a `finally`"


def check(module: Module, tracing: Tracing, path: str) -> Iterator[Finding]:
    """The findings of a module."""
    for start in tracing.starts:
        if (problem := _problem(module, tracing, start)) is not None:
            identity = f"{RULE} {path}: {ast.unparse(start.call)}"
            place = (start.call.lineno, start.call.col_offset + 1)
            yield Finding(RULE, path, *place, f"{problem}: {_HINT}", identity=identity)


def _problem(module: Module, tracing: Tracing, start: Start) -> str | None:
    parent = module.parent(start.call)
    if isinstance(parent, ast.Expr):
        if start.method == "start_as_current_span":
            return "this makes a context manager that nobody enters, and so no span"
        return "the span is thrown away, and never ends"
    if start.method != "start_span" or not isinstance(parent, ast.Assign) or len(parent.targets) != 1:
        return None
    target = parent.targets[0]
    if not isinstance(target, ast.Name):
        return None
    scope = module.scope(start.call)
    if isinstance(scope, ast.Lambda | ast.Module) or _escapes(module, scope, target.id):
        return None
    paths = Paths(module, tracing, scope, target.id, parent)
    if not paths.ends_anywhere:
        return f"the span `{target.id}` never ends"
    if (line := paths.line_left_open()) is not None:
        return f"the span `{target.id}` does not end on the path that leaves in line {line}"
    return None


def _escapes(module: Module, scope: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> bool:
    """Whether something else may end the span: it is returned, kept, given away, or used by a function defined here."""
    own = set()
    for node in module.within(scope):
        if isinstance(node, ast.Global | ast.Nonlocal) and name in node.names:
            return True
        if isinstance(node, ast.Name) and node.id == name:
            own.add(node)
            if isinstance(node.ctx, ast.Load) and not _stays(module, node):
                return True
    # In a nested function.
    return any(isinstance(node, ast.Name) and node.id == name and node not in own for node in ast.walk(scope))


def _stays(module: Module, node: ast.Name) -> bool:
    parent = module.parent(node)
    if isinstance(parent, ast.Attribute):
        called = module.parent(parent)
        return parent.attr in _USES and isinstance(called, ast.Call) and called.func is parent
    if isinstance(parent, ast.keyword):
        parent = module.parent(parent)
    if isinstance(parent, ast.Call):
        return parent.func is not node and last_name(parent.func) in _BORROWS and not _ends_on_exit(parent)
    return isinstance(parent, ast.Compare | ast.If | ast.While | ast.UnaryOp | ast.BoolOp | ast.Expr) and not isinstance(
        module.parent(parent), ast.Return | ast.Assign | FunctionNode
    )


def _ends_on_exit(call: ast.Call) -> bool:
    """``use_span(span, end_on_exit=True)``, or a value that only the run of the code tells."""
    if last_name(call.func) != "use_span":
        return False
    given = [*call.args[1:2], *(one.value for one in call.keywords if one.arg == "end_on_exit")]
    return bool(given) and not (isinstance(given[0], ast.Constant) and not given[0].value)
