"""``nanospan doctor --pid``: processes that run, seen from outside, and within on CPython 3.14."""

from __future__ import annotations

import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from support.accounting import WAIT, wait_until
from support.receivers import HttpReceiver, unused_port

import nanospan
from nanospan._doctor.process import within
from nanospan._doctor.process.connections import connections_to
from nanospan._doctor.process.examine import ProcessError, diagnose_process, port_of
from nanospan._doctor.process.proc import read_process
from nanospan._doctor.report import Level, Report

AT_WORK = """
import nanospan, sys, time
from opentelemetry import trace
provider = nanospan.TracerProvider()
provider.add_span_processor(nanospan.BatchSpanProcessor(schedule_delay_millis=600_000))
trace.set_tracer_provider(provider)
for number in range(3):
    trace.get_tracer("t").start_span(f"span {number}").end()
names = set(globals())
print("ready", flush=True)
"""
SERVING = AT_WORK + "while True: time.sleep(0.01)"
BLOCKED = (
    AT_WORK + "sys.stdin.readline(); print(sorted(set(globals()) - names - {'names'}), flush=True); sys.stdin.readline()"
)
WITHOUT = "import time\nprint('ready', flush=True)\nwhile True: time.sleep(0.01)"
PARENT = "import os\npid = os.fork()\n" + WITHOUT.replace("'ready'", "'ready' if pid else '', end='\\n' if pid else ''")

is_asked = sys.version_info >= (3, 14)
from_within = pytest.mark.skipif(not is_asked, reason="CPython 3.14 alone lets another process in")
from_outside = pytest.mark.skipif(is_asked, reason="CPython 3.14 is examined within")


def folders(process: subprocess.Popen[str]) -> list[str]:
    """What the doctor has put into /tmp for it."""
    return glob.glob(f"/tmp/nanospan-doctor-{process.pid}-*")


class Programs:
    """Starts Python programs that say when they are ready."""

    def __init__(self, receiver: HttpReceiver) -> None:
        self.receiver = receiver
        self.running: list[subprocess.Popen[str]] = []

    def start(self, script: str, **variables: str) -> subprocess.Popen[str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.receiver.port}", "OTEL_SERVICE_NAME": "shop"}
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script],
            env=inherited | endpoint | variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.running.append(process)
        assert process.stdout is not None and process.stdout.readline() == "ready\n", process.communicate()
        return process


@pytest.fixture
def programs() -> Iterator[Programs]:
    with HttpReceiver() as receiver:
        started = Programs(receiver)
        yield started
        for process in started.running:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


def doctor(*arguments: str) -> subprocess.CompletedProcess[str]:
    pytest.importorskip("rich", reason="rich is not installed")
    command = [sys.executable, "-m", "nanospan.cli", "doctor", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=WAIT, check=False)


def found(report: Report, *levels: Level) -> list[str]:
    return [finding.says for finding in report.findings if finding.level in levels]


def signal_masks(pid: int) -> list[str]:
    """Which signals are blocked, ignored and handled, by whom."""
    return re.findall(r"^Sig(?:Blk|Ign|Cgt):.*", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)


@from_outside
def test_from_outside(programs: Programs) -> None:
    process = programs.start(SERVING, OTEL_BSP_SCHEDUL_DELAY="5", OTEL_BSP_MAX_QUEUE_SIZE="-5")
    result = doctor("--pid", str(process.pid), "--json")
    report = json.loads(result.stdout)
    assert (result.returncode, report["ok"], report["origin"]) == (1, False, f"of process {process.pid}, from outside")
    assert report["verdict"][0].startswith("2 things to do: ")
    assert f"{programs.receiver.url} (answers)" in report["verdict"][1]
    says = [finding["says"] for finding in report["findings"]]
    assert any("nobody reads OTEL_BSP_SCHEDUL_DELAY" in one for one in says)
    assert any(one.startswith("OTEL_BSP_MAX_QUEUE_SIZE='-5' is ignored: write ") for one in says)
    version = "{}.{}".format(*sys.version_info)
    assert f"CPython {version} lets nobody" in says[-1]
    assert report["process"]["python"] == report["versions"]["python"] == version
    assert (report["process"]["pid"], "nanospan" in report["process"]["loaded"]) == (process.pid, True)
    assert report["process"]["connections"] == [f"none to port {programs.receiver.port}"]
    assert process.poll() is None


