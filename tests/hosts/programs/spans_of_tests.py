"""Tests for pytest-xdist, each with spans of its own, and spans of a fixture that ends with the worker."""

from __future__ import annotations

import os
from collections.abc import Iterator

import ledger
import pytest


@pytest.fixture(scope="session", autouse=True)
def worker() -> Iterator[None]:
    yield
    ledger.span(f"end-{os.environ['PYTEST_XDIST_WORKER']}")


@pytest.mark.parametrize("number", range(12))
def test_with_spans(number: int) -> None:
    ledger.work(number)
    assert number != 11, "one of them fails"
