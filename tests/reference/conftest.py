"""What the tests of this folder share: other packages' sdists, what their tests need, and a process to run them in."""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from support.extra_packages import locked

HERE = Path(__file__).parent
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
MAX_SECONDS = 600  # for both runs of a suite; the longest takes 13 seconds on an idle machine
MAX_REPEATS = 3


@pytest.fixture
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder that outlives the run, one for each interpreter; without pytest's cache it lasts for one test."""
    cache = getattr(request.config, "cache", None)
    return cache.mkdir(f"suites-{sys.implementation.cache_tag}") if cache else tmp_path


@pytest.fixture
def reference_sdist(kept: Path, tmp_path: Path) -> Callable[..., Path]:
    """Gives the unpacked source of a package, fetched with pip; skips where that fails.

    The release is the installed one, or the newest that ``versions`` (as in ``">=1,<2"``) allows. ``NANOSPAN_SDISTS`` may
    name a folder that already holds sdists.
    """

    def unpack(package: str, versions: str | None = None) -> Path:
        versions = versions or f"=={version(package)}"
        folder = Path(os.environ.get("NANOSPAN_SDISTS") or kept / "sdists" / _digest(package + versions))
        with locked(kept / "sdists"):
            archive = _newest(folder, package, versions)
            if archive is None:
                command = [*PIP, "download", "--no-deps", "--no-binary", ":all:", "--dest", str(folder), package + versions]
                fetched = subprocess.run(command, capture_output=True, text=True)
                archive = _newest(folder, package, versions)
                if fetched.returncode or archive is None:
                    pytest.skip(f"the sdist of {package}{versions} cannot be fetched: {_last_line(fetched.stderr)}")
        with tarfile.open(archive) as tar:
            tar.extractall(tmp_path, filter="data")
        return tmp_path / archive.name.removesuffix(".tar.gz")

    return unpack


@pytest.fixture
def sdk_series() -> str:
    """Version bounds for what is released together with the SDK as beta: up to its own release, of the same minor one."""
    beta = version("opentelemetry-semantic-conventions")
    return f">={beta.rpartition('b')[0]}b0,<={beta}"


@pytest.fixture
def reference_packages(kept: Path) -> Callable[..., Path]:
    """Gives a folder for PYTHONPATH in which pip has installed what is named; skips where that fails.

    ``needs=False`` leaves out what the packages depend on: those that pin a release of the SDK would bring it along.
    """

    def install(*requirements: str, needs: bool = True) -> Path:
        folder = kept / "packages" / _digest(f"{needs} {sorted(requirements)}")
        with locked(folder):
            if not folder.exists():
                half_done = folder.with_suffix(".part")
                shutil.rmtree(half_done, ignore_errors=True)
                options = [] if needs else ["--no-deps"]
                command = [*PIP, "install", *options, "--target", str(half_done), *requirements]
                installed = subprocess.run(command, capture_output=True, text=True)
                if installed.returncode:
                    pytest.skip(f"{', '.join(requirements)} cannot be installed: {_last_line(installed.stderr)}")
                half_done.rename(folder)
        return folder

    return install