@from_outside
@pytest.mark.parametrize("variables", [{}, {"OTEL_TRACES_EXPORTER": "console"}], ids=str)
def test_nothing_wrong_from_outside(programs: Programs, variables: dict[str, str]) -> None:
    result = doctor("--pid", str(programs.start(SERVING, **variables).pid))
    lines = result.stdout.splitlines()
    assert (result.returncode, result.stderr) == (0, "")
    assert lines[0] == "Nothing to do, as far as it is seen from outside."
    assert ("(answers)" in lines[1]) is not variables
    assert lines[2:4] == ["First: nothing.", ""]


@from_outside
def test_an_endpoint_that_is_not_reached(programs: Programs) -> None:
    process = programs.start(SERVING, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{unused_port()}")
    ((says),) = found(diagnose_process(process.pid), Level.WARNING, Level.ERROR)
    assert re.match(r"by its environment, http://127.0.0.1:\d+/v1/traces is not reached: ", says)


@from_within
def test_from_within(programs: Programs) -> None:
    process = programs.start(SERVING)
    masks = signal_masks(process.pid)
    result = doctor("--pid", str(process.pid), "--json")
    report = json.loads(result.stdout)
    assert (result.returncode, report["verdict"][0]) == (0, "Fine: nothing to do.")
    assert report["origin"] == f"of process {process.pid}, from within"
    (processor,) = report["processors"]
    assert (processor["stats"]["ended"], processor["queued"]) == (3, 3)
    assert (processor["endpoint"], processor["answer"]["accepted"]) == (programs.receiver.url, True)
    # Nothing is left of it.
    assert signal_masks(process.pid) == masks
    wait_until(lambda: len(read_process(process.pid).threads) == report["process"]["threads"], "its thread has ended")
    assert folders(process) == []


@from_within
def test_a_main_thread_that_runs_no_python_is_said_and_left_in_peace(programs: Programs, monkeypatch) -> None:
    monkeypatch.setattr(within, "GRACE_SECONDS", 0.1)
    process = programs.start(BLOCKED)
    report = diagnose_process(process.pid, timeout=0.1)
    assert any("did not answer" in says for says in found(report, Level.NOTE))
    (folder,) = folders(process)
    assert os.stat(folder).st_mode & 0o777 == 0o700
    process.stdin.write("\n")
    process.stdin.flush()
    assert process.stdout.readline() == "[]\n"  # nor is a name left in its main module
    wait_until(lambda: folders(process) == [], "the script has removed itself")
    _, errors = process.communicate("\n", timeout=WAIT)
    assert errors == ""


@from_within
def test_a_process_that_lets_nobody_in(programs: Programs) -> None:
    process = programs.start(SERVING, PYTHON_DISABLE_REMOTE_DEBUG="1")
    report = diagnose_process(process.pid)
    assert report.partial
    assert any("Remote debugging is not enabled" in says for says in found(report, Level.NOTE))
    assert folders(process) == []


def test_a_process_without_nanospan(programs: Programs) -> None:
    report = diagnose_process(programs.start(WITHOUT).pid)
    assert found(report, Level.ERROR) == ["nanospan is not loaded in it: it makes spans with the SDK, or none"]
    assert str(report).splitlines()[1] == "Spans: no provider of nanospan -> not seen"


def test_children_are_named(programs: Programs) -> None:
    process = programs.start(PARENT)
    report = diagnose_process(process.pid)
    (child,) = report.process["children"]
    assert f"its children {child} run Python too, each with a provider of its own" in found(report, Level.NOTE)
    assert read_process(child).children == ()


def test_nanospan_that_was_installed_anew_meanwhile(programs: Programs, tmp_path: Path) -> None:
    package = Path(nanospan.__file__).parent
    for _ in range(2):  # the second time it is another file of the same name
        shutil.rmtree(tmp_path / "nanospan", ignore_errors=True)
        shutil.copytree(package, tmp_path / "nanospan", ignore=shutil.ignore_patterns("__pycache__"))
        if not programs.running:
            process = programs.start(SERVING, PYTHONPATH=str(tmp_path))
            assert not read_process(process.pid).replaced
    says = "nanospan was installed anew since it started: it runs the earlier one"
    assert says in found(diagnose_process(process.pid), Level.WARNING)


class TestRefused:
    """One sentence each."""

    def refused(self, pid: int) -> str:
        with pytest.raises(ProcessError) as raised:
            diagnose_process(pid)
        return str(raised.value)

    def test_no_process(self) -> None:
        pid = int(Path("/proc/sys/kernel/pid_max").read_text()) + 1
        result = doctor("--pid", str(pid))
        assert (result.returncode, result.stdout) == (2, "")
        assert f"there is no process {pid}: write the id of one that runs" in " ".join(result.stderr.split())

    def test_no_python(self) -> None:
        with subprocess.Popen(["sleep", "600"]) as process:
            try:
                wait_until(lambda: b"sleep" in Path(f"/proc/{process.pid}/cmdline").read_bytes(), "it runs sleep")
                assert self.refused(process.pid).startswith(f"process {process.pid} (sleep) does not run Python")
            finally:
                process.kill()

    def test_one_that_has_ended(self) -> None:
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        try:
            wait_until(lambda: "State:\tZ" in Path(f"/proc/{pid}/status").read_text(), "it has ended")
            assert "has ended, and its parent" in self.refused(pid)
        finally:
            os.waitpid(pid, 0)

    def test_a_thread(self) -> None:
        stop = threading.Event()
        thread = threading.Thread(target=stop.wait)
        thread.start()
        try:
            assert self.refused(thread.native_id or 0).endswith(f"write --pid {os.getpid()}")
        finally:
            stop.set()
            thread.join()

    def test_another_users(self) -> None:
        """Asked by another user than the one that runs the tests, if that is root, and else about a process of root."""
        if os.geteuid():
            assert re.search(r"is of user root: run the doctor as that user \(sudo -u root\), or as root", self.refused(1))
            return
        reading, writing = os.pipe()
        asked = os.getpid()
        pid = os.fork()
        if pid == 0:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            try:
                diagnose_process(asked)
            except ProcessError as error:
                os.write(writing, str(error).encode())
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as file:
            assert re.search(r"is of user root: run the doctor as that user \(sudo -u root\), or as root", file.read())
        os.waitpid(pid, 0)

    @pytest.mark.parametrize(
        ("arguments", "says"), [(("--pid", "0"), "--pid"), (("--pid", "x"), "--pid"), (("--pid", "1", "shop"), "MODULE")]
    )
    def test_wrong_arguments(self, arguments: tuple[str, ...], says: str) -> None:
        result = doctor(*arguments)
        assert (result.returncode, result.stdout) == (2, "")
        assert says in result.stderr


@pytest.mark.parametrize(("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_connections(family: socket.AddressFamily, host: str) -> None:
    with closing(socket.socket(family)) as listener:
        try:
            listener.bind((host, 0))
        except OSError:
            pytest.skip(f"no {host} here")
        listener.listen()
        port = listener.getsockname()[1]
        assert connections_to(os.getpid(), port) == []
        with closing(socket.create_connection((host, port))):
            shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            assert connections_to(os.getpid(), port) == [(shown, "established")]


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [("http://h:4318/v1/traces", 4318), ("https://h/v1", 443), ("http://[::1]/x", 80), ("h:4317", 4317), ("[::1]:5", 5)],
)
def test_ports(endpoint: str, port: int) -> None:
    assert port_of(endpoint) == port
