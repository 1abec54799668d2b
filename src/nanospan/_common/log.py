"""Logging that a fault can trigger thousands of times a minute, kept to one line per kind and window."""

from __future__ import annotations

import logging
import time
from collections.abc import Hashable

__all__ = ["MAX_EXCERPT", "WindowedLog", "log_callback_error", "one_line"]

WINDOW_SECONDS = 20.0
MAX_EXCERPT = 200
"""Characters of a receiver's text that reach the log."""


def one_line(text: str | bytes, limit: int = MAX_EXCERPT) -> str:
    """``text`` as one printable line of at most ``limit`` characters, safe to write into a log."""
    # A character takes at most four bytes; cutting first keeps a large body from being decoded in full.
    piece = text[: limit * 8]
    decoded = piece.decode("utf-8", "replace") if isinstance(piece, bytes) else piece
    line = " ".join("".join(char if char.isprintable() else " " for char in decoded).split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


class WindowedLog:
    """Writes at most one line per kind in each window of ``window`` seconds, and says how many it kept back.

    Without a lock, so that a fork cannot leave it held: two threads that race may both write, which costs a
    line.
    """

    def __init__(self, logger: logging.Logger, window: float = WINDOW_SECONDS) -> None:
        self._logger = logger
        self._window = window
        self._seen: dict[Hashable, tuple[float, int]] = {}

    def log(self, level: int, kind: Hashable, message: str, *args: object, exc_info: bool = False) -> bool:
        """Log ``message % args`` unless a line of the same ``kind`` was written within the window.

        True if it was written now."""
        now = time.monotonic()
        since, kept_back = self._seen.get(kind, (-self._window, 0))
        if now - since < self._window:
            self._seen[kind] = (since, kept_back + 1)
            return False
        self._seen[kind] = (now, 0)
        if kept_back:
            message += " (%d more of this kind since the last such line)"
            args = (*args, kept_back)
        self._logger.log(level, message, *args, exc_info=exc_info)
        return True


_callback_log = WindowedLog(logging.getLogger("nanospan"))


def log_callback_error(owner: object, call: str) -> None:
    """Log the exception being handled, with its traceback, at most once per class and call in a window of 20 seconds.

    The application that started or ended the span does not see it, and the other processors are still called.
    """
    kind = type(owner).__qualname__
    _callback_log.log(logging.ERROR, (kind, call), "Exception in %s.%s", kind, call, exc_info=True)
