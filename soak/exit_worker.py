"""A traced process that ends in one of many ways: `ORDERLY` and `DISORDERLY`.

python soak/exit_worker.py '{"way": "sys_exit", "traces": 20, ...}'      see `LeavingConfig`
"""

from __future__ import annotations

import asyncio
import atexit
import ctypes
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.util import Finalize
from types import FrameType
from typing import Any

from traced import Threads, Tracing, TracingConfig

__all__ = ["DISORDERLY", "ORDERLY", "LeavingConfig"]

CHILD_SUFFIX = ".child"
MAX_TRACES = 20_000
"""That one thread ends without a pause: half of what the queue has room for, in case nothing leaves it meanwhile."""


@dataclass(frozen=True)
class LeavingConfig(TracingConfig):
    way: str = "end_of_main"
    traces: int = 20
    """That the main thread ends before it leaves."""
    threads: int = 2
    """Where the way has others besides."""
    seconds: float = 0.1
    """That such threads have before the main thread leaves."""


class Leaving:
    def __init__(self, config: LeavingConfig) -> None:
        self.config = config
        self.tracing = Tracing(config)
        self._ended = 0

    def end_traces(self, count: int | None = None, thread: int = 0) -> None:
        for _ in range(self.config.traces if count is None else count):
            self.tracing.end_trace(thread, self._ended)
            self._ended += 1

    def busy(self, daemon: bool) -> Threads:
        """Threads 1 to n that end traces for as long as they are left."""
        threads = Threads(self.tracing, self.config.threads, 0.001, daemon=daemon, first=1)
        threads.start()
        time.sleep(self.config.seconds)
        return threads

    def promise(self) -> None:
        """What has ended by now is to arrive, whatever comes later."""
        self.tracing.record.write_promise()

    def about_to_vanish(self) -> None:
        self.tracing.record.write(before=self.tracing.processor.stats(), counted=self.tracing.record.ended)


# --- orderly ------------------------------------------------------------------------------------------------------------


def end_of_main(app: Leaving) -> None:
    app.end_traces()


def sys_exit(app: Leaving) -> None:
    app.end_traces()
    sys.exit(3)


def uncaught(app: Leaving) -> None:
    app.end_traces()
    raise LookupError("nobody catches this")


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(0)


def _signal_soon(app: Leaving, number: int) -> None:
    """The signal strikes the main thread somewhere in the ending of spans, or after `MAX_TRACES`."""
    timer = threading.Timer(app.config.seconds, os.kill, (os.getpid(), number))
    timer.daemon = True
    timer.start()
    for _ in range(MAX_TRACES):
        app.end_traces(1)
    while True:
        time.sleep(0.01)


def sigterm(app: Leaving) -> None:
    signal.signal(signal.SIGTERM, _leave)
    _signal_soon(app, signal.SIGTERM)


def sigterm_with_shutdown(app: Leaving) -> None:
    """A handler that shuts down by itself before it exits."""

    def leave(number: int, frame: FrameType | None) -> None:
        app.tracing.provider.shutdown()
        sys.exit(0)

    signal.signal(signal.SIGTERM, leave)
    _signal_soon(app, signal.SIGTERM)


def sigint(app: Leaving) -> None:
    _signal_soon(app, signal.SIGINT)


def atexit_after_provider(app: Leaving) -> None:
    atexit.register(app.end_traces)
    app.end_traces()


def atexit_before_provider(app: Leaving) -> None:
    """The handler that ends more was registered before there was a provider: what it ends is too late."""
    app.end_traces()
    app.promise()
    LATE.append(app.end_traces)


def provider_shutdown(app: Leaving) -> None:
    app.end_traces()
    app.tracing.provider.shutdown()


def processor_shutdown(app: Leaving) -> None:
    app.end_traces()
    app.tracing.processor.shutdown()


def shutdown_from_threads(app: Leaving) -> None:
    app.end_traces()
    for _ in range(4):
        threading.Thread(target=app.tracing.processor.shutdown).start()


def flush_and_os_exit(app: Leaving) -> None:
    """What tail sampling still holds is not flushed; these traces have all ended."""
    app.end_traces()
    app.tracing.provider.force_flush()
    app.tracing.write_account()
    os._exit(0)


def daemon_threads(app: Leaving) -> None:
    app.busy(daemon=True)
    app.end_traces()
    app.promise()


def ordinary_threads(app: Leaving) -> None:
    """Threads that outlive the main thread and end by themselves."""
    threads = app.busy(daemon=False)
    threading.Timer(app.config.seconds, threads.stop).start()
    app.end_traces()


