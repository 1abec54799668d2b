"""``nanospan receive``: traces as they arrive, a status line, and a summary at the end."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import FrameType

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from nanospan.cli.format import byte_size, count, duration
from nanospan.cli.receive.waterfall import DEFAULT_MAX_ROWS, Waterfall
from nanospan.receiver.server import GRPC_MISSING, Receiver, grpc_is_installed
from nanospan.receiver.store import ReceiverStats, TraceSummary

__all__ = ["ListenError", "PendingTraces", "RateMeter", "ReceiveOptions", "run"]

POLL_SECONDS = 0.1
PLAIN_STATUS_SECONDS = 10.0
MAX_WATERFALLS_A_SECOND = 10


@dataclass(frozen=True, slots=True)
class ReceiveOptions:
    host: str = "127.0.0.1"
    http_port: int = 4318
    grpc_port: int | None = 4317
    service: str | None = None
    max_traces: int | None = None
    max_rows: int = DEFAULT_MAX_ROWS
    quiet: bool = False


class ListenError(Exception):
    """An address cannot be listened on; the message names it."""


class PendingTraces:
    """Decides when a trace is shown: shortly after its root arrived, or after a period without new spans.

    Times are seconds of any monotonic clock.
    """

    def __init__(
        self, settle_seconds: float = 0.25, quiet_seconds: float = 2.0, max_pending: int = 1000
    ) -> None:
        self._settle = settle_seconds
        self._quiet = quiet_seconds
        self._max_pending = max_pending
        self._pending: dict[str, tuple[float, TraceSummary]] = {}

    def touch(self, changes: Iterable[TraceSummary], now: float) -> None:
        for summary in changes:
            # Insertion order is the order of the last change, so that overflow drops the oldest.
            self._pending.pop(summary.trace_id, None)
            self._pending[summary.trace_id] = (now, summary)
        while len(self._pending) > self._max_pending:
            del self._pending[next(iter(self._pending))]

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


def run(options: ReceiveOptions, console: Console | None = None) -> None:
    """Serve until Ctrl-C, SIGTERM or the number of traces asked for; ListenError when a port is taken."""
    console = Console(highlight=False) if console is None else console
    if options.grpc_port is not None and not grpc_is_installed():
        console.print(GRPC_MISSING, style="yellow", markup=False)
        options = replace(options, grpc_port=None)
    try:
        receiver = Receiver(host=options.host, http_port=options.http_port, grpc_port=options.grpc_port)
    except OSError as error:
        raise ListenError(str(error)) from error
    started = time.monotonic()
    with receiver, _stop_signal() as stopping:
        _print_endpoints(console, receiver)
        session = _Session(console, receiver, options)
        session.follow(stopping)
    console.print(_summary(receiver.stats(), session, options.quiet, time.monotonic() - started))


class _Session:
    """The loop that shows traces, and its state."""

    def __init__(self, console: Console, receiver: Receiver, options: ReceiveOptions) -> None:
        self.shown = 0
        self.skipped = 0
        self.filtered: dict[str, None] = {}
        """The traces in which the wanted service has no part so far."""
        self.rate = RateMeter()
        self._console = console
        self._receiver = receiver
        self._options = options
        self._pending = PendingTraces()
        # Bounded, like the store.
        self._seen: dict[str, None] = {}
        self._second = (0, 0)
        self._plain_status = (time.monotonic(), 0)

    @property
    def not_shown(self) -> int:
        return self.skipped + len(self.filtered)

    def follow(self, stopping: threading.Event) -> None:
        if not self._console.is_terminal:
            while not stopping.is_set() and not self._is_complete():
                self._step()
                self._print_plain_status()
            return
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            while not stopping.is_set() and not self._is_complete():
                self._step()
                live.update(self._status(), refresh=True)

    def _is_complete(self) -> bool:
        return self._options.max_traces is not None and self.shown >= self._options.max_traces

    def _step(self) -> None:
        arrived = self._receiver.store.wait_for_changes(POLL_SECONDS)
        now = time.monotonic()
        self._pending.touch(arrived, now)
        for summary in self._pending.due(now):
            if self._is_complete():
                return
            if self._options.service is None or self._options.service in summary.services:
                self.filtered.pop(summary.trace_id, None)
                self._show(summary, int(now))
            elif summary.trace_id not in self._seen:
                self.filtered[summary.trace_id] = None
        self.rate.update(self._receiver.stats().spans, now)
        if arrived:
            # Changes come in bursts; the pause avoids a redraw for each batch.
            time.sleep(POLL_SECONDS / 2)

    def _show(self, summary: TraceSummary, second: int) -> None:
        again = summary.trace_id in self._seen
        if self._options.quiet:
            self.shown += not again
        else:
            shown_this_second = self._second[1] if self._second[0] == second else 0
            if shown_this_second >= MAX_WATERFALLS_A_SECOND:
                self.skipped += 1
                return
            spans = self._receiver.store.trace(summary.trace_id)
            if not spans:
                self.skipped += 1
                return
            self._second = (second, shown_this_second + 1)
            if again:
                self._console.print("more of a trace shown before:", style="dim")
            self._console.print(Waterfall(spans, self._options.max_rows))
            self._console.print()
            self.shown += not again
        self._seen[summary.trace_id] = None
        if len(self._seen) > 10_000:
            del self._seen[next(iter(self._seen))]

    def _status(self) -> Text:
        stats = self._receiver.stats()
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
        if not_shown := self.not_shown:
            parts.append(f"{count(not_shown)} trace{'' if not_shown == 1 else 's'} not shown")
        return Text("  ".join(parts), style="dim", no_wrap=True, overflow="ellipsis")

    def _print_plain_status(self) -> None:
        since, spans_then = self._plain_status
        now = time.monotonic()
        spans = self._receiver.stats().spans
        if now - since >= PLAIN_STATUS_SECONDS and spans != spans_then:
            self._plain_status = (now, spans)
            self._console.print(self._status())


@contextmanager
def _stop_signal() -> Iterator[threading.Event]:
    stopping = threading.Event()

    def stop(signum: int, frame: FrameType | None) -> None:
        stopping.set()

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopping
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _print_endpoints(console: Console, receiver: Receiver) -> None:
    text = Text("OTLP/HTTP  ", style="dim")
    text.append(receiver.endpoint_http, style="not dim cyan")
    if receiver.endpoint_grpc is not None:
        text.append("\nOTLP/gRPC  ")
        text.append(receiver.endpoint_grpc, style="not dim cyan")
    text.append("\nCtrl-C ends and prints a summary\n")
    console.print(text, soft_wrap=True)


def _summary(stats: ReceiverStats, session: _Session, quiet: bool, seconds: float) -> Table:
    table = Table(title="Received", title_justify="left", title_style="bold", show_header=False, box=None)
    table.add_column(style="dim")
    table.add_column(justify="right")
    table.add_row("spans", count(stats.spans))
    table.add_row("batches over HTTP", count(stats.http_batches))
    table.add_row("batches over gRPC", count(stats.grpc_batches))
    table.add_row("requests refused", count(stats.refused), style="red" if stats.refused else "")
    table.add_row("bytes of OTLP", byte_size(stats.bytes))
    table.add_row("bytes on the wire", byte_size(stats.wire_bytes))
    if stats.spans:
        table.add_row("spans a batch", count(stats.spans / stats.batches))
        table.add_row("bytes of OTLP a span", count(stats.bytes / stats.spans))
    table.add_row("traces " + ("counted" if quiet else "shown"), count(session.shown))
    table.add_row("traces not shown", count(session.not_shown))
    if session.rate.highest:
        table.add_row("highest spans/s", count(session.rate.highest))
    table.add_row("time", duration(seconds * 1e9))
    return table
