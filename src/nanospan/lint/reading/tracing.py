"""Which calls in a module start spans, by the API of OpenTelemetry, and which variables hold spans."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from nanospan.lint.reading.module import Function, Module, last_name, root_name, words_of
from nanospan.lint.reading.vocabulary import FOREIGN

__all__ = ["Start", "Tracing"]

_STARTS = ("start_span", "start_as_current_span")


@dataclass(frozen=True, slots=True)
class Start:
    """A call of ``start_span`` or ``start_as_current_span`` of a tracer."""

    call: ast.Call
    method: str
    is_decorator: bool = False

    @property
    def name(self) -> ast.expr | None:
        """The span's name."""
        return self.argument("name", 0)

    def argument(self, name: str, place: int | None = None) -> ast.expr | None:
        for keyword in self.call.keywords:
            if keyword.arg == name:
                return keyword.value
        arguments = self.call.args
        return arguments[place] if place is not None and place < len(arguments) else None

    @property
    def is_replayed(self) -> bool:
        """Whether it stands for work that was recorded before, elsewhere: it has a time of its own."""
        return self.argument("start_time") is not None

    @property
    def is_consumer(self) -> bool:
        """Whether it is the span of a message: kind CONSUMER, or a parent that came with the message."""
        kind = self.argument("kind", 2)
        if kind is not None and last_name(kind) == "CONSUMER":
            return True
        # An own context: one that was read from a carrier, or none.
        context = self.argument("context", 1)
        return isinstance(context, ast.Call) and last_name(context.func) in ("Context", "extract")


class Tracing:
    """The spans of one module."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self._tracers: set[str] = set()
        self._foreign: set[str] = set()
        self._aliases: dict[str, str] = {}
        self._read_imports()
        self._read_assignments()

    def _read_imports(self) -> None:
        imported: set[str] = set()
        modules: set[str] = set()
        for node in self.module.nodes:
            if isinstance(node, ast.Import):
                names = [(one.name, one.asname or one.name.partition(".")[0]) for one in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [(node.module or "", one.asname or one.name) for one in node.names]
            else:
                continue
            for module, name in names:
                root = module.partition(".")[0]
                imported.add(root)
                modules.add(".".join(module.split(".")[:2]))
                if root in FOREIGN:
                    self._foreign.add(name)
        self._has_consumers = "nanospan.messaging" in modules
        self._is_foreign = bool(imported & FOREIGN) and "opentelemetry" not in imported

    def _read_assignments(self) -> None:
        # By lines, so that an alias comes after what it stands for.
        for node in sorted(self.module.nodes, key=lambda one: getattr(one, "lineno", 0)):
            if isinstance(node, ast.arg) and node.annotation is not None and _ends_with(node.annotation, "Tracer"):
                self._tracers.add(node.arg)
            if isinstance(node, ast.AnnAssign) and _ends_with(node.annotation, "Tracer"):
                self._tracers.add(last_name(node.target))
            if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
                continue
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {last_name(one) for one in targets if isinstance(one, ast.Name | ast.Attribute)}
            if root_name(node.value) in self._foreign:
                self._foreign |= names
            elif isinstance(node.value, ast.Call) and last_name(node.value.func) == "get_tracer":
                self._tracers |= names
            elif isinstance(node.value, ast.Attribute) and self._is_start(node.value):
                self._aliases |= {last_name(one): node.value.attr for one in targets if isinstance(one, ast.Name)}

    def _is_tracer(self, node: ast.expr) -> bool:
        name = last_name(node)
        if root_name(node) in self._foreign or name in self._foreign or self._is_foreign:
            return False
        return name in self._tracers or "tracer" in words_of(name)

    def is_process(self, node: ast.expr) -> bool:
        """Whether ``node`` is a span of kind CONSUMER of `nanospan.messaging`: ``with client.process(message):``."""
        return self._has_consumers and isinstance(node, ast.Call) and last_name(node.func) == "process"

    def _is_start(self, node: ast.Attribute) -> bool:
        return node.attr in _STARTS and self._is_tracer(node.value)

    def start(self, node: ast.AST) -> Start | None:
        """The start of a span that ``node`` is, if it is one."""
        if not isinstance(node, ast.Call):
            return None
        callee = node.func
        if isinstance(callee, ast.Attribute) and self._is_start(callee):
            method = callee.attr
        elif isinstance(callee, ast.Name) and callee.id in self._aliases:
            method = self._aliases[callee.id]
        else:
            return None
        above = self.module.parent(node)
        decorates = isinstance(above, ast.FunctionDef | ast.AsyncFunctionDef) and node in above.decorator_list
        return Start(node, method, decorates)

    @cached_property
    def starts(self) -> list[Start]:
        """All starts of the module, in the order of the lines."""
        found = [one for node in self.module.nodes if (one := self.start(node)) is not None]
        return sorted(found, key=lambda one: (one.call.lineno, one.call.col_offset))

    @cached_property
    def _starting(self) -> dict[ast.AST, list[Start]]:
        found: dict[ast.AST, list[Start]] = {}
        for start in self.starts:
            holder = self.module.parent(start.call) if start.is_decorator else self.module.scope(start.call)
            if holder is not None:
                found.setdefault(holder, []).append(start)
        return found

    def starts_of(self, function: Function | None) -> list[Start]:
        """The starts in the function's own code, or by its decorator."""
        return [] if function is None else self._starting.get(function.node, [])

    @cached_property
    def span_names(self) -> frozenset[str]:
        """Variables and attributes to which the module assigns spans."""
        return frozenset(self._spans())

    def _spans(self) -> Iterator[str]:
        for node in self.module.nodes:
            if isinstance(node, ast.withitem) and node.optional_vars is not None and self._gives_span(node.context_expr):
                yield last_name(node.optional_vars)
            elif isinstance(node, ast.Assign) and self._gives_span(node.value):
                yield from (last_name(one) for one in node.targets)
            elif isinstance(node, ast.NamedExpr) and self._gives_span(node.value):
                yield node.target.id
            elif isinstance(node, ast.arg) and node.annotation is not None and _ends_with(node.annotation, "Span"):
                yield node.arg

    def _gives_span(self, node: ast.expr) -> bool:
        return self.start(node) is not None or (isinstance(node, ast.Call) and last_name(node.func) == "get_current_span")

    def is_span(self, node: ast.expr) -> bool:
        """Whether ``node`` is a span, by what is assigned to it or by its name."""
        if self._is_foreign:
            return False
        name = last_name(node)
        return name in self.span_names or name == "get_current_span" or words_of(name)[-1:] == ["span"]


def _ends_with(annotation: ast.expr, name: str) -> bool:
    """Whether a type is ``name``, ``x.name``, ``name | None`` or ``Optional[name]``, or a string of one of them."""
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return annotation.value.rpartition(".")[2] == name
    if isinstance(annotation, ast.BinOp):
        return _ends_with(annotation.left, name) or _ends_with(annotation.right, name)
    if isinstance(annotation, ast.Subscript):
        return last_name(annotation.value) == "Optional" and _ends_with(annotation.slice, name)
    return last_name(annotation) == name
