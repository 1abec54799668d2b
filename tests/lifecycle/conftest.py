"""The launcher of scripts, and what else they need, as fixtures."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest
from support.extra_packages import Environment, environment_with
from support.launcher import Launcher


@pytest.fixture
def launcher(request: pytest.FixtureRequest) -> Iterator[Launcher]:
    """Runs scripts with nanospan's provider, or with what ``each_tracing`` asks for."""
    launcher = Launcher(tracing=getattr(request, "param", "native"))
    yield launcher
    launcher.close()


@pytest.fixture
def with_packages(request: pytest.FixtureRequest) -> Callable[..., Environment]:
    """Gives an environment with packages that the tests' own does not have; skips where pip cannot fetch them."""

    def environment(*requirements: str) -> Environment:
        if os.environ.get("NANOSPAN_SUITES") == "0":
            pytest.skip(f"NANOSPAN_SUITES=0 leaves out what needs {', '.join(requirements)}")
        return environment_with(request.config, *requirements)

    return environment
