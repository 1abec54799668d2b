"""``grpc_forks.py <scenario> <target> [official]``: an application that forks while it exports by gRPC."""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import Any

from app import App, report

SPANS = 10
FORKS = 30
CLOSES = 100


def exporter(target: str, seconds: float = 60.0) -> Any:
    if sys.argv[3:] == ["official"]:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as Official

        return Official(target, insecure=True, timeout=seconds)
    from nanospan.export.grpc import OTLPSpanExporter

    return OTLPSpanExporter(target, insecure=True, timeout=seconds)


def fork_and_wait(app: App, prefix: str) -> None:
    """A child that ends spans of its own and leaves in an orderly way."""
    pid = os.fork()
    if pid == 0:
        app.end_spans(prefix, SPANS)
        sys.exit(0)
    report(child_code=os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def flush_in_thread(app: App) -> threading.Thread:
    thread = threading.Thread(target=lambda: report(flushed=app.processor.force_flush(60_000)))
    thread.start()
    return thread


def export_hangs(app: App) -> None:
    """The test says when the export is under way."""
    app.end_spans("parent", SPANS)
    flush = flush_in_thread(app)
    sys.stdin.readline()
    fork_and_wait(app, "child")
    flush.join()


def several_hang(app: App) -> None:
    """Two exporters, and the fork in a thread."""
    other = App(exporter(sys.argv[2]))
    app.end_spans("parent", SPANS)
    other.end_spans("other", SPANS)
    flushes = [flush_in_thread(app), flush_in_thread(other)]
    sys.stdin.readline()

    def forker() -> None:
        pid = os.fork()
        if pid == 0:
            app.end_spans("child", SPANS)
            other.end_spans("other-child", SPANS)
            report(flushed=app.processor.force_flush() and other.processor.force_flush())
            os._exit(0)
        report(child_code=os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))

    thread = threading.Thread(target=forker)
    thread.start()
    thread.join()
    for flush in flushes:
        flush.join()


def waits_to_try_again(app: App) -> None:
    waits = threading.Event()

    class Watch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "trying again in" in record.getMessage():
                waits.set()

    logger = logging.getLogger("nanospan")
    logger.addHandler(Watch())
    logger.propagate = False
    app.end_spans("parent", SPANS)
    flush = flush_in_thread(app)
    waits.wait()
    fork_and_wait(app, "child")
    flush.join()


def many(app: App) -> None:
    """Forks in a row while a thread exports without pause; each third child forks one of its own, likewise."""
    stop = threading.Event()

    def export(prefix: str) -> None:
        number = 0
        while not stop.is_set():
            app.tracer.start_span(f"{prefix}-{number}").end()
            app.processor.force_flush()
            number += 1
        report(**{f"ended_{prefix}": number})

    def busy(prefix: str) -> threading.Thread:
        thread = threading.Thread(target=export, args=(prefix,))
        thread.start()
        return thread

    thread = busy("busy")
    for number in range(FORKS):
        pid = os.fork()
        if pid == 0:
            if number % 3 == 0:
                thread = busy(f"child{number}")
                fork_and_wait(app, f"grandchild{number}")
                stop.set()
                thread.join()
            else:
                app.end_spans(f"child{number}", 1)
            sys.exit(0)
        report(child_code=os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    stop.set()
    thread.join()


def after_shutdown(app: App) -> None:
    """Each fork follows the close of the last channel that anybody used; the child opens one of its own."""
    for number in range(CLOSES):
        one = App(exporter(sys.argv[2]))
        one.end_spans(f"parent{number}", 1)
        one.provider.shutdown()
        pid = os.fork()
        if pid == 0:
            other = App(exporter(sys.argv[2]))
            other.end_spans(f"child{number}", 1)
            report(flushed=other.processor.force_flush())
            os._exit(0)
        report(child_code=os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def without_support(app: App) -> None:
    app.end_spans("parent", SPANS)
    report(flushed=app.processor.force_flush())
    fork_and_wait(app, "child")
    app.end_spans("later", SPANS)


if __name__ == "__main__":
    globals()[sys.argv[1]](App(exporter(sys.argv[2])))
