"""What happens when somebody else's code, called from the native tracer, raises."""

from __future__ import annotations

import logging

from nanospan.export._window import WindowedLog

__all__ = ["report_fault"]

_log = WindowedLog(logging.getLogger("nanospan"))


def report_fault(owner: object, call: str) -> None:
    """Log the exception being handled, with its traceback, at most once per class and call in a window of 20 seconds.

    The application that started or ended the span does not see it, and the other processors are still called.
    """
    kind = type(owner).__qualname__
    _log.log(logging.ERROR, (kind, call), "Exception in %s.%s", kind, call, exc_info=True)
