"""Subclasses of the SDK's provider that other packages defined before `nanospan.install`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["derive_from", "loaded_subclasses"]


def loaded_subclasses(stock: type[Any]) -> Iterator[type]:
    """Direct subclasses of ``stock`` that are not nanospan's or the SDK's own."""
    for cls in stock.__subclasses__():
        if cls.__module__.partition(".")[0] != "nanospan" and not cls.__module__.startswith("opentelemetry.sdk."):
            yield cls


def derive_from(cls: type, own: type, stock: type) -> Callable[[], None]:
    """Derive ``cls`` from ``own`` in place of ``stock``. Returns what undoes it; raises TypeError if the two do not fit."""
    before = cls.__bases__
    after = tuple(own if base is stock else base for base in before)
    cls.__bases__ = after

    def undo() -> None:
        if cls.__bases__ == after:
            cls.__bases__ = before

    return undo
