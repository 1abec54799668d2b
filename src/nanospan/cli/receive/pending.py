"""What `nanospan receive` keeps count of while traces arrive: which are due, and the rate of spans."""

from __future__ import annotations

from collections.abc import Iterable

from nanospan.receiver.store import TraceSummary

__all__ = ["PendingTraces", "RateMeter"]


class PendingTraces:
    """Decides when a trace is shown: shortly after its root arrived, or after a period without new spans.

    Times are seconds of any monotonic clock.
    """

    def __init__(self, settle_seconds: float = 0.25, quiet_seconds: float = 2.0, max_pending: int = 1000) -> None:
        self._settle = settle_seconds
        self._quiet = quiet_seconds
        self._max_pending = max_pending
        self._pending: dict[str, tuple[float, TraceSummary]] = {}
        self.dropped = 0
        """Traces that were given up because too many were pending."""

    def touch(self, changes: Iterable[TraceSummary], now: float) -> None:
        for summary in changes:
            # Insertion order is the order of the last change, so that overflow drops the oldest.
            self._pending.pop(summary.trace_id, None)
            self._pending[summary.trace_id] = (now, summary)
        while len(self._pending) > self._max_pending:
            del self._pending[next(iter(self._pending))]
            self.dropped += 1

    def due(self, now: float) -> list[TraceSummary]:
        """The traces that are ready, oldest first; each is returned once for each time it was touched."""
        ready = [
            summary
            for touched, summary in self._pending.values()
            if now - touched >= (self._settle if summary.has_root else self._quiet)
        ]
        for summary in ready:
            del self._pending[summary.trace_id]
        return ready

    def rest(self) -> list[TraceSummary]:
        """The traces that are not due yet, oldest first; none is pending afterwards."""
        rest = [summary for _, summary in self._pending.values()]
        self._pending.clear()
        return rest


class RateMeter:
    """Spans a second over the last second or so, and the highest such rate."""

    def __init__(self) -> None:
        self._since: tuple[float, int] | None = None
        self.current = 0.0
        self.highest = 0.0

    def update(self, spans: int, now: float) -> None:
        if self._since is None:
            self._since = (now, spans)
        elapsed = now - self._since[0]
        if elapsed >= 1:
            self.current = (spans - self._since[1]) / elapsed
            self.highest = max(self.highest, self.current)
            self._since = (now, spans)
