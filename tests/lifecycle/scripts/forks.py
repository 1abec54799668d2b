"""``forks.py <scenario> [os|libc]``: an application that forks in one of several situations.

``libc`` forks as uWSGI does: by the C library's function, past Python's hooks.
"""

from __future__ import annotations

import ctypes
import functools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from app import App, report
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

SPANS = 10

# PyDLL keeps the interpreter lock over the call.
fork = ctypes.PyDLL(None).fork if sys.argv[2:] == ["libc"] else os.fork


def in_child(work: Callable[[], None]) -> int:
    """Do ``work`` in a child that then ends in an orderly way; returns the child's pid."""
    pid = fork()
    if pid:
        return pid
    work()
    sys.exit(0)


def wait_for(*pids: int) -> None:
    for pid in pids:
        status = os.waitpid(pid, 0)[1]
        report(child_code=os.waitstatus_to_exitcode(status))


def before_any_span(app: App) -> None:
    pid = in_child(lambda: app.end_spans("child", SPANS))
    app.end_spans("parent", SPANS)
    wait_for(pid)


def spans_queued(app: App) -> None:
    app.end_spans("parent", SPANS)

    def work() -> None:
        report(first=app.processor.stats())
        app.end_spans("child", SPANS)
        report(second=app.processor.stats())

    wait_for(in_child(work))
    app.end_spans("later", SPANS)


def parent_vanishes(app: App) -> None:
    """Whatever of the parent's arrives here was sent by the child."""
    app.end_spans("parent", SPANS)
    wait_for(in_child(lambda: app.end_spans("child", SPANS)))
    os._exit(0)


def idle_child(app: App) -> None:
    """A child that never touches tracing, and leaves by way of the inherited exit handlers."""
    app.end_spans("parent", SPANS)

    def work() -> None:
        # The launcher's patience would be over before that of a child which waits for a thread of its parent.
        worker = app.processor._batch_processor
        worker.shutdown = functools.partial(worker.shutdown, 1e6)  # type: ignore[method-assign]

    wait_for(in_child(work))


def flushing_child(app: App) -> None:
    """The first thing that the child does is a flush."""
    app.end_spans("parent", SPANS)
    wait_for(in_child(lambda: report(flushed=app.processor.force_flush())))


def own_worker(app: App) -> None:
    """The child neither flushes nor exits before its spans have arrived by the clock."""
    app.end_spans("parent", SPANS)
    pid = fork()
    if pid == 0:
        app.processor._batch_processor._schedule_delay = 0.01
        app.end_spans("child", SPANS)
        # A sleep that has begun still has the old delay.
        app.processor._batch_processor._queue.request()
        sys.stdin.readline()
        os._exit(0)
    wait_for(pid)


def inside_span(app: App) -> None:
    with app.tracer.start_as_current_span("outer") as outer:
        pid = fork()
        if pid == 0:
            app.end_spans("child", SPANS)
            report(flushed=app.processor.force_flush())
            # Decides, with tail sampling, on a trace whose root is another process's.
            app.provider.shutdown()
            # Leaving the block would end the parent's span here as well.
            os._exit(0)
        wait_for(pid)
        report(outer=format(outer.get_span_context().span_id, "016x"))


def both_leave_the_span(app: App) -> None:
    with app.tracer.start_as_current_span("outer"):
        pid = fork()
    if pid == 0:
        sys.exit(0)
    wait_for(pid)


def open_span_ends_in_both(app: App) -> None:
    """A span without a block, ended by each process under a name of its own."""
    span = app.tracer.start_span("nobody's")
    pid = fork()
    span.update_name("parent-0" if pid else "child-0")
    span.end()
    if pid == 0:
        sys.exit(0)
    wait_for(pid)


def from_thread(app: App) -> None:
    app.end_spans("parent", SPANS)

    def forker() -> None:
        pid = fork()
        if pid == 0:
            app.end_spans("child", SPANS)
            report(flushed=app.processor.force_flush())
            os._exit(0)
        wait_for(pid)

    thread = threading.Thread(target=forker)
    thread.start()
    thread.join()


