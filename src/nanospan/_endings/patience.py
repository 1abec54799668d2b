"""How long an end or a pause waits for the collector, where processes or events follow each other."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable

from nanospan._common.clock import monotonic
from nanospan._endings.last_send import LIMIT_SECONDS
from nanospan.processor._at_exit import is_anything_unsent

__all__ = ["send_with_patience"]

SHORT_SECONDS = 0.1
WINDOW_SECONDS = 60.0

# In memory that forked children share: each job of RQ ends a process, and none but the first may wait for a dead collector.
_failed = mmap.mmap(-1, 8)
_failed[:] = struct.pack("d", float("-inf"))


def send_with_patience(send: Callable[..., bool], limit: float = LIMIT_SECONDS) -> None:
    """Call ``send(seconds, or_here=True)`` if anything is unsent: for ``limit`` s, or, if the last such call of this process
    or of one that it shares the memory with failed within `WINDOW_SECONDS`, for `SHORT_SECONDS`.
    """
    if not is_anything_unsent():
        return
    failed_recently = monotonic() - struct.unpack("d", _failed[:])[0] < WINDOW_SECONDS
    sent = send(min(limit, SHORT_SECONDS) if failed_recently else limit, or_here=True) and not is_anything_unsent()
    if sent:
        _failed[:] = struct.pack("d", float("-inf"))
    elif not failed_recently:
        _failed[:] = struct.pack("d", monotonic())
