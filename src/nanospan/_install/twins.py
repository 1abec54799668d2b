"""Objects of the SDK's classes behind the names that stand for nanospan's: `isinstance` knows them, pickle takes them.

The other way holds without help: nanospan's classes derive from the SDK's.
"""

from __future__ import annotations

import copyreg
from abc import ABC, ABCMeta
from collections.abc import Callable
from typing import Any

__all__ = ["pickled_as_own", "recognised_as_own"]


def recognised_as_own(own: ABCMeta, stock: type) -> Callable[[], None]:
    """Let ``isinstance(x, own)`` and ``issubclass`` include those of ``stock``. Returns what undoes it."""

    def __subclasshook__(cls: type, candidate: Any) -> Any:
        # A subclass of `own` inherits the method, and means its own objects.
        return True if cls is own and stock in getattr(candidate, "__mro__", ()) else NotImplemented

    own.__subclasshook__ = classmethod(__subclasshook__)  # type: ignore[assignment, method-assign]
    _forget_answers(own)

    def undo() -> None:
        del own.__subclasshook__
        _forget_answers(own)

    return undo


def _forget_answers(cls: ABCMeta) -> None:
    """Abstract classes remember the answers that they have given."""
    # Of all classes: any registration makes them forget the negative ones.
    type("_Registered", (ABC,), {}).register(type("_Other", (), {}))  # type: ignore[attr-defined]
    if clear := getattr(cls, "_abc_caches_clear", None):  # private, since CPython 3.7; without it a True may stay
        clear()


def pickled_as_own(own: type, stock: type) -> Callable[[], None]:
    """Let pickle take objects of ``stock``, whose name it looks up and finds to be another class. Returns what undoes it."""

    def reduce(stock_object: Any) -> tuple[Any, ...]:
        return _empty, (own,), vars(stock_object) or None

    copyreg.pickle(stock, reduce)

    def undo() -> None:
        if copyreg.dispatch_table.get(stock) is reduce:
            del copyreg.dispatch_table[stock]

    return undo


def _empty(cls: Any) -> Any:
    return cls.__new__(cls)
