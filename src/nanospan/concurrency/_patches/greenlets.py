"""gevent's greenlets: each begins with the Context of whoever made it.

`gevent.Greenlet` is an extension type, whose methods cannot be replaced; a subclass takes its place where gevent and the
application's pools look for it.
"""

from __future__ import annotations

import contextvars
import sys
from typing import Any

from opentelemetry.context import get_current

from nanospan._native.context import attach_context

__all__ = ["GreenletPatch"]


class GreenletPatch:
    """Replaces `gevent.Greenlet`, if gevent is loaded; greenlets that exist, and references of others, stay as they are."""

    def __init__(self) -> None:
        self._replaced: list[tuple[Any, str, Any, Any]] = []

    def apply(self) -> bool:
        """Replace the class; False if gevent is not loaded, or it is replaced."""
        gevent = sys.modules.get("gevent")
        if gevent is None or self._replaced:
            return False
        stock = gevent.Greenlet
        own = _with_context(stock)
        for module in [module for name, module in list(sys.modules.items()) if name.partition(".")[0] == "gevent"]:
            for holder in (module, *_classes(module)):
                if vars(holder).get("Greenlet") is stock:
                    self._replace(holder, "Greenlet", own)
                if vars(holder).get("greenlet_class") is stock:
                    self._replace(holder, "greenlet_class", own)
        for name in ("spawn", "spawn_later"):
            self._replace(gevent, name, getattr(own, name))
        return True

    def _replace(self, owner: Any, name: str, new: Any) -> None:
        self._replaced.append((owner, name, vars(owner)[name], new))
        setattr(owner, name, new)

    def undo(self) -> bool:
        """Put back what nobody has replaced since."""
        complete = True
        for owner, name, before, new in reversed(self._replaced):
            if vars(owner).get(name) is new:
                setattr(owner, name, before)
            else:
                complete = False
        self._replaced.clear()
        return complete


def _classes(module: Any) -> list[type]:
    return [one for one in vars(module).values() if isinstance(one, type) and one.__module__ == module.__name__]


def _with_context(stock: Any) -> Any:
    class Greenlet(stock):  # type: ignore[misc]
        """A greenlet that begins with the OpenTelemetry Context of whoever made it, and no other context variable."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            current = get_current()
            if current:
                own = contextvars.Context()
                own.run(attach_context, current)
                self.gr_context = own

    Greenlet.__module__ = stock.__module__
    Greenlet.__qualname__ = stock.__qualname__
    return Greenlet
