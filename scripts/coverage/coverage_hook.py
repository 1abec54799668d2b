"""Measures every process of the interpreter where scripts/coverage/coverage.sh has installed it, whatever its environment.

coverage.py tells processes by a variable, and some tests give theirs an environment of its own. gcov writes its counts at
exit(), which os._exit does not call: without what is here, what forked children run would count as never run.
"""

import contextlib
import ctypes
import os
from collections.abc import Callable
from typing import NoReturn

import coverage

MAPS = "/proc/self/maps"
VARIABLE = "COVERAGE_PROCESS_START"


def begin(configuration: str) -> None:
    """Measure this process as the file ``configuration`` says; gcov's counts are written at any end but a signal's."""
    os._exit = leave_with(os._exit)
    if VARIABLE in os.environ:
        return  # coverage.py has begun by itself
    os.environ[VARIABLE] = configuration
    # In a subinterpreter coverage.py's tracer cannot be loaded: its .py files run there unmeasured.
    with contextlib.suppress(AttributeError):
        coverage.process_startup()
    del os.environ[VARIABLE]


def dump_counts() -> None:
    """Call ``ns_dump_counts`` (csrc/tests/dump_counts.c) of each module of nanospan that this process has loaded."""
    with open(MAPS) as maps:
        loaded = {line.split()[-1] for line in maps if "/nanospan/_native/" in line}
    for path in loaded:
        ctypes.CDLL(path).ns_dump_counts()


def leave_with(exit_at_once: Callable[[int], NoReturn]) -> Callable[[int], NoReturn]:
    def leave(status: int) -> NoReturn:
        try:
            dump_counts()
        finally:
            exit_at_once(status)

    return leave
