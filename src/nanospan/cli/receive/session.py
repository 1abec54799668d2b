"""The loop that shows traces as they arrive, and its counts."""

from __future__ import annotations

import threading
import time

from rich.console import Console
from rich.live import Live
from rich.text import Text

from nanospan.cli.format import byte_size, count
from nanospan.cli.receive.pending import PendingTraces, RateMeter
from nanospan.cli.receive.waterfall import DEFAULT_MAX_ROWS, Waterfall
from nanospan.receiver.store import TraceStore, TraceSummary

__all__ = ["TraceViewer", "follow"]

POLL_SECONDS = 0.1
PLAIN_STATUS_SECONDS = 10.0
MAX_WATERFALLS_A_SECOND = 10
MAX_REMEMBERED = 10_000


class TraceViewer:
    """Shows traces of ``store`` on ``console``, and counts those that it shows and those that it does not.

    ``service`` shows only the traces in which it takes part; ``max_traces`` ends after so many; ``quiet`` shows none, and
    counts them as shown. ``max_a_second`` bounds the waterfalls of one second; None for no bound.
    """

    def __init__(
        self,
        console: Console,
        store: TraceStore,
        *,
        service: str | None = None,
        max_traces: int | None = None,
        max_rows: int = DEFAULT_MAX_ROWS,
        quiet: bool = False,
        max_a_second: int | None = MAX_WATERFALLS_A_SECOND,
    ) -> None:
        self.service = service
        self.quiet = quiet
        self.shown = 0
        self.skipped = 0
        """Traces that came too fast to be shown, or were evicted before."""
        self.services_seen: dict[str, None] = {}
        self._console = console
        self._store = store
        self._max_traces = max_traces
        self._max_rows = max_rows
        self._max_a_second = max_a_second
        # Bounded, like the store.
        self._seen: dict[str, None] = {}
        self._of_others: dict[str, None] = {}
        self._forgotten_of_others = 0
        self._second = (0, 0)

    @property
    def of_other_services(self) -> int:
        """Traces in which ``service`` takes no part."""
        return self._forgotten_of_others + len(self._of_others)

    @property
    def not_shown(self) -> int:
        return self.skipped + self.of_other_services

    def is_complete(self) -> bool:
        return self._max_traces is not None and self.shown >= self._max_traces

    def offer(self, summary: TraceSummary, now: float) -> None:
        """Show a trace, or count it as not shown. ``now``: seconds of any monotonic clock."""
        if self.service is None or self.service in summary.services:
            # Spans of the service may come after the first look at its trace.
            self._of_others.pop(summary.trace_id, None)
            self._show(summary, int(now))
            return
        for name in summary.services:
            if len(self.services_seen) < MAX_REMEMBERED:
                self.services_seen[name] = None
        self._of_others[summary.trace_id] = None
        if len(self._of_others) > MAX_REMEMBERED:
            del self._of_others[next(iter(self._of_others))]
            self._forgotten_of_others += 1

    def _show(self, summary: TraceSummary, second: int) -> None:
        again = summary.trace_id in self._seen
        if self.quiet:
            self.shown += not again
        else:
            shown_this_second = self._second[1] if self._second[0] == second else 0
            if self._max_a_second is not None and shown_this_second >= self._max_a_second:
                self.skipped += 1
                return
            spans = self._store.trace(summary.trace_id)
            if not spans:
                self.skipped += 1
                return
            self._second = (second, shown_this_second + 1)
            if again:
                self._console.print("more of a trace shown before:", style="dim")
            self._console.print(Waterfall(spans, self._max_rows, other_trace=self._store.trace))
            self._console.print()
            self.shown += not again
        self._seen[summary.trace_id] = None
        if len(self._seen) > MAX_REMEMBERED:
            del self._seen[next(iter(self._seen))]


def follow(console: Console, store: TraceStore, viewer: TraceViewer, stopping: threading.Event) -> RateMeter:
    """Offer what arrives to ``viewer`` until ``stopping`` is set or it is complete, with a status line."""
    loop = _Loop(console, store, viewer)
    if not console.is_terminal:
        while not stopping.is_set() and not viewer.is_complete():
            loop.step()
            loop.print_plain_status()
    else:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            while not stopping.is_set() and not viewer.is_complete():
                loop.step()
                live.update(loop.status(), refresh=True)
    loop.finish()
    return loop.rate


class _Loop:
    def __init__(self, console: Console, store: TraceStore, viewer: TraceViewer) -> None:
        self.rate = RateMeter()
        self._console = console
        self._store = store
        self._viewer = viewer
        self._pending = PendingTraces()
        self._plain_status = (time.monotonic(), 0)

    def step(self) -> None:
        arrived = self._store.wait_for_changes(POLL_SECONDS)
        now = time.monotonic()
        self._pending.touch(arrived, now)
        self._offer(self._pending.due(now), now)
        self.rate.update(self._store.stats().spans, now)
        if arrived:
            # Changes come in bursts; the pause avoids a redraw for each batch.
            time.sleep(POLL_SECONDS / 2)

    def finish(self) -> None:
        """Offer what has arrived and was not due yet."""
        now = time.monotonic()
        self._pending.touch(self._store.wait_for_changes(0), now)
        self._offer(self._pending.rest(), now)
        self._viewer.skipped += self._pending.dropped

    def status(self) -> Text:
        stats = self._store.stats()
        if not stats.batches:
            return Text("waiting for spans", style="dim")
        parts = [
            f"{count(stats.spans)} span{'' if stats.spans == 1 else 's'}",
            f"{count(stats.batches)} batch{'' if stats.batches == 1 else 'es'}",
            byte_size(stats.bytes),
            f"{count(self.rate.current)} spans/s",
        ]
        if stats.refused:
            parts.append(f"{count(stats.refused)} refused")
        if self._viewer.not_shown:
            parts.append(f"{count(self._viewer.not_shown)} traces not shown")
        return Text("  ".join(parts), style="dim", no_wrap=True, overflow="ellipsis")

    def print_plain_status(self) -> None:
        since, spans_then = self._plain_status
        now = time.monotonic()
        spans = self._store.stats().spans
        if now - since >= PLAIN_STATUS_SECONDS and spans != spans_then:
            self._plain_status = (now, spans)
            self._console.print(self.status())

    def _offer(self, summaries: list[TraceSummary], now: float) -> None:
        for summary in summaries:
            if self._viewer.is_complete():
                return
            self._viewer.offer(summary, now)