@dataclass
class SuiteRun:
    """What becomes of a suite: an outcome for each test id, how many "native" and "other" spans it made, what it printed.

    ``in_place`` are the names that stood for nanospan's.
    """

    process: subprocess.Popen
    report: Path
    printed: Path
    outcomes: dict[str, str] = field(default_factory=dict)
    spans: dict[str, int] = field(default_factory=dict)
    in_place: list[str] = field(default_factory=list)
    output: str = ""

    @property
    def passed(self) -> set[str]:
        return {test for test, outcome in self.outcomes.items() if outcome == "passed"}

    def describe(self, tests: set[str]) -> str:
        """The outcome of each of these tests, the one in which the process died first, and all that was printed."""
        lines = sorted(f"{self.outcomes.get(test, 'not run')}: {test}" for test in tests)
        return "\n".join([*sorted(lines, key=lambda line: not line.startswith("started")), self.output])

    def read(self) -> None:
        """Take in what the process has left behind."""
        self.output = self.printed.read_text(errors="replace")
        for line in self.report.read_text().splitlines() if self.report.exists() else []:
            test, phase, outcome = json.loads(line)
            known = self.outcomes.get(test)
            # One failed phase or subtest fails the test. "started" is left of a test in which the process died.
            if outcome == "failed" or (known != "failed" and (phase in ("start", "call") or outcome == "skipped")):
                self.outcomes[test] = outcome
        self.spans = self._printed_as("spans counted") or {}
        self.in_place = self._printed_as("in place") or []

    def _printed_as(self, title: str) -> Any:
        found = re.search(rf"^{title}: (.*)$", self.output, re.MULTILINE)
        return json.loads(found[1]) if found else None


RunSuite = Callable[..., tuple[SuiteRun, SuiteRun]]


@pytest.fixture
def run_suite(tmp_path: Path) -> RunSuite:
    """Runs the tests of an unpacked sdist twice, with the stock SDK and with nanospan in its place.

    Both runs go on at the same time, or with ``together=False`` one after the other. ``port``: one of this machine at which
    the tests listen; both runs have it for themselves, one after the other.
    """

    def run(
        source: Path, tests: Sequence[str], packages: Sequence[Path], *, together: bool = True, port: int | None = None
    ) -> tuple[SuiteRun, SuiteRun]:
        first = tmp_path / "first"
        first.mkdir(exist_ok=True)
        (first / "sitecustomize.py").write_text("import sdk_trace_in_place\n")
        inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
        path = os.pathsep.join(map(str, [first, HERE, *packages, *filter(None, inherited)]))
        if together and port is None:
            stock, native = (_start(source, tests, path, in_place) for in_place in (False, True))
            last_moment = time.monotonic() + MAX_SECONDS
            _finish(stock, last_moment)
            _finish(native, last_moment)
        else:
            with _kept_for_us(port):
                stock, native = (_finish(_start(source, tests, path, in_place)) for in_place in (False, True))
        return stock, native

    return run


@contextlib.contextmanager
def _kept_for_us(port: int | None) -> Iterator[None]:
    """No other run of these tests on this machine uses the port meanwhile; skips where anybody else listens there.

    grpcio's servers share a port with whoever else has opened it so: the kernel would hand each connection to one of them.
    """
    if port is None:
        yield
        return
    with locked(Path(tempfile.gettempdir()) / f"nanospan-port-{port}"):
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            try:
                socket.create_server((address, port), family=family).close()
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    pytest.skip(f"port {port} of {address} is in use, and the suite needs it")
        yield


