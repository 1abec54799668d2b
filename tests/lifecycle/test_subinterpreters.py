"""Subinterpreters are refused, in words, and without harm to the main interpreter."""

from __future__ import annotations

import pytest
from support.launcher import Launcher, check_orderly, names

REFUSAL = (
    "ImportError: nanospan works in the main interpreter of a process only, and this is a subinterpreter. "
    "Under mod_wsgi set WSGIApplicationGroup %{GLOBAL}, under uWSGI single-interpreter."
)


@pytest.mark.parametrize("when", ["before", "after"])
def test_subinterpreters_are_refused(launcher: Launcher, when: str) -> None:
    """One that shares the interpreter lock and one that is isolated, before or after the main one imports nanospan."""
    finished = launcher.run("subinterpreters.py", when)
    check_orderly(finished, processes=1)
    assert finished.reported("answers") == [[REFUSAL, REFUSAL]]
    assert launcher.received() == names("span", 10)
