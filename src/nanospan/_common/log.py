"""Rate-limited logging: at most one line per kind of event in a window of time, and the rest as a number at the shutdown."""

from __future__ import annotations

import logging
import os
from collections.abc import Hashable
from dataclasses import dataclass

from nanospan._common.clock import monotonic

__all__ = ["MAX_EXCERPT", "WindowedLog", "counted", "log_callback_error", "one_line", "say_what_the_process_held_back"]

WINDOW_SECONDS = 20.0
MAX_KINDS = 256
"""Kinds that a log remembers, the latest."""
MAX_EXCERPT = 200
"""Maximum characters of a receiver's text in one log line."""


def one_line(text: str | bytes, limit: int = MAX_EXCERPT) -> str:
    """``text`` as one printable line of at most ``limit`` characters, safe to write into a log."""
    # Cut first, so that a large body is not decoded in full. A character takes at most four bytes.
    piece = text[: limit * 8]
    decoded = piece.decode("utf-8", "replace") if isinstance(piece, bytes) else piece
    line = " ".join("".join(char if char.isprintable() else " " for char in decoded).split())
    return line if len(line) <= limit else line[: limit - 3] + "..."


def counted(number: int, noun: str) -> str:
    """As ``1 span`` or ``5 spans``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


@dataclass(slots=True)
class _Kind:
    """The lines of one kind: when one was last logged, and what was held back since."""

    logged: float
    level: int
    message: str
    args: tuple[object, ...]
    """The line that was held back last, else the one that was logged."""
    lines: int = 0
    spans: int = 0


class WindowedLog:
    """Logs at most one line per kind in each window of ``window`` seconds, with the number of suppressed lines.

    What is still held back at a shutdown is said by `say_held_back`. The owner calls it, or, unless ``owned``, the shutdown
    of a provider does; such a log lives as long as the process.

    It has no lock, which a fork could leave locked in the child. Two threads that race may both log. A forked child starts
    anew: what its parent held back is the parent's to say.
    """

    def __init__(self, logger: logging.Logger, window: float = WINDOW_SECONDS, *, owned: bool = False) -> None:
        self._logger = logger
        self._window = window
        self._kinds: dict[Hashable, _Kind] = {}
        self._process = os.getpid()
        if not owned:
            _of_the_process.append(self)

    def log(self, level: int, kind: Hashable, message: str, *args: object, exc_info: bool = False, spans: int = 0) -> bool:
        """Log ``message % args`` unless a line of the same ``kind`` was logged within the window.

        ``spans`` is the number of spans that the line is about, 0 if it is about none. Returns True if the line was logged.
        """
        self._notice_fork()
        now = monotonic()
        known = self._kinds.get(kind)
        if known is not None and now - known.logged < self._window:
            known.level, known.message, known.args = level, message, args
            known.lines += 1
            known.spans += spans
            return False
        self._kinds.pop(kind, None)
        if len(self._kinds) >= MAX_KINDS:
            # Of kinds made at run time, such as by the names of classes, there is no end.
            self._kinds.pop(next(iter(self._kinds)), None)
        self._kinds[kind] = _Kind(now, level, message, args)
        if known is not None and known.lines:
            message += " (%d more of this kind since the last such line)"
            args = (*args, known.lines)
        self._logger.log(level, message, *args, exc_info=exc_info)
        return True

    def say_held_back(self) -> None:
        """Log one line for each kind of which lines are held back, with their number and the last of them."""
        self._notice_fork()
        for known in list(self._kinds.values()):
            lines, spans = known.lines, known.spans
            if lines:
                known.lines = known.spans = 0
                about = f" (of {counted(spans, 'span')} in all)" if spans else ""
                message = f"At the shutdown: {counted(lines, 'line')}{about} held back since the last of this kind: "
                self._logger.log(known.level, message + known.message, *known.args)

    def _notice_fork(self) -> None:
        if self._process != (process := os.getpid()):
            self._kinds = {}
            self._process = process


_of_the_process: list[WindowedLog] = []


def say_what_the_process_held_back() -> None:
    """Say what is held back in the logs that have no owner."""
    for log in _of_the_process:
        log.say_held_back()


_callback_log = WindowedLog(logging.getLogger("nanospan"))


def log_callback_error(owner: object, call: str) -> None:
    """Log the current exception with its traceback, at most once per class and call in a window of 20 seconds.

    The application that started or ended the span does not get the exception, and the other processors are called.
    """
    kind = type(owner).__qualname__
    _callback_log.log(logging.ERROR, (kind, call), "Exception in %s.%s", kind, call, exc_info=True)
