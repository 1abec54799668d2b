"""``nanospan receive``: traces as they arrive, a status line, and a summary at the end; or the traces of a saved file."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from types import FrameType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rich.console import Console
from rich.text import Text

from nanospan.cli.receive.forward import Forwarder
from nanospan.cli.receive.save import Saver, read_lines
from nanospan.cli.receive.session import MAX_WATERFALLS_A_SECOND, TraceViewer, follow
from nanospan.cli.receive.summary import received, was_read
from nanospan.cli.receive.waterfall import DEFAULT_MAX_ROWS
from nanospan.receiver.cors import LOCALHOST_ORIGINS
from nanospan.receiver.server import GRPC_MISSING, Receiver, grpc_is_installed
from nanospan.receiver.store import TraceStore

if TYPE_CHECKING:
    from nanospan.cli.lint.received import Checking

__all__ = ["ListenError", "ReadOptions", "ReceiveError", "ReceiveOptions", "ViewOptions", "read", "run"]

READ_MAX_TRACES = 100_000
READ_MAX_BYTES = 512 << 20
MAX_LINES_NAMED = 5


@dataclass(frozen=True, slots=True)
class ViewOptions:
    """What of the traces is shown."""

    service: str | None = None
    max_traces: int | None = None
    max_rows: int = DEFAULT_MAX_ROWS
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class ReceiveOptions:
    host: str = "127.0.0.1"
    http_port: int = 4318
    grpc_port: int | None = 4317
    cors_origins: tuple[str, ...] = LOCALHOST_ORIGINS
    forward: str | None = None
    save: str | None = None
    check: bool = False
    view: ViewOptions = ViewOptions()


class ReceiveError(Exception):
    """The command cannot do what was asked; the message says why."""


class ListenError(ReceiveError):
    """An address cannot be listened on; the message names it."""


def run(options: ReceiveOptions, console: Console | None = None) -> bool:
    """Serve until Ctrl-C, SIGTERM or the number of traces asked for; False if ``check`` has found a violation.

    Raises ReceiveError when it cannot start.
    """
    console = Console(highlight=False) if console is None else console
    if options.grpc_port is not None and not grpc_is_installed():
        console.print(GRPC_MISSING, style="yellow", markup=False)
        options = replace(options, grpc_port=None)
    with ExitStack() as stack:
        saver = _saver(options.save, stack)
        forwarder = _forwarder(options, stack)
        checking = _checking(options, stack)
        sinks = [sink.put for sink in (saver, forwarder, checking) if sink is not None]

        def pass_on(body: bytes, spans: int) -> None:
            for put in sinks:
                put(body, spans)

        try:
            receiver = Receiver(
                host=options.host,
                http_port=options.http_port,
                grpc_port=options.grpc_port,
                on_request=pass_on,
                cors_origins=options.cors_origins,
            )
        except OSError as error:
            raise ListenError(str(error)) from error
        started = time.monotonic()
        with receiver, _stop_signal() as stopping:
            _print_endpoints(console, receiver, forwarder, saver)
            viewer = _viewer(console, receiver.store, options.view)
            rate = follow(console, receiver.store, viewer, stopping)
            seconds = time.monotonic() - started
            # Before the summary, which counts what they have delivered. Receiving has ended for both.
            receiver.stop()
            stack.close()
    console.print(
        received(receiver.stats(), viewer, highest_rate=rate.highest, seconds=seconds, forwarder=forwarder, saver=saver)
    )
    return checking is None or not checking.show(console)


@dataclass(frozen=True, slots=True)
class ReadOptions:
    path: str
    view: ViewOptions = ViewOptions()


def read(options: ReadOptions, console: Console | None = None) -> None:
    """Show the traces of a file of requests, in the order in which they were last added to; ReceiveError if it has none."""
    console = Console(highlight=False) if console is None else console
    store = TraceStore(max_traces=READ_MAX_TRACES, max_bytes=READ_MAX_BYTES)
    lines = unusable = named = 0
    try:
        for line in read_lines(options.path):
            lines += 1
            if line.body:
                store.add(line.body, transport="file", rejected=line.rejected)
            else:
                unusable += 1
            if line.reason and named < MAX_LINES_NAMED:
                named += 1
                console.print(f"line {line.number}: {line.reason}", style="yellow", markup=False, soft_wrap=True)
    except OSError as error:
        raise ReceiveError(f"cannot read {options.path}: {error.strerror or error}") from error
    if lines == unusable:
        raise ReceiveError(
            f"no line of {options.path} is an ExportTraceServiceRequest in OTLP JSON, "
            "as nanospan receive --save and the Collector's file exporter write"
        )
    viewer = _viewer(console, store, options.view, max_a_second=None)
    for summary in store.summaries():
        if viewer.is_complete():
            break
        viewer.offer(summary, 0)
    stats = store.stats()
    viewer.skipped += stats.evicted
    console.print(was_read(stats, viewer, lines=lines, unusable=unusable))


def _viewer(
    console: Console, store: TraceStore, view: ViewOptions, *, max_a_second: int | None = MAX_WATERFALLS_A_SECOND
) -> TraceViewer:
    return TraceViewer(
        console,
        store,
        service=view.service,
        max_traces=view.max_traces,
        max_rows=view.max_rows,
        quiet=view.quiet,
        max_a_second=max_a_second,
    )


def _saver(path: str | None, stack: ExitStack) -> Saver | None:
    if path is None:
        return None
    try:
        saver = Saver(path)
    except OSError as error:
        raise ReceiveError(f"cannot write {path}: {error.strerror or error}") from error
    stack.callback(saver.close)
    return saver


def _checking(options: ReceiveOptions, stack: ExitStack) -> Checking | None:
    if not options.check:
        return None
    from nanospan.cli.lint.received import Checking  # for this option only

    checking = Checking()
    stack.callback(checking.close)
    return checking


def _forwarder(options: ReceiveOptions, stack: ExitStack) -> Forwarder | None:
    if options.forward is None:
        return None
    try:
        forwarder = Forwarder(options.forward)
    except ValueError as error:
        raise ReceiveError(f"--forward: {error}") from error
    stack.callback(forwarder.close)
    target = urlsplit(forwarder.endpoint)
    own_hosts = {options.host, "localhost", "127.0.0.1", "::1", "0.0.0.0"}
    if target.hostname in own_hosts and target.port in (options.http_port, options.grpc_port):
        raise ReceiveError(f"--forward: {options.forward} is this receiver itself; give it another port with --http-port")
    return forwarder


@contextmanager
def _stop_signal() -> Iterator[threading.Event]:
    """Set by the first SIGINT or SIGTERM. The second one ends the process at once, whatever is still forwarded or saved."""
    stopping = threading.Event()

    def stop(signum: int, frame: FrameType | None) -> None:
        stopping.set()
        for number in previous:
            signal.signal(number, signal.SIG_DFL)

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopping
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _print_endpoints(console: Console, receiver: Receiver, forwarder: Forwarder | None, saver: Saver | None) -> None:
    text = Text("OTLP/HTTP  ", style="dim")
    text.append(receiver.endpoint_http, style="not dim cyan")
    if receiver.endpoint_grpc is not None:
        text.append("\nOTLP/gRPC  ")
        text.append(receiver.endpoint_grpc, style="not dim cyan")
    if forwarder is not None:
        text.append(f"\nforwards to {forwarder.endpoint}")
    if saver is not None:
        text.append(f"\nsaves to {saver.path}")
    text.append("\nCtrl-C ends and prints a summary\n")
    console.print(text, soft_wrap=True)
