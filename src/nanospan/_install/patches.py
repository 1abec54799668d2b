"""Methods of the SDK's classes that another package has replaced."""

from __future__ import annotations

from types import FunctionType
from typing import Any

__all__ = ["replaced_methods"]

_ORIGINAL = ("opentelemetry", "contextlib", "functools", "abc", "typing_extensions", "warnings")
"""Where functions in the SDK's classes come from, with their decorators."""


def replaced_methods(stock: type, own: type) -> list[str]:
    """The methods that others have put into ``stock``, and that ``own`` does not inherit from it."""
    return [name for name, value in vars(stock).items() if _is_foreign(value) and _overrides(own, stock, name)]


def _is_foreign(value: Any) -> bool:
    if isinstance(value, (classmethod, staticmethod)):
        value = value.__func__
    if type(value).__module__.partition(".")[0] == "wrapt":
        return True
    # The name in the globals: functools.wraps copies __module__ from the original.
    return isinstance(value, FunctionType) and str(value.__globals__.get("__name__")).partition(".")[0] not in _ORIGINAL


def _overrides(own: type, stock: type, name: str) -> bool:
    return next((cls for cls in own.__mro__ if name in vars(cls)), stock) is not stock
