"""Copies, pickles and texts of samplers."""

from __future__ import annotations

from typing import Any

from nanospan._common.arguments import constructor_text

__all__ = ["Copyable"]


class Copyable:
    """First base of a public sampler: `copy`, `deepcopy` and `pickle` make another one of the same arguments.

    Counts, buckets and controllers are not copied: each copy begins with its own. `repr` shows the arguments.
    """

    __slots__ = ()

    def _arguments(self) -> tuple[type[Any], dict[str, Any]]:
        """The class whose constructor takes the arguments (a subclass may take others), and the arguments."""
        raise NotImplementedError

    def __repr__(self) -> str:
        """As ``ConsistentProbability(0.01)``."""
        return constructor_text(type(self).__name__, *self._arguments())

    def __reduce__(self) -> tuple[Any, ...]:
        return _make, (type(self), *self._arguments()), dict(vars(self)) or None

    def __setstate__(self, state: dict[str, Any]) -> None:
        is_stock = not vars(self)  # pickled as an object of the SDK's class: nothing has called the constructor
        # By assignment: a should_sample that was assigned to the original is called on the copy too.
        for name, value in state.items():
            setattr(self, name, value)
        if is_stock:
            base, arguments = self._arguments()
            base.__init__(self, **arguments)


def _make(cls: Any, base: Any, arguments: dict[str, Any]) -> Any:
    sampler = cls.__new__(cls)
    base.__init__(sampler, **arguments)
    return sampler
