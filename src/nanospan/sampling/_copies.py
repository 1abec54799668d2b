"""Copies and pickles of samplers."""

from __future__ import annotations

from typing import Any

__all__ = ["Copyable"]


class Copyable:
    """First base of a public sampler: `copy`, `deepcopy` and `pickle` make another one of the same arguments.

    Counts, buckets and controllers are not copied: each copy begins with its own.
    """

    __slots__ = ()

    def _arguments(self) -> tuple[type[Any], dict[str, Any]]:
        """The class whose constructor takes the arguments (a subclass may take others), and the arguments."""
        raise NotImplementedError

    def __reduce__(self) -> tuple[Any, ...]:
        return _make, (type(self), *self._arguments()), dict(vars(self)) or None

    def __setstate__(self, state: dict[str, Any]) -> None:
        # By assignment: a should_sample that was assigned to the original is called on the copy too.
        for name, value in state.items():
            setattr(self, name, value)


def _make(cls: Any, base: Any, arguments: dict[str, Any]) -> Any:
    sampler = cls.__new__(cls)
    base.__init__(sampler, **arguments)
    return sampler
