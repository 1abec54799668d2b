"""The rule ``deprecated``: names of attributes in source code that the conventions have replaced.

Looked at are string constants that equal a deprecated key where a key of an attribute stands: in ``set_attribute(key, 1)``,
in the dicts of ``set_attributes``, ``add_event``, ``add_link`` and ``attributes=``, in stores ``attributes[key]`` to a name
that ends with ``attributes``; and the constants of such keys in ``opentelemetry.semconv``. A constant elsewhere is no key:
it may be compared, or translated.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nanospan.contract.conventions import Conventions
from nanospan.lint.report import Finding

__all__ = ["RULE", "check_deprecated"]

RULE = "deprecated"

_KEY_FIRST = ("set_attribute",)
_DICT_CALLS = ("set_attributes", "add_event", "add_link", "start_span", "start_as_current_span")
_OLD_CLASSES = ("SpanAttributes", "ResourceAttributes")


def check_deprecated(tree: ast.AST, path: str, conventions: Conventions) -> Iterator[Finding]:
    """The findings in the module ``tree``, in the order of the lines."""
    checker = _Checker(conventions)
    checker.visit(tree)
    for node, key in sorted(checker.found, key=lambda pair: (pair[0].lineno, pair[0].col_offset)):
        rule = conventions._facts(key)
        message = f"{key!r} is deprecated: {rule.hint if rule is not None else ''}"
        yield Finding(RULE, path, node.lineno, node.col_offset + 1, message)


class _Checker(ast.NodeVisitor):
    def __init__(self, conventions: Conventions) -> None:
        self.found: list[tuple[ast.expr | ast.alias, str]] = []
        self._conventions = conventions
        # Constants of opentelemetry.semconv are named after their keys.
        self._constants = {
            key.removesuffix(".<key>").replace(".", "_").upper(): key.removesuffix(".<key>")
            for key in conventions._registry.deprecated()
        }

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.module is None or not node.module.startswith("opentelemetry.semconv"):
            return
        for name in node.names:
            if (key := self._constants.get(name.name.removesuffix("_TEMPLATE"))) is not None:
                self.found.append((name, key))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        owner = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
        if (owner in _OLD_CLASSES or owner.endswith("_attributes")) and (key := self._constants.get(node.attr)) is not None:
            self.found.append((node, key))
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called in _KEY_FIRST and node.args:
            self._look_at(node.args[0])
        if called in _DICT_CALLS:
            for argument in node.args:
                self._look_into(argument)
        for keyword in node.keywords:
            if keyword.arg == "attributes":
                self._look_into(keyword.value)
            elif keyword.arg == "key" and called in _KEY_FIRST:
                self._look_at(keyword.value)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        for target in node.targets:
            self._assigned(target, node.value)
        self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._assigned(node.target, node.value)
        self.generic_visit(node)

    def _assigned(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Subscript) and _names_attributes(target.value):
            self._look_at(target.slice)
        elif _names_attributes(target):
            self._look_into(value)

    def _look_into(self, node: ast.expr) -> None:
        if isinstance(node, ast.Dict):
            for key in node.keys:
                if key is not None:
                    self._look_at(key)

    def _look_at(self, node: ast.expr) -> None:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            rule = self._conventions._facts(node.value)
            if rule is not None and rule.finding == RULE:
                self.found.append((node, node.value))


def _names_attributes(node: ast.expr) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return name == "attributes" or name.endswith("_attributes")
