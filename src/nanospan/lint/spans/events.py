"""Rule L5: events, or attributes with names of their own, in each turn of a loop without a bound."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nanospan.lint.reading.loops import Loop, is_bounded, loops_around, repeats
from nanospan.lint.reading.module import Module, last_name, words_of
from nanospan.lint.reading.tracing import Tracing
from nanospan.lint.reading.vocabulary import DATA, SETTINGS
from nanospan.lint.report import Finding
from nanospan.lint.spans.names import varies

__all__ = ["RULE", "check"]

RULE = "L5"

_LIMIT = 128
"""Of events and attributes of a span, as the SDK has it."""

_FIELDS = ("model_dump", "asdict", "_asdict", "vars", "__dict__", "_fields", "model_fields")


def check(module: Module, tracing: Tracing, path: str) -> Iterator[Finding]:
    """The findings of a module."""
    told: set[tuple[ast.AST, str]] = set()
    calls = (node for node in module.nodes if isinstance(node, ast.Call))
    for node in sorted(calls, key=lambda one: (one.lineno, one.col_offset)):
        if not isinstance(node.func, ast.Attribute):
            continue
        method = node.func.attr
        if method not in ("add_event", "set_attribute") or not tracing.is_span(node.func.value):
            continue
        if method == "set_attribute" and not _is_built(module, node):
            continue
        if (loop := _unbounded(module, tracing, node)) is None or (loop.node, method) in told:
            continue
        told.add((loop.node, method))
        what = "an event is added" if method == "add_event" else "an attribute with a name of its own is set"
        message = (
            f"{what} in each turn of the loop in line {loop.line}, and a span keeps {_LIMIT}: count in the loop, set the "
            "counts as attributes after it, and add events behind a test of their number"
        )
        identity = f"{RULE} {path}: {ast.unparse(node)}"
        yield Finding(RULE, path, node.lineno, node.col_offset + 1, message, identity=identity)


def _is_built(module: Module, call: ast.Call) -> bool:
    """Whether the name of the attribute is put together in the loop."""
    keys = [*call.args[:1], *(one.value for one in call.keywords if one.arg == "key")]
    return bool(keys) and varies(module, keys[0]) is not None


def _unbounded(module: Module, tracing: Tracing, node: ast.Call) -> Loop | None:
    for loop, is_last_turn in loops_around(module, node):
        if is_last_turn or not repeats(module, loop, node):
            continue
        if loop.iterated is not None and is_bounded(module, loop.iterated, _LIMIT):
            continue
        if (
            _is_copy(node, loop)
            or _is_setting(module, loop)
            or _counted(module, node, loop)
            or _has_own_span(tracing, module, node, loop)
        ):
            continue
        if last_name(node.func) == "set_attribute" and not _changes_in(node, loop):
            continue
        return loop
    return None


def _counted(module: Module, node: ast.AST, loop: Loop) -> bool:
    """Whether a test of a number stands between the loop and ``node``."""
    for child, parent in module.path(node):
        if parent is loop.node:
            return isinstance(loop.node, ast.While) and _tests_number(loop.node.test)
        if isinstance(parent, ast.If) and child in parent.body and _tests_number(parent.test):
            return True
        if isinstance(parent, ast.If) and child in parent.body and _picks(module, parent.test):
            return True
    return False


def _picks(module: Module, test: ast.expr) -> bool:
    """Whether something is one of the items that the code lists."""
    return any(
        isinstance(node, ast.Compare)
        and isinstance(node.ops[0], ast.In)
        and (is_bounded(module, node.comparators[0], _LIMIT) or last_name(node.comparators[0]).isupper())
        for node in ast.walk(test)
    )


def _is_copy(node: ast.Call, loop: Loop) -> bool:
    """Whether events of a span are copied: its limit holds for them already."""
    events = loop.iterated
    return (
        isinstance(events, ast.Attribute)
        and events.attr == "events"
        and "span" in words_of(last_name(events.value))
        and last_name(node.func) == "add_event"
    )


def _is_setting(module: Module, loop: Loop) -> bool:
    """Whether the loop goes over the fields of an object, or names and values of a configuration."""
    call = loop.iterated
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or call.func.attr != "items":
        return False
    fields = call.func.value
    values = module.values_of(fields) if isinstance(fields, ast.Name) else [fields]
    if any(last_name(one) in _FIELDS for one in values or ()):
        return True
    words = words_of(_key_or_name(fields))
    if not SETTINGS.isdisjoint(words[-1:]):
        return True
    target = loop.target.elts[0] if isinstance(loop.target, ast.Tuple) else None
    if not DATA.isdisjoint([*words, *words_of(last_name(target))]):
        return False
    # What the code around has made, or a part of something, has the keys that its maker gave it.
    return values is not None or not isinstance(fields, ast.Name) or _is_target(module, fields)


def _is_target(module: Module, name: ast.Name) -> bool:
    """Whether a loop around sets the variable."""
    around = (one for one in module.above(name) if isinstance(one, ast.For | ast.AsyncFor))
    return any(
        isinstance(node, ast.Name) and node.id == name.id
        for loop in around
        if name not in ast.walk(loop.iter)
        for node in ast.walk(loop.target)
    )


def _key_or_name(node: ast.expr) -> str:
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
        return str(node.slice.value)
    return last_name(node)


def _changes_in(node: ast.Call, loop: Loop) -> bool:
    """Whether the name of the attribute is another one in each turn."""
    keys = [*node.args[:1], *(one.value for one in node.keywords if one.arg == "key")]
    read = {one.id for key in keys for one in ast.walk(key) if isinstance(one, ast.Name)}
    stored = (one.id for one in ast.walk(loop.node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store))
    return not read.isdisjoint(stored)


def _tests_number(test: ast.expr) -> bool:
    """Whether something is less than a number, or divides by one."""
    for node in ast.walk(test):
        if isinstance(node, ast.Compare) and any(isinstance(one, ast.Lt | ast.LtE | ast.Gt | ast.GtE) for one in node.ops):
            return True
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            return True
    return False


def _has_own_span(tracing: Tracing, module: Module, node: ast.Call, loop: Loop) -> bool:
    """Whether the span is one that this turn of the loop started."""
    for _, parent in module.path(node):
        if parent is loop.node:
            break
        items = parent.items if isinstance(parent, ast.With | ast.AsyncWith) else []
        if any(tracing.start(item.context_expr) is not None for item in items):
            return True
    span = node.func.value if isinstance(node.func, ast.Attribute) else None
    if not isinstance(span, ast.Name):
        return False
    return any(
        isinstance(one, ast.Name) and one.id == span.id and isinstance(one.ctx, ast.Store) for one in ast.walk(loop.node)
    )
