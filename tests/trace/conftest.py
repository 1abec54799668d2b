"""The fixture that runs a test over both implementations."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.accounting import clear_environment
from support.parity.implementation import STOCK, Implementation, native


@pytest.fixture(autouse=True)
def clean_environment() -> Iterator[None]:
    # Not the fixture monkeypatch, with which no test would be run in several threads.
    with pytest.MonkeyPatch.context() as monkeypatch:
        clear_environment(monkeypatch)
        yield


@pytest.fixture(params=["stock", "native"])
def implementation(request: pytest.FixtureRequest) -> Implementation:
    if request.param == "stock":
        return STOCK
    return _native_or_skip()


@pytest.fixture
def native_implementation() -> Implementation:
    """For what is decided to differ from the SDK."""
    return _native_or_skip()


def _native_or_skip() -> Implementation:
    found = native()
    if found is None:
        pytest.skip("nanospan.TracerProvider is not in this build")
    return found