class Comparison:
    """A suite with the stock SDK and with nanospan; what differs for other reasons than nanospan is left out.

    Suites assert durations, so one run proves nothing. What does not pass is run again on both sides, alone: a test passes
    with one of them if it ever does.
    """

    def __init__(self, run: RunSuite, source: Path, tests: Sequence[str], packages: Sequence[Path]) -> None:
        """``run``: `run_suite`, or a partial of it."""
        self._run = run
        self._source, self._tests, self._packages = source, tests, packages
        self.stock, self.native = run(source, tests, packages)
        self._passed = self.stock.passed, self.native.passed

    def repeat(self, leave_out: Collection[str] = (), times: int = MAX_REPEATS) -> None:
        """Run again what has not passed yet on a side, except what was skipped: all of it, then each test by itself."""
        for _ in range(times):
            if unsettled := [test for test in self._not_passed() if test not in leave_out]:
                self._again(unsettled)
        for _ in range(times):
            for test in self.differing() - set(leave_out):
                self._again([test])

    def passed_with_stock(self) -> set[str]:
        """The tests that have passed with the stock SDK, in any run."""
        return set(self._passed[0])

    def passed_with_both(self) -> set[str]:
        return self._passed[0] & self._passed[1]

    def differing(self) -> set[str]:
        """The tests that have passed with the stock SDK, and never with nanospan."""
        return self._passed[0] - self._passed[1]

    def check_kinds(self) -> None:
        """Each run made spans of its own kind alone, if any."""
        assert set(self.native.spans) <= {"native"}, self.native.output
        assert set(self.stock.spans) <= {"other"}, self.stock.output

    def check_spans(self) -> None:
        """Each run made spans of its own kind alone, and both made the same number.

        A failed test makes fewer spans, so a repeated run leaves out the tests that did not pass both times.
        """
        stock, native, left_out = self.stock, self.native, set()
        for _ in range(2 * MAX_REPEATS):
            differ = {test for test, _ in stock.outcomes.items() ^ native.outcomes.items()}
            if not differ:
                break
            left_out |= differ
            deselected = [f"--deselect={test}" for test in sorted(left_out)]
            stock, native = self._run(self._source, [*self._tests, *deselected], self._packages)
        assert set(native.spans) == {"native"}, native.output
        assert set(stock.spans) == {"other"}, stock.output
        assert native.spans["native"] == stock.spans["other"]

    def _not_passed(self) -> list[str]:
        """In the order of the suite. A process that dies in a test leaves out those that follow."""
        tests = self.stock.outcomes | self.native.outcomes
        skipped = {test for test in tests if self.stock.outcomes.get(test) == self.native.outcomes.get(test) == "skipped"}
        return [test for test in tests if test not in self.passed_with_both() | skipped]

    def _again(self, tests: Sequence[str]) -> None:
        for passed, run in zip(self._passed, self._run(self._source, tests, self._packages, together=False), strict=True):
            passed |= run.passed


@pytest.fixture
def compare_suite(run_suite: RunSuite) -> Callable[..., Comparison]:
    """Makes a `Comparison`; ``port`` as for `run_suite`."""

    def compare(source: Path, tests: Sequence[str], packages: Sequence[Path], port: int | None = None) -> Comparison:
        return Comparison(functools.partial(run_suite, port=port), source, tests, packages)

    return compare


def _finish(run: SuiteRun, last_moment: float | None = None) -> SuiteRun:
    last_moment = last_moment or time.monotonic() + MAX_SECONDS
    with contextlib.suppress(subprocess.TimeoutExpired):
        run.process.wait(max(0, last_moment - time.monotonic()))
    run.process.kill()
    run.process.wait()
    run.read()
    return run


def _start(source: Path, tests: Sequence[str], path: str, in_place: bool) -> SuiteRun:
    report = Path(tempfile.mkdtemp(dir=source)) / f"report-{int(in_place)}"
    printed = report.with_suffix(".txt")
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "PYTEST_"))}
    environment = outside | {
        "NANOSPAN_IN_PLACE": str(int(in_place)),
        "NANOSPAN_OUTCOMES": str(report),
        # Tests that start "python" mean this one.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "PYTHONPATH": path,
    }
    plugins = ["-p", "sdk_trace_in_place", "-p", "suite_outcomes", "-p", "no:cacheprovider", "-p", "no:nanospan"]
    command = [sys.executable, "-m", "pytest", *plugins, "--timeout=300", "-c", os.devnull, "--rootdir=.", *tests]
    with printed.open("w") as output:
        process = subprocess.Popen(command, cwd=source, env=environment, stdout=output, stderr=subprocess.STDOUT)
    return SuiteRun(process, report, printed)


def _newest(folder: Path, package: str, versions: str) -> Path | None:
    """The sdist of the newest release in a folder that the version bounds allow."""
    found = {}
    for archive in folder.glob(f"{package.replace('-', '_')}-*.tar.gz"):
        release = Version(archive.name.removesuffix(".tar.gz").rpartition("-")[2])
        if SpecifierSet(versions).contains(release, prereleases=True):
            found[release] = archive
    return found[max(found)] if found else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no message"])[-1][-200:]
