"""Where the interpreter has its lock, it hands it on as often as it can."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator

import pytest
from support.accounting import clear_environment


@pytest.fixture(autouse=True)
def switching_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    with pytest.MonkeyPatch.context() as monkeypatch:
        clear_environment(monkeypatch)
        # Says of each of thousands of calls that the span has ended.
        monkeypatch.setattr(logging.getLogger("opentelemetry.sdk.trace"), "disabled", True)
        sys.setswitchinterval(1e-5)
        yield
        sys.setswitchinterval(before)
