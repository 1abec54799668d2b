"""Refuses subinterpreters, before a native module is loaded."""

from __future__ import annotations

__all__ = ["require_main_interpreter"]


def require_main_interpreter() -> None:
    """Raise ImportError in a subinterpreter.

    The native modules keep their state once a process, and the export thread of a processor may outlive a subinterpreter,
    which CPython answers with an abort. An attempt that reached the native modules would take them from the main interpreter
    too: Cython gives a module to the first interpreter that asks.
    """
    if not _in_main_interpreter():
        raise ImportError(
            "nanospan works in the main interpreter of a process only, and this is a subinterpreter. "
            "Under mod_wsgi set WSGIApplicationGroup %{GLOBAL}, under uWSGI single-interpreter."
        )


def _in_main_interpreter() -> bool:
    try:
        from _thread import _is_main_interpreter
    except ImportError:  # CPython 3.11
        return _in_main_interpreter_before_312()
    return bool(_is_main_interpreter())


def _in_main_interpreter_before_312() -> bool:
    try:
        import _xxsubinterpreters as interpreters
    except ImportError:  # not every build has it; Cython still refuses the second interpreter
        return True
    return bool(interpreters.get_current() == interpreters.get_main())
