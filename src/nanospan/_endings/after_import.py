"""Calls a function with a module as soon as that is imported."""

from __future__ import annotations

import importlib.util
import sys
import threading
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["after_import"]

_hooks: dict[str, Callable[[ModuleType], None]] = {}
_searching = threading.local()


def after_import(name: str, hook: Callable[[ModuleType], None]) -> None:
    """Call ``hook`` with the module ``name``: now if it is loaded, else once it is."""
    if (module := sys.modules.get(name)) is not None:
        hook(module)
        return
    if not _hooks:
        sys.meta_path.insert(0, _Finder())
    _hooks[name] = hook


class _Finder(MetaPathFinder):
    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname not in _hooks or getattr(_searching, "now", False):
            return None
        _searching.now = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            _searching.now = False
        if spec is not None and spec.loader is not None:
            spec.loader = _HookingLoader(spec.loader, _hooks[fullname])
        return spec


class _HookingLoader(Loader):
    """Another loader, and the call after it. It leaves the module with that loader."""

    def __init__(self, loader: Loader, hook: Callable[[ModuleType], None]) -> None:
        self._loader = loader
        self._hook = hook

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._hook(module)
