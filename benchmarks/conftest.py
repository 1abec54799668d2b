from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from nanospan.receiver import ReceiverProcess


@pytest.fixture(scope="session")
def receiver() -> Iterator[ReceiverProcess]:
    """A real receiver in a process of its own."""
    with ReceiverProcess() as running:
        yield running
