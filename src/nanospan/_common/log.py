"""Rate-limited logging: at most one line per kind of event in a window of time."""

from __future__ import annotations

import logging
from collections.abc import Hashable

from nanospan._common.clock import monotonic

__all__ = ["MAX_EXCERPT", "WindowedLog", "log_callback_error", "one_line"]

WINDOW_SECONDS = 20.0
MAX_EXCERPT = 200
"""Maximum characters of a receiver's text in one log line."""


def one_line(text: str | bytes, limit: int = MAX_EXCERPT) -> str:
    """``text`` as one printable line of at most ``limit`` characters, safe to write into a log."""
    # Cut first, so that a large body is not decoded in full. A character takes at most four bytes.
    piece = text[: limit * 8]
    decoded = piece.decode("utf-8", "replace") if isinstance(piece, bytes) else piece
    line = " ".join("".join(char if char.isprintable() else " " for char in decoded).split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


class WindowedLog:
    """Logs at most one line per kind in each window of ``window`` seconds, with the number of suppressed lines.

    It has no lock, which a fork could leave locked in the child. Two threads that race may both log.
    """

    def __init__(self, logger: logging.Logger, window: float = WINDOW_SECONDS) -> None:
        self._logger = logger
        self._window = window
        self._seen: dict[Hashable, tuple[float, int]] = {}

    def log(self, level: int, kind: Hashable, message: str, *args: object, exc_info: bool = False) -> bool:
        """Log ``message % args`` unless a line of the same ``kind`` was logged within the window.

        Returns True if the line was logged.
        """
        now = monotonic()
        since, suppressed = self._seen.get(kind, (-self._window, 0))
        if now - since < self._window:
            self._seen[kind] = (since, suppressed + 1)
            return False
        self._seen[kind] = (now, 0)
        if suppressed:
            message += " (%d more of this kind since the last such line)"
            args = (*args, suppressed)
        self._logger.log(level, message, *args, exc_info=exc_info)
        return True


_callback_log = WindowedLog(logging.getLogger("nanospan"))


def log_callback_error(owner: object, call: str) -> None:
    """Log the current exception with its traceback, at most once per class and call in a window of 20 seconds.

    The application that started or ended the span does not get the exception, and the other processors are called.
    """
    kind = type(owner).__qualname__
    _callback_log.log(logging.ERROR, (kind, call), "Exception in %s.%s", kind, call, exc_info=True)