def exception_in_a_thread(app: Leaving) -> None:
    def work() -> None:
        app.end_traces()
        raise LookupError("nobody catches this")

    threading.Thread(target=work).start()


def during_a_flush(app: Leaving) -> None:
    app.end_traces()
    threading.Thread(target=app.tracing.processor.force_flush, daemon=True).start()
    app.end_traces()


def forked_child(app: Leaving) -> None:
    """Parent and child both end in an orderly way, what the parent had queued being the parent's."""
    app.end_traces()
    pid = os.fork()
    if pid == 0:
        app.tracing.forked(app.config.key + CHILD_SUFFIX)
        app._ended = 0
        app.end_traces()
        sys.exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    app.end_traces()
    sys.exit(code)


def _in_multiprocessing(app: Leaving) -> None:
    app.tracing.forked(app.config.key + CHILD_SUFFIX)
    app._ended = 0
    app.end_traces()
    # multiprocessing ends its children past the exit handlers. After nanospan's finalizer:
    Finalize(None, app.tracing.write_account, exitpriority=-1000)


def multiprocessing_child(app: Leaving) -> None:
    app.end_traces()
    process = multiprocessing.get_context("fork").Process(target=_in_multiprocessing, args=(app,))
    process.start()
    process.join()
    sys.exit(process.exitcode)


def asyncio_tasks(app: Leaving) -> None:
    async def task() -> None:
        for _ in range(app.config.traces // 4):
            app.end_traces(1)
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(*(task() for _ in range(4)))

    asyncio.run(main())


ORDERLY: dict[str, tuple[Callable[[Leaving], None], int]] = {
    "end_of_main": (end_of_main, 0),
    "sys_exit": (sys_exit, 3),
    "uncaught": (uncaught, 1),
    "sigterm": (sigterm, 0),
    "sigterm_with_shutdown": (sigterm_with_shutdown, 0),
    "sigint": (sigint, -signal.SIGINT),
    "atexit_after_provider": (atexit_after_provider, 0),
    "atexit_before_provider": (atexit_before_provider, 0),
    "provider_shutdown": (provider_shutdown, 0),
    "processor_shutdown": (processor_shutdown, 0),
    "shutdown_from_threads": (shutdown_from_threads, 0),
    "flush_and_os_exit": (flush_and_os_exit, 0),
    "daemon_threads": (daemon_threads, 0),
    "ordinary_threads": (ordinary_threads, 0),
    "exception_in_a_thread": (exception_in_a_thread, 0),
    "during_a_flush": (during_a_flush, 0),
    "forked_child": (forked_child, 0),
    "multiprocessing_child": (multiprocessing_child, 0),
    "asyncio_tasks": (asyncio_tasks, 0),
}
"""What to do, and the exit code to expect."""

# --- disorderly ---------------------------------------------------------------------------------------------------------


def _vanish(how: Callable[[], Any]) -> Callable[[Leaving], None]:
    def vanish(app: Leaving) -> None:
        app.end_traces()
        app.about_to_vanish()
        how()

    return vanish


def _vanish_while_busy(how: Callable[[], Any]) -> Callable[[Leaving], None]:
    def vanish(app: Leaving) -> None:
        app.busy(daemon=True)
        app.end_traces()
        app.about_to_vanish()
        how()

    return vanish


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _segfault() -> None:
    ctypes.string_at(0)


DISORDERLY: dict[str, tuple[Callable[[Leaving], None], int]] = {
    "sigkill": (_vanish(_kill), -signal.SIGKILL),
    "sigkill_while_busy": (_vanish_while_busy(_kill), -signal.SIGKILL),
    "os_exit": (_vanish(lambda: os._exit(7)), 7),
    "os_exit_while_busy": (_vanish_while_busy(lambda: os._exit(7)), 7),
    "abort": (_vanish(os.abort), -signal.SIGABRT),
    "segfault": (_vanish(_segfault), -signal.SIGSEGV),
    "segfault_while_busy": (_vanish_while_busy(_segfault), -signal.SIGSEGV),
    "sigterm_by_default": (_vanish(lambda: os.kill(os.getpid(), signal.SIGTERM)), -signal.SIGTERM),
    "execv": (_vanish(lambda: os.execv("/bin/true", ["true"])), 0),
}

LATE: list[Callable[[], None]] = []


def main() -> None:
    # A driver that runs in the background may have been made to ignore them, and its children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    config = LeavingConfig(**json.loads(sys.argv[1]))
    # Before the provider's own handler, so that it runs after that one.
    atexit.register(lambda: [late() for late in LATE])
    (ORDERLY | DISORDERLY)[config.way][0](Leaving(config))


if __name__ == "__main__":
    main()
