"""A bounded queue of requests before a thread that handles them, so that what is slow never delays an answer."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from nanospan._common.log import WindowedLog

__all__ = ["RequestQueue"]

_log = WindowedLog(logging.getLogger(__name__))

REQUEST_OVERHEAD_BYTES = 100
"""Approximate bytes of a queued request besides its body."""


class RequestQueue:
    """Hands each request to ``handle``, one at a time, from a thread of its own.

    ``handle`` gets the request, serialised as protobuf, and its number of spans, and returns how many of these it delivered.
    At most ``max_bytes`` of requests wait; later ones are dropped, and count as lost.
    """

    def __init__(self, handle: Callable[[bytes, int], int], *, name: str, max_bytes: int) -> None:
        self._handle = handle
        self._max_bytes = max_bytes
        self._changed = threading.Condition()
        self._waiting: deque[tuple[bytes, int]] = deque()
        self._bytes = 0
        self._under_way = 0
        self._closed = False
        self.delivered = 0
        """Spans that ``handle`` has delivered."""
        self.lost = 0
        """Spans that were dropped, or that ``handle`` did not deliver."""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, body: bytes, spans: int) -> None:
        size = len(body) + REQUEST_OVERHEAD_BYTES
        with self._changed:
            if self._closed or self._bytes + size > self._max_bytes:
                self.lost += spans
                return
            self._bytes += size
            self._waiting.append((body, spans))
            self._changed.notify_all()

    def drain(self, timeout: float) -> None:
        """Take no more; wait up to ``timeout`` seconds for what waits, and drop the rest. `join` waits for the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not (self._waiting or self._under_way), timeout)
            self.lost += sum(spans for _, spans in self._waiting)
            self._waiting.clear()

    def join(self, timeout: float) -> None:
        """After `drain`: wait up to ``timeout`` seconds for the request that is being handled; then it counts as lost."""
        self._thread.join(timeout)
        with self._changed:
            self.lost += self._under_way
            self._under_way = 0

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                body, spans = self._waiting.popleft()
                self._under_way = spans
            try:
                delivered = self._handle(body, spans)
            except Exception:
                # Of a request that cannot be read; the next one may be.
                _log.log(logging.ERROR, self._thread.name, "%s: a request was lost", self._thread.name, exc_info=True)
                delivered = 0
            with self._changed:
                # Counted until it is handled: the bound is for all that is in memory.
                self._bytes -= len(body) + REQUEST_OVERHEAD_BYTES
                if self._under_way:
                    self._under_way = 0
                    self.delivered += delivered
                    self.lost += spans - delivered
                self._changed.notify_all()
