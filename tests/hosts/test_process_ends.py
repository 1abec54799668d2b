"""What workers do to their processes, each by itself: ends past the exit handlers, and signals that a program blocks."""

from __future__ import annotations

import signal
import socket
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hosts.running import Hosts, work
from support.accounting import WAIT, wait_until

PROGRAMS = {
    "os._exit": (
        "import ledger, os; ledger.span('main'); os._exit(3)",
        3,
        ["main"],
    ),
    # The parent's span is in the queue at the fork; a child that ends no span ends at once.
    "os._exit of children": (
        """
import ledger, os
ledger.span("main")
for child in ("child", "idle"):
    if os.fork() == 0:
        if child == "child":
            ledger.span(child)
        os._exit(4)
    assert os.waitstatus_to_exitcode(os.wait()[1]) == 4
""",
        0,
        ["main", "child"],
    ),
    "os._exit of a child, patched by gevent": (
        """
import gevent.monkey
gevent.monkey.patch_all()
import ledger, os
ledger.span("main")
if os.fork() == 0:
    ledger.span("child")
    os._exit(4)
assert os.waitstatus_to_exitcode(os.wait()[1]) == 4
""",
        0,
        ["main", "child"],
    ),
    "os._exit in an exit handler": (
        "import atexit, ledger, os; ledger.span('main'); atexit.register(os._exit, 5)",
        5,
        ["main"],
    ),
    "os.execv": (
        """
import ledger, os, sys
ledger.span("main")
os.execv(sys.executable, [sys.executable, "-c", "import ledger; ledger.span('next')"])
""",
        0,
        ["main", "next"],
    ),
    "os.execvpe, after one that fails": (
        """
import ledger, os, sys
ledger.span("main")
try:
    os.execlp("no-such-program", "no-such-program")
except FileNotFoundError:
    ledger.span("after")
os.execvpe("python", ["python", "-c", "import ledger; ledger.span('next')"], dict(os.environ))
""",
        0,
        ["main", "after", "next"],
    ),
    "os.execv in an exit handler": (
        """
import atexit, ledger, os, sys
ledger.span("main")
atexit.register(os.execv, sys.executable, [sys.executable, "-c", "import ledger; ledger.span('next')"])
""",
        0,
        ["main", "next"],
    ),
    "os._exit with a trace that tail sampling holds": (
        """
import ledger, nanospan, nanospan.tail, os
from opentelemetry import trace
sampling = nanospan.tail.TailSampling([nanospan.tail.AlwaysSample()], decision_wait=600)
provider = nanospan.TracerProvider()
provider.add_span_processor(nanospan.BatchSpanProcessor(tail_sampling=sampling))
trace.set_tracer_provider(provider)
with trace.get_tracer("hosts").start_as_current_span("root"):
    ledger.span("held")
    os._exit(0)
""",
        0,
        ["held"],
    ),
}


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_end_past_the_exit_handlers_loses_nothing(hosts: Callable[..., Hosts], program: str) -> None:
    script, code, names = PROGRAMS[program]
    host = hosts("gevent") if "gevent" in script else hosts()
    process = host.start("python", "-c", script)
    assert process.wait(WAIT) == code, host.said()
    assert host.ended() == Counter(names), host.said()
    host.check_nothing_lost()


CHILDREN = """
import ledger, os
for number in range(20):
    if os.fork() == 0:
        ledger.span(f"child-{number}")
        os._exit(0)
    os.wait()
"""


def test_only_the_first_of_many_children_waits_for_a_collector_that_hangs(hosts: Callable[..., Hosts]) -> None:
    """All of them would take 100 s, which is longer than the wait here."""
    host = hosts()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = host.start("python", "-c", CHILDREN, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
        assert process.wait(WAIT) == 0, host.said()
    assert host.ended().total() == 20


BLOCKED = """
import ledger, signal
signals = {signal.SIGTERM, signal.SIGINT}
signal.pthread_sigmask(signal.SIG_BLOCK, signals)
ledger.work(0, waits=True)
ledger.span(signal.Signals(signal.sigwait(signals)).name)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_a_program_blocks_waits_for_it(hosts: Callable[..., Hosts], number: signal.Signals) -> None:
    """The export thread, which the program knows nothing of, must not get it in the meantime."""
    host = hosts()
    process = host.start("python", "-c", BLOCKED)
    host.wait_for(process, "query-0")
    process.send_signal(number)
    host.open_gate()
    assert process.wait(WAIT) == 0, host.said()
    assert host.ended() == Counter([*work(0), number.name])
    host.check_nothing_lost()


GUNICORN_SETTINGS = """
import os, signal

def post_worker_init(worker):
    adjust, requests = worker.tpool._adjust_thread_count, []

    def interrupt_the_second():
        adjust()
        requests.append(None)
        if len(requests) == 2:
            os.kill(os.getpid(), signal.SIGQUIT)

    worker.tpool._adjust_thread_count = interrupt_the_second
"""

WSGI = """
import ledger

def app(environ, start_response):
    ledger.span(environ["PATH_INFO"])
    start_response("204 No Content", [])
    return []
"""


def request(address: Path, path: str) -> None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(address))
        connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        assert connection.makefile("rb").readline().split()[1] == b"204"


def test_a_worker_of_gunicorn_that_blocks_at_its_signal_has_sent(hosts: Callable[..., Hosts], tmp_path: Path) -> None:
    """The signal comes while the main thread gives a request to the pool, and holds the lock that its handler takes."""
    host = hosts("gunicorn")
    (tmp_path / "settings.py").write_text(GUNICORN_SETTINGS)
    (tmp_path / "site_of_gunicorn.py").write_text(WSGI)
    process = host.start(
        *("python", "-m", "gunicorn", "--config=settings.py", "--bind=unix:socket", "--worker-class=gthread", "--threads=2"),
        *("--no-control-socket", "--graceful-timeout=1", "site_of_gunicorn:app"),
    )
    wait_until(lambda: "Booting worker" in host.said(), "gunicorn listens")
    for path in ("/first", "/second"):
        request(tmp_path / "socket", path)
    wait_until(lambda: len(host.arrived()) == 2, "the worker has sent")
    host.end(process, signal.SIGTERM)
    assert "Worker exiting" not in host.said()
    host.check_nothing_lost()
