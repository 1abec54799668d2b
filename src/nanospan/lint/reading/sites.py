"""Where spans are started again and again: in a loop, or by a pool or tasks that a loop or ``map`` hands work to."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from nanospan.lint.reading.loops import Loop, is_bounded, loops_around, receives, repeats
from nanospan.lint.reading.module import Function, FunctionNode, Module, last_name, words_of
from nanospan.lint.reading.tracing import Start, Tracing
from nanospan.lint.reading.vocabulary import HANDS_OVER

__all__ = ["Site", "find_sites"]

_GATHERS = frozenset(("as_completed", "gather", "wait"))
_MAPS = frozenset(("imap", "imap_unordered", "map", "map_async", "starmap", "starmap_async"))
_POOLS = frozenset(("executor", "pool", "pools", "executors"))


@dataclass(frozen=True, slots=True)
class Site:
    """A place where the number of spans grows with the turns of a loop."""

    node: ast.expr
    line: int
    """The line of the loop."""
    fans_out: bool
    """Whether the spans are those of tasks, threads or calls of a pool."""
    called: str = ""
    """The function that starts the span; empty if ``node`` starts it."""


def find_sites(module: Module, tracing: Tracing) -> Iterator[Site]:
    """All sites of a module."""
    if not tracing.starts:
        return
    for start in tracing.starts:
        if not start.is_decorator and (loop := _repeating(module, tracing, start.call, [start])) is not None:
            yield Site(start.call, loop.line, _fans_out(module, start.call, loop, None))
    for node in module.nodes:
        if isinstance(node, ast.Call):
            yield from _calls(module, tracing, node)


def _calls(module: Module, tracing: Tracing, call: ast.Call) -> Iterator[Site]:
    function = module.function_called(call.func)
    if starts := _starts(module, tracing, function, call):
        if (loop := _repeating(module, tracing, call, starts)) is not None:
            yield Site(call, loop.line, _fans_out(module, call, loop, function), _name(function))
        return
    method = last_name(call.func)
    if method in _MAPS and call.args:
        yield from _maps(module, tracing, call)
    elif method in HANDS_OVER:
        for argument in call.args:
            function, starts = _given(module, tracing, argument)
            if starts and (loop := _repeating(module, tracing, call, starts)) is not None:
                yield Site(call, loop.line, True, _name(function))
                return


def _maps(module: Module, tracing: Tracing, call: ast.Call) -> Iterator[Site]:
    """``map(function, items)``, of a pool or of Python."""
    function, starts = _given(module, tracing, call.args[0])
    if not starts or not _counting(starts) or module.permitted(call):
        return
    if all(is_bounded(module, one) for one in call.args[1:]):
        return
    of_pool = isinstance(call.func, ast.Attribute)
    gathered = any(isinstance(one, ast.Call) and last_name(one.func) in _GATHERS for one in module.above(call))
    yield Site(call, call.lineno, of_pool or gathered, _name(function))


def _given(module: Module, tracing: Tracing, argument: ast.expr) -> tuple[Function | None, list[Start]]:
    """The function that is handed over, with its spans."""
    if isinstance(argument, ast.Lambda):
        function = Function(argument, "the lambda", module.tree)
        starts = tracing.starts_of(function)
        for node in ast.walk(argument.body):
            if isinstance(node, ast.Call) and not starts:
                starts = tracing.starts_of(module.function_called(node.func))
        return function, starts
    if isinstance(argument, ast.Call) and last_name(argument.func) == "partial" and argument.args:
        return _given(module, tracing, argument.args[0])
    function_or_none = module.function_called(argument)
    return function_or_none, tracing.starts_of(function_or_none)


def _starts(module: Module, tracing: Tracing, function: Function | None, call: ast.Call) -> list[Start]:
    # A function that calls itself makes no loop of its call.
    if function is None or function.node in module.above(call) or _is_wrapped(function):
        return []
    return tracing.starts_of(function)


def _counting(starts: list[Start]) -> list[Start]:
    """The starts that are neither those of messages nor of work that was recorded elsewhere."""
    return [start for start in starts if not start.is_consumer and not start.is_replayed]


def _is_wrapped(function: Function) -> bool:
    """Whether a decorator makes something else of the function, as `@_with_tracer_wrapper` does."""
    decorators = getattr(function.node, "decorator_list", [])
    return any(not {"with", "wrap", "wrapper"}.isdisjoint(words_of(last_name(one))) for one in decorators)


def _repeating(module: Module, tracing: Tracing, node: ast.AST, starts: list[Start]) -> Loop | None:
    """The nearest loop that repeats ``node``; None if there is none that counts for ``starts``."""
    if not _counting(starts):
        return None
    for loop, is_last_turn in loops_around(module, node):
        if is_last_turn or not repeats(module, loop, node):
            continue
        if _is_processed(module, tracing, node, loop):
            continue
        if receives(module, loop) and not _has_span_around(module, tracing, loop.node):
            continue
        return loop
    return None


def _is_processed(module: Module, tracing: Tracing, node: ast.AST, loop: Loop) -> bool:
    """Whether each turn of the loop is the processing of a message, which has a span of its own around ``node``."""
    for _, parent in module.path(node):
        if parent is loop.node:
            return False
        items = parent.items if isinstance(parent, ast.With | ast.AsyncWith) else []
        if any(tracing.is_process(item.context_expr) for item in items):
            return True
    return False


def _has_span_around(module: Module, tracing: Tracing, node: ast.AST) -> bool:
    """Whether the code of the same function has started a span when it comes to ``node``."""
    for above in module.above(node):
        if isinstance(above, ast.With | ast.AsyncWith):
            if any(tracing.start(item.context_expr) is not None for item in above.items):
                return True
        elif isinstance(above, FunctionNode):
            return bool(tracing.starts_of(Function(above, "", module.tree)) and _decorated(tracing, above))
    return False


def _decorated(tracing: Tracing, node: ast.AST) -> bool:
    decorators = getattr(node, "decorator_list", [])
    return any(tracing.start(one) is not None for one in decorators)


def _fans_out(module: Module, node: ast.expr, loop: Loop, function: Function | None) -> bool:
    awaited = isinstance(module.parent(node), ast.Await)
    if function is not None and function.is_async and not awaited and not _is_async_generator(module, function):
        return True
    for above in module.above(node):
        if isinstance(above, ast.Call):
            name = last_name(above.func)
            if name in HANDS_OVER or name in _GATHERS or (name in _MAPS and _is_pool(above)):
                return True
        elif isinstance(above, ast.stmt) or (above is loop.node and not isinstance(above, ast.expr)):
            break
    return False


def _is_async_generator(module: Module, function: Function) -> bool:
    """Whether calling an async function gives no coroutine: it yields, or is a context manager."""
    return any(isinstance(one, ast.Yield) for one in module.within(function.node))


def _is_pool(call: ast.Call) -> bool:
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    return owner is not None and not _POOLS.isdisjoint(words_of(last_name(owner)))


def _name(function: Function | None) -> str:
    return "" if function is None else function.name
