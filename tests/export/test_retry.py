"""Backoff, Retry-After, deadlines and the log window: arithmetic without a network."""

from __future__ import annotations

import logging

import pytest

from nanospan._common import log
from nanospan._common.log import WindowedLog, one_line
from nanospan.export._delivery import backoff
from nanospan.export._delivery.backoff import Deadline, backoff_seconds, retry_after_seconds


@pytest.mark.parametrize("retry", range(6))
def test_backoff_doubles_with_a_fifth_of_jitter(retry: int) -> None:
    waits = [backoff_seconds(retry) for _ in range(500)]
    assert all(0.8 * 2**retry <= wait <= 1.2 * 2**retry for wait in waits)
    assert max(waits) - min(waits) > 0.1 * 2**retry


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("0", 0.0),
        (" 7 ", 7.0),
        ("1.5", 1.5),
        ("-3", 0.0),
        ("999", 999.0),
        ("Thu, 01 Jan 1970 00:17:40 GMT", 60.0),
        ("Thu, 01 Jan 1970 00:17:40", 60.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("Thu, 99 Jan 1970 00:00:00 GMT", None),
    ],
)
def test_retry_after(value: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(value, now=1000.0) == seconds


def test_deadline_counts_down_to_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(backoff, "monotonic", lambda: now[0])
    deadline = Deadline(10.0)
    assert deadline.remaining() == 10.0
    assert deadline.allows(9.9)
    assert not deadline.allows(10.0), "a wait that uses all the time up leaves none for the attempt"
    now[0] = 110.0
    assert deadline.passed
    assert deadline.remaining() == 0.0
    now[0] = 200.0
    assert deadline.remaining() == 0.0


def test_no_deadline_allows_everything() -> None:
    deadline = Deadline(None)
    assert deadline.remaining() is None
    assert not deadline.passed
    assert deadline.allows(1e12)


def test_window_logs_each_kind_once_and_counts_the_rest(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [1000.0]
    monkeypatch.setattr(log, "monotonic", lambda: now[0])
    windowed = WindowedLog(logging.getLogger("test.window"), window=20.0)
    for _ in range(5):
        windowed.log(logging.ERROR, "a", "failed %s", "a")
    windowed.log(logging.ERROR, "b", "failed %s", "b")
    assert [record.getMessage() for record in caplog.records] == ["failed a", "failed b"]
    now[0] += 20.0
    windowed.log(logging.ERROR, "a", "failed %s", "a")
    assert caplog.records[-1].getMessage() == "failed a (4 more of this kind since the last such line)"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("two\r\nlines\x1b[31m", "two lines [31m"),
        (b"\xffbytes\x00", "\ufffdbytes"),
        ("right\u202eleft", "right left"),
        ("x" * 300, "x" * 197 + "..."),
        ("", ""),
    ],
)
def test_one_line_is_safe_to_log(text: str | bytes, line: str) -> None:
    assert one_line(text) == line
