"""Keeps the environment of the machine out of the exporters' tests."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the machine decides a test, and no proxy stands between it and its receiver."""
    for name in list(os.environ):
        if name.startswith("OTEL_") or name.lower().endswith("_proxy") or name.endswith("_CA_BUNDLE"):
            monkeypatch.delenv(name)


@pytest.fixture
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Retries without waiting; returns the list that collects the numbers of the retries asked about."""
    from nanospan.export._delivery import delivery

    asked: list[int] = []

    def none(retry: int) -> float:
        asked.append(retry)
        return 0.0

    monkeypatch.setattr(delivery, "backoff_seconds", none)
    return asked


@pytest.fixture
def retry_waits() -> Iterator[threading.Event]:
    """Set when an exporter is about to wait before a retry: that is when it says so in the log."""
    waits = threading.Event()

    class Watch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "trying again in" in record.getMessage():
                waits.set()

    watch = Watch()
    logger = logging.getLogger("nanospan")
    logger.addHandler(watch)
    yield waits
    logger.removeHandler(watch)
