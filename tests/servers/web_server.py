"""A web server in processes of its own, a client that counts what was answered, and the spans that have arrived."""

from __future__ import annotations

import http.client
import itertools
import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

from servers.table import Configuration
from support.accounting import WAIT, spans_in, wait_until
from support.extra_packages import Collector, Environment
from support.patient_collector import PatientCollector
from support.uwsgi import all_idle

import nanospan

APPLICATIONS = Path(__file__).parent / "applications"

REQUESTS = 20
"""Sent before each end."""
REQUESTS_FOR_ALL_WORKERS = 40
"""Sent at most until every worker has answered one, which is up to the kernel."""
MAX_REQUESTS = 20_000
"""Of which the limit of a server is a small part."""

CLIENTS = 4
"""At once."""

_ports = itertools.count(20_000)


def address() -> tuple[str, int]:
    """One that no other process uses: a loopback address for each process of the tests, and its ports in turn."""
    pid = os.getpid()
    return f"127.{100 + (pid >> 16) % 100}.{pid >> 8 & 255}.{max(1, pid & 255)}", next(_ports)


def is_gone(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] in "XZ"


class WebServer:
    """A server with all its processes; ends with the block."""

    def __init__(
        self, configuration: Configuration, environment: Environment, collector: Collector | PatientCollector, folder: Path
    ) -> None:
        self._configuration = configuration
        self._collector = collector
        self._folder = folder / "application"
        self._output = folder / "output"
        self._host, self._port = address()
        self._numbers = itertools.count()
        self._answered: dict[int, int] = {}
        """The number of each request that was answered, and the process that did."""
        self._unanswered: set[int] = set()
        shutil.copytree(APPLICATIONS, self._folder)
        self._process = self._start(environment)

    def _start(self, environment: Environment) -> subprocess.Popen[bytes]:
        words = self._configuration.command.format(
            host=self._host,
            port=self._port,
            folder=self._folder,
            home=environment.bin.parent,
            server=self._folder / "server",
        )
        variables = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OTEL_", "PYTHON")) and not name.lower().endswith("_proxy")
        }
        launchers = {
            "nanospan run": ([environment.python, "-m", "nanospan.cli", "run"], {}),
            "opentelemetry-instrument": (
                [str(environment.bin / "opentelemetry-instrument")],
                {"OTEL_PYTHON_CONFIGURATOR": "nanospan"},
            ),
        }
        launcher, its_variables = launchers[self._configuration.launcher]
        with self._output.open("wb") as output:
            return subprocess.Popen(
                [*self._configuration.prefix, *launcher, *shlex.split(words)],
                env={
                    **variables,
                    **its_variables,
                    "PATH": f"{environment.bin}{os.pathsep}{os.environ.get('PATH', '')}",
                    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": self._collector.endpoint_http,
                    "OTEL_BSP_SCHEDULE_DELAY": "600000",  # what no end sends does not arrive
                    "WITNESS": "1" if isinstance(self._collector, PatientCollector) else "",
                    "PYTHONUNBUFFERED": "1",
                    "PYTHONDONTWRITEBYTECODE": "1",
                },
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> WebServer:
        return self

    def __exit__(self, *exc_info: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    @property
    def output(self) -> str:
        return self._output.read_text(errors="replace")

    @property
    def code(self) -> int | None:
        return self._process.returncode

    def live(self, ends: tuple[str, ...], in_silence: bool = True) -> None:
        """Go through ``ends``, each with requests before it, and with the spans of the processes that it ended after it.

        ``in_silence``: the server prints nothing of nanospan.
        """
        old: set[int] = set()
        for end in ends:
            self._use(old, may_end="limit" in ends)
            pids = set(self._answered.values()) - old
            self._end(end, pids)
            old |= pids
            assert not (lost := self._lost()), f"{len(lost)} spans are lost at {end}\n{self.output}"
        received = self._received()
        assert set(received.values()) == {1}, "a span has arrived twice"
        assert set(received) <= {*self._answered, *self._unanswered}
        assert not in_silence or not re.search(rf"\bspans?\b|{Path(nanospan.__file__).parent}", self.output), self.output

    def _received(self) -> Counter[int]:
        return Counter(int(span.name.removeprefix("GET /item-")) for span in spans_in(self._collector.bodies))

    @property
    def ended(self) -> int:
        """The requests that processes have answered which have ended."""
        return len(self._answered_by_the_ended())

    def _answered_by_the_ended(self) -> set[int]:
        ended = {pid for pid in set(self._answered.values()) if is_gone(pid)}
        return {number for number, pid in self._answered.items() if pid in ended}

    def _lost(self) -> set[int]:
        return self._answered_by_the_ended() - set(self._received())

    def _wait_until(self, condition: Callable[[], bool], what: str) -> None:
        try:
            wait_until(condition, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output}") from None

    # --- requests ------------------------------------------------------------------------------------------------------

    def _get(self) -> int | None:
        """Send a request; the process that has answered it, or None if nobody has."""
        number = next(self._numbers)
        connection = http.client.HTTPConnection(self._host, self._port, timeout=WAIT)
        try:
            connection.request("GET", f"/item-{number}")
            response = connection.getresponse()
            body = response.read().decode()
        except (OSError, http.client.HTTPException):
            self._unanswered.add(number)
            time.sleep(0.02)
            return None
        finally:
            connection.close()
        assert response.status == 200, f"{response.status} {body}\n{self.output}"
        self._answered[number] = int(body)
        return int(body)

    def _starts(self, old: set[int]) -> bool:
        """Whether all workers have started that follow ``old``, and one of them answers.

        A worker that has not yet loaded the application may not yet handle its signals.
        """
        assert self._process.poll() is None, f"the server has ended with {self.code}\n{self.output}"
        loaded = {int(pid) for pid in re.findall(r"loaded by (\d+)", self.output)}
        if self._configuration.each_loads and len(loaded - old) < self._configuration.workers:
            return False
        pid = self._get()
        return pid is not None and pid not in old

    def _use(self, old: set[int], may_end: bool) -> None:
        """Send requests to the workers that follow ``old``, which may end by themselves if ``may_end``."""
        self._wait_until(lambda: self._starts(old), "the server has started")
        for number in range(REQUESTS_FOR_ALL_WORKERS):
            if number >= REQUESTS and len(set(self._answered.values()) - old) >= self._configuration.workers:
                break
            assert self._get() is not None or may_end, self.output

    def is_handled(self, pid: int) -> bool:
        """Whether ``pid``, since the first call for it, has come to the handlers of the signals that came before that."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGRTMIN)
        return f"witness {pid}\n" in self.output

    def senders(self, body: bytes) -> set[int]:
        """The processes that have answered the requests of these spans."""
        numbers = {int(span.name.removeprefix("GET /item-")) for span in spans_in([body])}
        return {self._answered[number] for number in numbers & self._answered.keys()}

    # --- ends ----------------------------------------------------------------------------------------------------------

    def _end(self, end: str, pids: set[int]) -> None:
        """Bring about an end of the processes ``pids``, and wait for it."""
        if self._configuration.stats:
            self._wait_until(lambda: all_idle(self._folder / "stats"), "the workers are idle")
        match end.split():
            case ["touch"]:
                self._touch_until(pids)
            case ["limit"]:
                self._request_until(pids)
            case ["reload", "by", name]:
                self._process.send_signal(signal.Signals[f"SIG{name}"])
            case [name, "to", "all"]:
                os.killpg(self._process.pid, signal.Signals[f"SIG{name}"])
                self._process.wait(WAIT)
            case [name, "under", "load"]:
                with self._load():
                    self._process.send_signal(signal.Signals[f"SIG{name}"])
                    self._process.wait(WAIT)
            case [name, "and", "KILL"]:
                self._process.send_signal(signal.Signals[f"SIG{name}"])
                self._wait_until(lambda: set(self._answered) <= set(self._received()), "the spans have arrived")
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            case [name]:
                self._process.send_signal(signal.Signals[f"SIG{name}"])
                self._process.wait(WAIT)
        self._wait_until(lambda: all(map(is_gone, pids)), f"the workers are gone after {end}")

    @contextmanager
    def _load(self) -> Iterator[None]:
        """Requests by several clients, of which some are under way at any time, within the block."""
        ends = threading.Event()

        def request() -> None:
            while not ends.is_set():
                self._get()

        with ThreadPoolExecutor(CLIENTS) as clients:
            requests = [clients.submit(request) for _ in range(CLIENTS)]
            try:
                answered = len(self._answered)
                self._wait_until(lambda: len(self._answered) >= answered + REQUESTS, "the server answers all clients")
                yield
            finally:
                ends.set()
        for one in requests:
            one.result()

    def _request_until(self, pids: set[int]) -> None:
        """Send requests until ``pids`` have reached their limit."""
        for _ in range(MAX_REQUESTS):
            if all(map(is_gone, pids)):
                return
            self._get()
        raise AssertionError(f"{MAX_REQUESTS} requests were too few for the limit\n{self.output}")

    def _touch_until(self, pids: set[int]) -> None:
        """Change the application until its processes are gone: a reloader that has just begun misses a change."""
        file = self._folder / self._configuration.file
        changes = itertools.count(1)

        def is_over() -> bool:
            now = time.time() + next(changes)
            os.utime(file, (now, now))
            deadline = time.monotonic() + 5
            while not (over := all(map(is_gone, pids))) and time.monotonic() < deadline:
                time.sleep(0.02)
            return over

        self._wait_until(is_over, "the server has noticed the change")
