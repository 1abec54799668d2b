"""``exits.py <scenario>``: an application that ends in one of several ways."""

from __future__ import annotations

import atexit
import os
import signal
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

from app import App, report
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

import nanospan

SPANS = 10


def wait_for_test() -> None:
    sys.stdin.readline()


def end_of_main() -> None:
    App().end_spans("span", SPANS)


def sys_exit() -> None:
    App().end_spans("span", SPANS)
    sys.exit(3)


def uncaught() -> None:
    app = App()
    with app.tracer.start_as_current_span("failing"):
        app.end_spans("span", SPANS)
        raise LookupError("nobody catches this")


def in_function() -> None:
    """Nothing refers to provider or processor any more."""

    def work() -> None:
        app = App()
        app.end_spans("span", SPANS)

    work()


def leave(number: int, frame: FrameType | None) -> None:
    sys.exit(0)


def sigterm() -> None:
    """The signal may come at any point of a span's end."""
    app = App(max_queue_size=1 << 20)
    app.end_spans("first", SPANS)
    ended = 0
    signal.signal(signal.SIGTERM, leave)
    try:
        report(ready=True)
        while True:
            app.tracer.start_span(f"span-{ended}").end()
            ended += 1
            if ended % 100 == 0:
                app.wait_for_room()
    finally:
        report(ended=ended)


def sigint() -> None:
    # Whoever starts the tests in the background has them, and this, ignore the signal.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    app = App()
    app.end_spans("span", SPANS)
    report(ready=True)
    while True:
        time.sleep(0.1)  # not pause(): it would wait for a second signal if the first came just before it


def daemon_threads() -> None:
    """``full`` in the second place: the program leaves when the queue is full, which the test's receiver sees to."""
    # Little room: the worker that shares the interpreter lock with the threads has 30 seconds to send what is in it.
    app = App(room={"num_traces": 2000, "max_bytes": 4 << 20})
    app.end_spans("first", 1000)
    ended = [0, 0]

    def work(thread: int) -> None:
        while True:
            app.tracer.start_span(f"daemon{thread}-{ended[thread]}").end()
            ended[thread] += 1

    for thread in range(2):
        threading.Thread(target=work, args=(thread,), daemon=True).start()
    while not all(ended) or (sys.argv[2:] == ["full"] and not app.processor.stats()["dropped"]["queue_full"]):
        time.sleep(0.001)
    app.end_spans("span", 1000)
    report(leaving=True)


def ordinary_threads() -> None:
    """Threads that are no daemons outlive the main thread; what they end is promised too."""
    app = App()

    def work() -> None:
        time.sleep(0.1)
        app.end_spans("span", SPANS)

    threading.Thread(target=work).start()


def atexit_after_provider() -> None:
    app = App()
    atexit.register(app.end_spans, "goodbye", SPANS)
    app.end_spans("span", SPANS)


def atexit_before_provider() -> None:
    """A handler that runs after the provider's own: too late, and said so by the account."""
    apps: list[App] = []
    atexit.register(lambda: report(late=apps[0].processor.stats()))
    atexit.register(lambda: apps[0].end_spans("late", SPANS))
    apps.append(App())
    apps[0].end_spans("span", SPANS)


def processor_made_late() -> None:
    """An application that adds its processor while it exits, when newer Pythons let no thread be started any more."""
    provider = TracerProvider()

    def late() -> None:
        processor = nanospan.BatchSpanProcessor()
        provider.add_span_processor(processor)
        for number in range(SPANS):
            provider.get_tracer("late").start_span(f"span-{number}").end()
        report(flushed=processor.force_flush())

    atexit.register(late)


def os_exit() -> None:
    app = App()
    app.end_spans("sent", SPANS)
    report(flushed=app.processor.force_flush())
    app.end_spans("queued", SPANS)
    os._exit(7)


