"""Rule L3: names of spans that are put together from values of which there is no end."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from nanospan.lint.reading.module import Module, last_name, words_of
from nanospan.lint.reading.tracing import Tracing
from nanospan.lint.reading.vocabulary import FEW, MANY_NAMED, NAMED_BY_ID, TEXT_FUNCTIONS
from nanospan.lint.report import Finding

__all__ = ["RULE", "check", "varies"]

RULE = "L3"

_MAX_DEPTH = 8


def check(module: Module, tracing: Tracing, path: str) -> Iterator[Finding]:
    """The findings of a module."""
    for start in tracing.starts:
        if start.name is None or (value := varies(module, start.name)) is None:
            continue
        message = (
            f"the span's name holds {value}, and each value makes another name: name the span after the operation alone, "
            "and set the value as an attribute"
        )
        yield Finding(RULE, path, start.name.lineno, start.name.col_offset + 1, message)


def varies(module: Module, name: ast.expr) -> str | None:
    """The first value of many in a text that is put together; None if there is none, or it is no such text."""
    for part in _parts(module, name):
        if not _is_one_of_few(module, part):
            return f"`{ast.unparse(part)}`"
    return None


def _parts(module: Module, name: ast.expr, depth: int = 0) -> Iterable[ast.expr]:
    """The variable parts of a text that is put together, over at most 8 variables and parts."""
    if depth > _MAX_DEPTH:
        return []
    depth += 1
    if isinstance(name, ast.JoinedStr):
        return [one.value for one in name.values if isinstance(one, ast.FormattedValue)]
    if isinstance(name, ast.BinOp) and isinstance(name.op, ast.Add) and _is_text(name):
        return [
            one for side in (name.left, name.right) for one in (_parts(module, side, depth) or [side]) if not _is_text(one)
        ]
    if isinstance(name, ast.BinOp) and isinstance(name.op, ast.Mod) and _is_text(name.left):
        return name.right.elts if isinstance(name.right, ast.Tuple) else [name.right]
    if isinstance(name, ast.Call) and isinstance(name.func, ast.Attribute) and name.func.attr == "format":
        return [*name.args, *(one.value for one in name.keywords)] if _is_text(name.func.value) else []
    if isinstance(name, ast.IfExp):
        return [*_parts(module, name.body, depth), *_parts(module, name.orelse, depth)]
    if isinstance(name, ast.BoolOp):
        return [part for one in name.values for part in _parts(module, one, depth)]
    if isinstance(name, ast.Name):
        values = module.values_of(name)
        if values is None or any(_is_cleaned(one, name.id) for one in values):
            return []
        return [part for one in values if not _names(one, name.id) for part in _parts(module, one, depth)]
    return []


def _is_cleaned(value: ast.expr, name: str) -> bool:
    """Whether a text is replaced by a part or a variation of itself: `name = name.replace(order_id, ":id")`."""
    return isinstance(value, ast.Call) and _names(value, name)


def _names(node: ast.expr, name: str) -> bool:
    return any(isinstance(one, ast.Name) and one.id == name for one in ast.walk(node))


def _is_text(node: ast.expr) -> bool:
    if isinstance(node, ast.BinOp):
        return _is_text(node.left) or _is_text(node.right)
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _is_one_of_few(module: Module, node: ast.expr, seen: frozenset[str] = frozenset()) -> bool:
    """Whether a value is one of few, as far as its name or origin tells."""
    if isinstance(node, ast.Constant):
        return True
    if isinstance(node, ast.JoinedStr | ast.BinOp):
        return all(_is_one_of_few(module, one, seen) for one in _parts(module, node))
    if isinstance(node, ast.IfExp):
        return _is_one_of_few(module, node.body, seen) and _is_one_of_few(module, node.orelse, seen)
    if isinstance(node, ast.BoolOp):
        return all(_is_one_of_few(module, one, seen) for one in node.values)
    if isinstance(node, ast.Name):
        return _is_few_variable(module, node, seen)
    if isinstance(node, ast.Attribute):
        return _is_few_attribute(module, node, seen)
    if isinstance(node, ast.Subscript):
        return _is_few_key(module, node.value, node.slice, seen)
    if isinstance(node, ast.Call):
        return _is_few_call(module, node, seen)
    return isinstance(node, ast.Compare)


def _is_few_variable(module: Module, node: ast.Name, seen: frozenset[str]) -> bool:
    if node.id.isupper() or _is_few_word(node.id):
        return True
    annotation = _annotation(module, node)
    if annotation is not None and last_name(annotation) in ("Literal", "bool"):
        return True
    values = module.values_of(node)
    if values is None or node.id in seen:
        return False
    return all(_is_one_of_few(module, one, seen | {node.id}) for one in values)


def _annotation(module: Module, node: ast.Name) -> ast.expr | None:
    scope = module.scope(node)
    if not isinstance(scope, ast.FunctionDef | ast.AsyncFunctionDef):
        return None
    for one in (*scope.args.posonlyargs, *scope.args.args, *scope.args.kwonlyargs):
        if one.arg == node.id:
            return one.annotation
    return None


def _is_few_attribute(module: Module, node: ast.Attribute, seen: frozenset[str]) -> bool:
    if node.attr.isupper() or node.attr.startswith("__"):
        return True
    if node.attr in ("value", "name"):
        # `Color.RED.value`, `operation.name`.
        owner = last_name(node.value)
        return (
            owner.isupper() or (owner in ("self", "cls") and node.attr == "name") or _names_few(words_of(owner), node.attr)
        )
    return _is_few_word(node.attr)


def _names_few(owner: list[str], attribute: str) -> bool:
    return bool(owner) and (_is_few(owner) if attribute == "value" else owner[-1] not in MANY_NAMED)


def _is_few_key(module: Module, value: ast.expr, key: ast.expr, seen: frozenset[str]) -> bool:
    """``value[key]`` and ``value.get(key)``."""
    if isinstance(key, ast.Constant) and isinstance(key.value, str):
        return _is_few_word(key.value)
    if isinstance(value, ast.Call | ast.Attribute | ast.Subscript):
        return _is_one_of_few(module, value, seen)
    return last_name(value).isupper() or _is_few_word(last_name(value).removesuffix("s")) or _is_few_word(last_name(value))


def _is_few_call(module: Module, node: ast.Call, seen: frozenset[str]) -> bool:
    name = last_name(node.func)
    if name in ("get", "pop", "getattr") and node.args:
        place = 1 if name == "getattr" and isinstance(node.func, ast.Name) else 0
        if len(node.args) > place:
            owner = node.func.value if isinstance(node.func, ast.Attribute) else node.args[0]
            return _is_few_key(module, owner, node.args[place], seen)
    if name in TEXT_FUNCTIONS or name == "type":
        if name == "type":
            return True
        if isinstance(node.func, ast.Attribute):
            return _is_one_of_few(module, node.func.value, seen)
        return all(_is_one_of_few(module, one, seen) for one in node.args)
    words = words_of(name)
    # `name_from_scope`
    cut = next((place for place, word in enumerate(words) if place and word in ("by", "for", "from", "of")), len(words))
    return _is_few(words[:cut])


def _is_few_word(name: str) -> bool:
    return _is_few(words_of(name))


def _is_few(words: list[str]) -> bool:
    while words and words[-1].isdigit():
        words = words[:-1]
    if not words:
        return False
    if words[-1] == "id" and len(words) > 1:
        return words[-2] in NAMED_BY_ID
    if words[-1] in ("name", "names", "str", "string", "text", "value", "info") and len(words) > 1:
        return words[-2] not in MANY_NAMED and (words[-1] in ("name", "names") or _is_few(words[:-1]))
    return words[-1] in FEW or words == ["name"]
