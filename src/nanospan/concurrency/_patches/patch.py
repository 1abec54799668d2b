"""A replaced attribute that can be put back in any order with the replacements of others.

contrib's, Sentry's and Datadog's instrumentations replace the same methods. Those made with wrapt are taken out only while
they lie on top, so that ours goes beneath them. Where another kind of replacement lies over ours, ours stays, and calls
through until it is wanted again.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import CodeType
from typing import Any

__all__ = ["Patch"]

_MISSING = object()


class Patch:
    """``owner.name``, replaced by a function that ``around(original, *args, **kwargs)`` decides for while it is active."""

    def __init__(self, owner: Any, name: str, around: Callable[..., Any]) -> None:
        self._owner = owner
        self._name = name
        self._around = around
        self._active = False
        self._replacement: Any = None
        self._before: Any = _MISSING
        self._code: CodeType | None = None

    @property
    def replacement(self) -> Any:
        """What stands in place of the attribute; None if nothing does."""
        return self._replacement

    def apply(self) -> bool:
        """Replace the attribute; False if there is none, or it has been replaced already."""
        if self._active or getattr(self._owner, self._name, None) is None:
            return False
        self._active = True
        holder, name = self._lowest()
        found = vars(holder).get(name, _MISSING) if holder is self._owner else getattr(holder, name)
        if self._replacement is None or not _is_beneath(found, self._replacement):
            self._before = found
            self._replacement = self._over(getattr(holder, name))
            self._code = self._replacement.__code__
            setattr(holder, name, self._replacement)
        return True

    def _lowest(self) -> tuple[Any, str]:
        """Where the function lies that no wrapt proxy wraps further: the owner, or the lowest proxy."""
        wrapt = sys.modules.get("wrapt")
        proxy = getattr(wrapt, "BaseObjectProxy", getattr(wrapt, "ObjectProxy", ()))  # the first since wrapt 2
        holder, name = self._owner, self._name
        found = vars(holder).get(name)
        while isinstance(found, proxy):
            holder, name = found, "__wrapped__"
            found = found.__wrapped__
        return holder, name

    def _over(self, original: Any) -> Any:
        @functools.wraps(original)
        def replacement(*args: Any, **kwargs: Any) -> Any:
            return self._around(original, *args, **kwargs) if self._active else original(*args, **kwargs)

        return replacement

    def undo(self) -> bool:
        """Put back what was there; False if a replacement of another kind lies over it, or in it."""
        if not self._active:
            return True
        self._active = False
        holder, name = self._lowest()
        if (vars(holder).get(name) if holder is self._owner else getattr(holder, name)) is not self._replacement:
            return False
        if self._replacement.__code__ is not self._code:
            return False  # ddtrace has put its own into it
        if self._before is _MISSING:
            delattr(holder, name)
        else:
            setattr(holder, name, self._before)
        self._replacement, self._before = None, _MISSING
        return True


def _is_beneath(found: Any, replacement: Any) -> bool:
    """Whether ``found`` is the replacement, or wraps it."""
    for _ in range(16):
        if found is replacement:
            return True
        found = getattr(found, "__wrapped__", None)
        if found is None:
            return False
    return False