def while_export_hangs(app: App) -> None:
    """The receiver does not answer the first request."""
    app.end_spans("parent", SPANS)
    threading.Thread(target=app.processor.force_flush, daemon=True).start()
    sys.stdin.readline()  # the test saw the request
    wait_for(in_child(lambda: app.end_spans("child", SPANS)))
    os._exit(0)


class ForkingExporter(SpanExporter):
    """Forks in export(), and so in the export thread."""

    def __init__(self) -> None:
        self.app: App | None = None
        self.exported: list[str] = []

    def export(self, spans: Any) -> SpanExportResult:
        self.exported += [span.name for span in spans]
        if self.exported[0].startswith("parent") and self.app is not None:
            app, self.app = self.app, None
            pid = fork()
            if pid == 0:
                self.exported.clear()
                app.end_spans("child", SPANS)
                flushed = app.processor.force_flush()
                report(flushed=flushed, exported=self.exported, stats=app.processor.stats())
                os._exit(0)
            wait_for(pid)
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        report(exported=self.exported)


def from_the_exporter(app: App) -> None:
    app.provider.shutdown()
    exporter = ForkingExporter()
    own = exporter.app = App(exporter)
    own.end_spans("parent", SPANS)
    report(flushed=own.processor.force_flush())


def daemon(app: App) -> None:
    """Becomes a daemon by the book: two forks, a session of its own, no descriptor of its parents but the test's."""
    app.end_spans("parent", SPANS)
    app.processor.force_flush()  # there is a connection
    if fork():
        os._exit(0)
    os.setsid()
    if fork():
        os._exit(0)
    os.closerange(3, 1024)
    app.end_spans("child", SPANS)
    sys.exit(0)


def other_programs(app: App) -> None:
    """Programs that are started by vfork or posix_spawn share the parent's memory for a while."""
    app.end_spans("parent", SPANS)
    command = [sys.executable, "-c", ""]
    codes = [
        subprocess.run(command).returncode,
        subprocess.run(command, preexec_fn=os.setpgrp).returncode,
        os.waitpid(os.posix_spawn(command[0], command, os.environ), 0)[1],
        os.system("exit 0"),
    ]
    report(codes=codes, queued=app.processor.stats()["queued"])
    app.end_spans("later", SPANS)


def generations(app: App) -> None:
    app.end_spans("parent", SPANS)

    def work() -> None:
        app.end_spans("child", SPANS)
        wait_for(in_child(lambda: app.end_spans("grandchild", SPANS)))

    wait_for(in_child(work))


def busy_threads(app: App) -> None:
    """Forks while other threads end spans without pause."""
    stop = threading.Event()
    ended = [0, 0]

    def busy(thread: int) -> None:
        while not stop.is_set():
            app.tracer.start_span(f"busy{thread}-{ended[thread]}").end()
            ended[thread] += 1
            if ended[thread] % 100 == 0:
                time.sleep(0.002)
                app.wait_for_room()

    threads = [threading.Thread(target=busy, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for number in range(20):
        wait_for(in_child(lambda number=number: app.end_spans(f"child{number}", SPANS)))  # type: ignore[misc]
    stop.set()
    for thread in threads:
        thread.join()
    report(busy=ended)


def after_shutdown(app: App) -> None:
    app.end_spans("parent", SPANS)
    app.provider.shutdown()
    wait_for(in_child(lambda: app.end_spans("child", SPANS)))


def two_processors(app: App) -> None:
    """Both notice the fork, whichever is asked first."""
    import nanospan

    second = nanospan.BatchSpanProcessor()
    app.provider.add_span_processor(second)
    app.end_spans("parent", SPANS)

    def work() -> None:
        app.end_spans("child", SPANS)
        report(queued=[app.processor.stats()["queued"], second.stats()["queued"]])
        app.processor.force_flush()
        os._exit(0)

    wait_for(in_child(work))
    os._exit(0)


if __name__ == "__main__":
    scenario = globals()[sys.argv[1]]
    # Room for what busy threads end; the batch size, so that nothing but they wakes the worker.
    scenario(App(max_queue_size=1 << 20))
