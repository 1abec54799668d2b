"""`Installation`: what `nanospan.install` has done, and the way back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import import_module
from types import TracebackType
from typing import Any

from nanospan._compat import stock
from nanospan._compat.sdk import RECORDS_NATIVELY, global_tracer_provider, known_samplers
from nanospan._compat.stock import is_own, stock_class
from nanospan._install.current import convert_provider, replace_propagator
from nanospan._install.exporters import official_exporters
from nanospan._install.foreign_tokens import quiet_foreign_tokens
from nanospan._install.names import OWN, PICKLED, is_stock
from nanospan._install.patches import replaced_methods
from nanospan._install.references import KNOWN_PACKAGES, is_in, other_holders, references
from nanospan._install.subclasses import derive_from, loaded_subclasses
from nanospan._install.twins import pickled_as_own, recognised_as_own
from nanospan.trace import TracerProvider

__all__ = ["Installation", "install_once"]

_lock = threading.RLock()
_current: Installation | None = None


def install_once(*, exporters: bool, packages: tuple[str, ...]) -> Installation:
    """The installation of this process, brought up to date."""
    global _current
    with _lock:
        if _current is None:
            _current = Installation()
            _current._undo.append(quiet_foreign_tokens())
        _current._update(exporters=exporters, packages=packages)
        return _current


class Installation:
    """What `nanospan.install` has done. Its text is a report; `undo`, or the end of a ``with`` statement, reverts it.

    Attributes:
        replaced: The names that now stand for nanospan's objects, such as ``opentelemetry.sdk.trace.TracerProvider``.
        renewed: References in loaded modules, subclasses of the SDK's provider, the global provider and the global
            propagator, as far as they are nanospan's now and were not before.
        left: By name, why something is not nanospan's.
    """

    def __init__(self) -> None:
        self.replaced: list[str] = []
        self.renewed: list[str] = []
        self.left: dict[str, str] = {}
        self._packages: tuple[str, ...] = KNOWN_PACKAGES
        self._own: dict[int, Any] = {}
        self._stock: list[Any] = []  # the objects whose ids are the keys of _own
        self._undo: list[Callable[[], None]] = []

    @property
    def active(self) -> bool:
        """Whether it has not been undone."""
        return self is _current

    def undo(self) -> None:
        """Put back what stood there before, except where others have put something else meanwhile.

        Objects that were made keep their classes, and keep working. A second call does nothing.
        """
        global _current
        with _lock:
            if self is _current:
                _current = None
            while self._undo:
                self._undo.pop()()

    def __enter__(self) -> Installation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.undo()

    def __repr__(self) -> str:
        state = "" if self.active else "undone, "
        return (
            f"<nanospan.install: {state}{len(self.replaced)} replaced, {len(self.renewed)} renewed, {len(self.left)} left>"
        )

    def __str__(self) -> str:
        parts = {
            "replaced": self.replaced,
            "renewed": self.renewed,
            "left": [f"{name}: {why}" for name, why in self.left.items()],
        }
        return "\n".join(f"{title}:\n" + "\n".join(f"  {line}" for line in lines) for title, lines in parts.items() if lines)

    # --- the steps, each of which may find more to do at a later call ---------------------------------------------

    def _update(self, *, exporters: bool, packages: tuple[str, ...]) -> None:
        self._packages = (*self._packages, *(name for name in packages if name not in self._packages))
        self.left.clear()
        for (module, name), own in OWN.items():
            self._replace(module, name, own)
        self._replace_known_samplers()
        if exporters:
            for (module, name), (official, substitute) in official_exporters().items():
                self._replace(module, name, substitute, official)
        for module, variables, name in references(self._packages, self._own):
            self._set(variables, name, self._own[id(variables[name])])
            self.renewed.append(f"{module}.{name}")
        self._derive_subclasses()
        self._convert_provider()
        if undo := replace_propagator():
            self._undo.append(undo)
            self.renewed.append("the global propagator")
        for holder in other_holders(self._packages, self._own):
            self.left[holder] = "a reference of a package that is not known; name it in packages="

    def _replace(self, module: str, name: str, own: Any, official: Any = None) -> None:
        variables, label = vars(import_module(module)), f"{module}.{name}"
        found = variables.get(name)
        if found is own:
            return
        if not (is_stock(found, own) if official is None else found is official):
            self.left[label] = f"{_describe(found)} stands there"
            return
        if isinstance(found, type) and official is None:
            if changed := replaced_methods(found, own):
                self.left[label] = f"another package has replaced its {', '.join(changed)}"
                return
            if own not in self._own.values():  # a class may stand under two names
                self._undo.append(recognised_as_own(own, stock_class(own)))
                if own in PICKLED:
                    self._undo.append(pickled_as_own(own, stock_class(own)))
        self._set(variables, name, own)
        self._own[id(found)] = own
        self._stock.append(found)
        self.replaced.append(label)

    def _set(self, variables: dict[str, Any], name: str, own: Any) -> None:
        found, variables[name] = variables[name], own

        def undo() -> None:
            if variables.get(name) is own:
                variables[name] = found

        self._undo.append(undo)

    def _replace_known_samplers(self) -> None:
        """In the SDK's table of the values of ``OTEL_TRACES_SAMPLER``."""
        table = known_samplers()
        for name, sampler in list(table.items()):
            if id(sampler) in self._own:
                self._set(table, name, self._own[id(sampler)])

    def _derive_subclasses(self) -> None:
        if id(stock.TracerProvider) in self._own:
            for cls in loaded_subclasses(stock.TracerProvider):
                label = f"{cls.__module__}.{cls.__qualname__}"
                try:
                    if not is_in(cls.__module__, self._packages):
                        raise TypeError("its package is not known; name it in packages=")
                    self._undo.append(derive_from(cls, TracerProvider, stock.TracerProvider))
                except TypeError as error:
                    self.left[label] = f"derives from the SDK's class: {error}"
                else:
                    self.renewed.append(label)
        for found, own in ((found, self._own[id(found)]) for found in self._stock):
            if isinstance(found, type) and own is not TracerProvider:
                for cls in loaded_subclasses(found):
                    self.left[f"{cls.__module__}.{cls.__qualname__}"] = (
                        "derives from the SDK's class, and was defined before"
                    )

    def _convert_provider(self) -> None:
        provider = global_tracer_provider()
        if provider is None or is_own(provider, TracerProvider):
            return
        if type(provider) is not stock.TracerProvider or id(stock.TracerProvider) not in self._own:
            self.left["the global provider"] = f"is {_describe(type(provider))}"
            return
        if not RECORDS_NATIVELY:
            self.left["the global provider"] = "is the SDK's, as are its tracers in this release"
            return
        undo, stays = convert_provider(provider)
        self._undo.append(undo)
        self.renewed.append("the global provider")
        self.left.update(dict.fromkeys(stays, "keeps its class"))


def _describe(found: Any) -> str:
    kind = found if isinstance(found, type) else type(found)
    return f"{kind.__module__}.{kind.__qualname__}"
