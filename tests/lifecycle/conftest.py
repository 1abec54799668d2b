"""The launcher of scripts, as a fixture."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from launcher import Launcher


@pytest.fixture
def launcher() -> Iterator[Launcher]:
    launcher = Launcher()
    yield launcher
    launcher.close()
