"""The table at the end of `nanospan receive`."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from nanospan.cli.format import byte_size, count, duration, plain
from nanospan.cli.receive.forward import Forwarder
from nanospan.cli.receive.save import Saver
from nanospan.cli.receive.session import TraceViewer
from nanospan.receiver.store import ReceiverStats

__all__ = ["received", "unseen_service", "was_read"]

MAX_SERVICES_NAMED = 10


def received(
    stats: ReceiverStats,
    viewer: TraceViewer,
    *,
    highest_rate: float,
    seconds: float,
    forwarder: Forwarder | None,
    saver: Saver | None,
) -> RenderableType:
    """What arrived, and what became of it."""
    table = _table("Received")
    table.add_row("spans", count(stats.spans))
    table.add_row("batches over HTTP", count(stats.http_batches))
    table.add_row("batches over gRPC", count(stats.grpc_batches))
    _add_bad_row(table, "requests refused", stats.refused)
    if stats.rejected:
        _add_bad_row(table, "spans rejected", stats.rejected)
    table.add_row("bytes of OTLP", byte_size(stats.bytes))
    table.add_row("bytes on the wire", byte_size(stats.wire_bytes))
    if stats.spans:
        table.add_row("spans a batch", count(stats.spans / stats.batches))
        table.add_row("bytes of OTLP a span", count(stats.bytes / stats.spans))
    _add_traces(table, viewer)
    if forwarder is not None:
        table.add_row("spans forwarded", count(forwarder.delivered))
        _add_bad_row(table, "spans not forwarded", forwarder.lost)
    if saver is not None:
        table.add_row("spans saved", count(saver.delivered))
        _add_bad_row(table, "spans not saved", saver.lost)
    if highest_rate:
        table.add_row("highest spans/s", count(highest_rate))
    table.add_row("time", duration(seconds * 1e9))
    return _with_hint(table, viewer)


def was_read(stats: ReceiverStats, viewer: TraceViewer, *, lines: int, unusable: int) -> RenderableType:
    """What a file held, and what was shown of it."""
    table = _table("Read")
    table.add_row("lines", count(lines))
    _add_bad_row(table, "lines not used", unusable)
    table.add_row("spans", count(stats.spans))
    if stats.rejected:
        _add_bad_row(table, "spans not used", stats.rejected)
    if stats.not_kept:
        _add_bad_row(table, "spans that did not fit", stats.not_kept)
    _add_traces(table, viewer)
    return _with_hint(table, viewer)


def unseen_service(viewer: TraceViewer) -> str | None:
    """A sentence for a filter that let nothing through although traces came."""
    if viewer.shown or not viewer.of_other_services:
        return None
    names = [plain(name) for name in viewer.services_seen]
    more = f" and {len(names) - MAX_SERVICES_NAMED} more" if len(names) > MAX_SERVICES_NAMED else ""
    return f"No trace had the service {viewer.service!r}; there were: {', '.join(names[:MAX_SERVICES_NAMED])}{more}"


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", show_header=False, box=None)
    table.add_column(style="dim")
    table.add_column(justify="right")
    return table


def _add_bad_row(table: Table, name: str, number: int) -> None:
    table.add_row(name, count(number), style="red" if number else "")


def _add_traces(table: Table, viewer: TraceViewer) -> None:
    table.add_row("traces " + ("counted" if viewer.quiet else "shown"), count(viewer.shown))
    table.add_row("traces not shown", count(viewer.not_shown))
    if viewer.service is not None:
        table.add_row("  of other services", count(viewer.of_other_services))


def _with_hint(table: Table, viewer: TraceViewer) -> RenderableType:
    sentence = unseen_service(viewer)
    return table if sentence is None else Group(table, Text(sentence, style="yellow"))