def killed() -> None:
    """Ended by a signal that nobody handles, with spans queued."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)  # who was started under nohup inherits that it ignores one
    app = App()
    app.end_spans("sent", SPANS)
    app.processor.force_flush()
    app.end_spans("queued", SPANS)
    report(ready=True)
    while True:
        time.sleep(0.1)  # not pause(): see sigint


def replaced() -> None:
    """Another program takes the place of this one."""
    app = App()
    app.end_spans("sent", SPANS)
    report(flushed=app.processor.force_flush())
    app.end_spans("queued", SPANS)
    os.execv(sys.executable, [sys.executable, "-c", "print('{\"other_program\": true}')"])


def no_exit_handler() -> None:
    """A provider that was told to leave its shutdown to the application, which forgets it."""
    app = App()
    app.processor = nanospan.BatchSpanProcessor()
    provider = nanospan.TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(app.processor)
    tracer = provider.get_tracer("app")
    for number in range(SPANS):
        tracer.start_span(f"queued-{number}").end()


def concurrent_processors() -> None:
    """The interpreter ends the composite's thread pool before exit handlers run, and before the thread ends its spans."""
    app = App()
    provider = nanospan.TracerProvider(active_span_processor=ConcurrentMultiSpanProcessor(2))
    provider.add_span_processor(nanospan.BatchSpanProcessor(**app.processor_arguments))
    app.tracer = provider.get_tracer("app")
    app.end_spans("span", SPANS)

    def later() -> None:
        threading.main_thread().join()
        app.end_spans("late", SPANS)

    threading.Thread(target=later).start()


class Pooled(SpanProcessor):
    """Calls another processor in a thread pool."""

    def __init__(self, called: SpanProcessor) -> None:
        self._called, self._pool = called, ThreadPoolExecutor(1)

    def on_end(self, span: ReadableSpan) -> None:
        self._pool.submit(self._called.on_end, span).result()

    def shutdown(self) -> None:
        self._pool.submit(self._called.shutdown).result()


def owner_of_a_pool() -> None:
    app = App()
    provider = type(app.provider)()
    provider.add_span_processor(Pooled(nanospan.BatchSpanProcessor(**app.processor_arguments)))
    app.tracer = provider.get_tracer("app")
    app.end_spans("span", SPANS)


class EndsLate:
    """Ends spans when the interpreter takes its modules apart, after every exit handler."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._span = app.tracer.start_span("open")

    def __del__(self) -> None:
        self._span.end()
        self._app.tracer.start_span("late").end()


def late_destructors() -> None:
    global late
    app = App()
    late = EndsLate(app)
    app.end_spans("span", SPANS)


def during_export() -> None:
    """The test lets the receiver answer when it sees that the exit has begun."""
    app = App()
    app.end_spans("first", SPANS)
    threading.Thread(target=app.processor.force_flush, daemon=True).start()
    wait_for_test()
    app.end_spans("second", SPANS)
    atexit.register(lambda: report(leaving=True))


def dead_collector() -> None:
    App().end_spans("span", SPANS)


def dead_addresses() -> None:
    """The collector's name has many addresses, and none of them answers: the queue of the listener is full."""
    deaf = socket.create_server(("127.0.0.1", 0), backlog=0)
    fillers = [socket.socket() for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(deaf.getsockname())
    addresses = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", deaf.getsockname())] * 100
    resolver: Any = socket
    resolver.getaddrinfo = lambda *arguments, held=fillers: addresses
    App().end_spans("span", SPANS)


def look_up_without_end() -> None:
    resolver: Any = socket
    resolver.getaddrinfo = lambda *arguments: time.sleep(600)
    App().end_spans("span", SPANS)


def never_used() -> None:
    App()


def shutdown_twice() -> None:
    app = App()
    app.end_spans("span", SPANS)
    app.processor.shutdown()
    app.processor.shutdown()
    app.provider.shutdown()
    report(flushed=app.processor.force_flush())


def shutdown_from_threads() -> None:
    app = App()
    app.end_spans("span", SPANS)
    barrier = threading.Barrier(4)

    def work() -> None:
        barrier.wait()
        app.processor.shutdown()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


class Reentrant(SpanExporter):
    """An exporter that calls back into the processor that calls it."""

    def __init__(self, method: str) -> None:
        self._method = method
        self.app: App | None = None
        self.received: list[str] = []
        self.calls = 0
        self.shut_down = False

    def export(self, spans: Any) -> SpanExportResult:
        assert self.app is not None
        report(after_shutdown=self.shut_down)
        self.received += [span.name for span in spans]
        self.calls += 1
        if self.calls == 1:
            report(returned=getattr(self.app.processor, self._method)())
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        self.shut_down = True


def _reentrant(method: str) -> None:
    exporter = Reentrant(method)
    app = exporter.app = App(exporter, max_export_batch_size=SPANS)
    app.end_spans("span", 2 * SPANS)
    app.processor.force_flush()
    report(received=exporter.received)


def shutdown_from_exporter() -> None:
    _reentrant("shutdown")


def flush_from_exporter() -> None:
    _reentrant("force_flush")


if __name__ == "__main__":
    globals()[sys.argv[1]]()
