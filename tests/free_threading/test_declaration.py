"""What the modules declare of themselves to a free-threaded interpreter."""

from __future__ import annotations

import subprocess
import sys
import sysconfig

import pytest

IMPORT_ALL = """
import importlib, pkgutil, sys
import nanospan._native
found = pkgutil.walk_packages(nanospan._native.__path__, "nanospan._native.")
modules = [module.name for module in found]  # a package of _native is itself an extension module
assert len(modules) == 8, modules
for name in modules:
    importlib.import_module(name)
import nanospan.propagation, nanospan.sampling, nanospan.tail
assert not sys._is_gil_enabled()
"""


def test_importing_leaves_the_interpreter_lock_off() -> None:
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        pytest.skip("needs a free-threaded CPython (python3.13t or later)")
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", IMPORT_ALL], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
