"""Objects made of files that may be renewed while the process runs, such as certificates."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

__all__ = ["WatchedFiles"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

_State = tuple[int, int, int, int]


class WatchedFiles(Generic[T]):
    """What ``make()`` makes of the files at ``paths``, made anew when one of them has changed.

    While they cannot be used, since they are written, gone, or do not fit each other, the last usable object stays; one
    warning says so, and each use tries again. The first call of ``make`` may raise; OSError and ValueError of later ones are
    logged. ``make`` is not called under a lock, which a fork could leave locked.
    """

    def __init__(self, paths: Sequence[str], make: Callable[[], T]) -> None:
        self._paths = tuple(paths)
        self._make = make
        self._state: tuple[_State | None, ...] | None = self._look()
        self._made = make()
        self._warned = False

    def current(self) -> T:
        """The object for what the files hold now."""
        state = self._look()
        if state == self._state:
            return self._made
        try:
            made = self._make()
        except (OSError, ValueError) as error:
            # Not remembered: a file that is written in the same tick of the clock looks the same afterwards.
            self._state = None
            if not self._warned:
                self._warned = True
                logger.warning("%s; the last usable content stays in use", _reason(error))
            return self._made
        # If they changed meanwhile, the next use looks again.
        self._state = state if state == self._look() else None
        self._made = made
        self._warned = False
        return made

    def _look(self) -> tuple[_State | None, ...]:
        return tuple(_state(path) for path in self._paths)


def _state(path: str) -> _State | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)
