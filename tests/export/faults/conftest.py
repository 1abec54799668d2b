"""What holds for every fault: the log has sentences, not the names of classes."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

_PRIVATE = re.compile(r"<|object at 0x|(?<![A-Za-z0-9])_[A-Za-z]|Error\(|Connection\(|Pool\(")


@pytest.fixture(autouse=True)
def clean_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    for record in caplog.get_records("call"):
        if record.name.startswith("nanospan"):
            assert not _PRIVATE.search(record.getMessage()), record.getMessage()
