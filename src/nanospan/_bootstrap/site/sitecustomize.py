"""Python imports this module at its start, because `nanospan run` has put its folder on PYTHONPATH.

It starts tracing, and then runs the `sitecustomize` that Python would have imported otherwise. An error costs the tracing
and is said in one line; the program runs.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import module_from_spec

_HERE = os.path.dirname(os.path.abspath(__file__))


def _other() -> ModuleSpec | None:
    """The `sitecustomize` behind this one on the path."""
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != _HERE]
    return PathFinder.find_spec("sitecustomize", sys.path)


def _start(other: ModuleSpec | None) -> None:
    try:
        from nanospan._bootstrap.start import start

        start(None if other is None else other.origin)
    except Exception as error:
        if isinstance(error, ImportError) and str(error.name).partition(".")[0] == "nanospan":
            return  # another interpreter, which the program has started: nanospan is not installed for it
        print(f"nanospan: this program runs without tracing: {type(error).__name__}: {error}", file=sys.stderr)


_spec = _other()
_start(_spec)
if _spec is not None and _spec.loader is not None:
    _module = sys.modules["sitecustomize"] = module_from_spec(_spec)
    _spec.loader.exec_module(_module)
