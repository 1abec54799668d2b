"""Refuses to be imported in a subinterpreter, before a native module is loaded."""

from __future__ import annotations

import _thread
from importlib import import_module

__all__ = ["require_main_interpreter"]


def require_main_interpreter() -> None:
    """Raise ImportError in a subinterpreter.

    The native modules have one state per process. CPython aborts if the export thread of a processor outlives its
    subinterpreter. Cython binds a module to the first interpreter that imports it, so an import in a subinterpreter would
    also make the module unusable in the main one.
    """
    if not _in_main_interpreter():
        raise ImportError(
            "nanospan works in the main interpreter of a process only, and this is a subinterpreter. "
            "Under mod_wsgi set WSGIApplicationGroup %{GLOBAL}, under uWSGI single-interpreter."
        )


def _in_main_interpreter() -> bool:
    is_main = getattr(_thread, "_is_main_interpreter", None)
    return _in_main_interpreter_before_312() if is_main is None else bool(is_main())


def _in_main_interpreter_before_312() -> bool:
    try:
        interpreters = import_module("_xxsubinterpreters")
    except ImportError:  # some builds lack it; Cython still refuses the second interpreter
        return True
    return bool(interpreters.get_current() == interpreters.get_main())
