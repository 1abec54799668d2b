"""The ends of a process: the promised spans are delivered, nothing hangs, nothing is printed that need not be."""

from __future__ import annotations

import re
import signal
import sys
import threading
import time
from collections import Counter

import pytest
from support.accounting import check_balance, lost
from support.launcher import LOCKED, Finished, Launcher, check_orderly, each_tracing, names
from support.receivers import answer, hang, unused_port, when

SPANS = 10
FULL_QUEUE = re.compile(r"(\d+) spans? dropped because the queue was full")

# Tail sampling does not take exporters of objects.
object_tracing = pytest.mark.parametrize("launcher", ["native", "sdk"], indirect=True)

LOG_LINE = re.compile(
    r"Sending \d+ spans to http://[\w.]+:\d+/v1/traces: .*; trying again in [\d.]+ s"
    r"|\d+ spans? (was|were) not delivered to http://[\w.]+:\d+/v1/traces: .*"
)


def dropped_for_a_full_queue(finished: Finished) -> list[int]:
    """The numbers of spans that the log says so of, one a line; it says nothing else."""
    lines = [FULL_QUEUE.fullmatch(line) for line in finished.stderr.splitlines()]
    assert all(lines), finished.stderr
    return [int(line[1]) for line in lines if line]


@each_tracing
@pytest.mark.parametrize("way", ["end_of_main", "in_function", "ordinary_threads"])
def test_end_of_the_program(launcher: Launcher, way: str) -> None:
    check_orderly(launcher.run("exits.py", way), processes=1)
    assert launcher.received() == names("span", SPANS)


@each_tracing
def test_processor_that_was_never_used(launcher: Launcher) -> None:
    check_orderly(launcher.run("exits.py", "never_used"), processes=1)
    assert not launcher.receiver.requests


@each_tracing
def test_sys_exit(launcher: Launcher) -> None:
    finished = launcher.run("exits.py", "sys_exit")
    assert (finished.stderr, finished.code) == ("", 3)
    assert launcher.received() == names("span", SPANS)


@each_tracing
def test_uncaught_exception(launcher: Launcher) -> None:
    finished = launcher.run("exits.py", "uncaught")
    assert finished.code == 1
    lines = finished.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "LookupError: nobody catches this"
    assert finished.stderr.count("Traceback") == 1
    assert "nanospan/" not in finished.stderr
    assert launcher.received() == names("span", SPANS) + Counter(["failing"])


@each_tracing
def test_sigterm_with_a_handler_that_exits(launcher: Launcher) -> None:
    running = launcher.start("exits.py", "sigterm")
    assert running.line() == {"pid": running.pid, "ready": True}
    running.signal(signal.SIGTERM)
    finished = running.finish()
    check_orderly(finished, processes=1)
    (ended,) = finished.reported("ended")
    # The signal may have struck between the end of a span and the counting of it.
    received = launcher.received() - names("first", SPANS)
    assert received in (names("span", ended), names("span", ended + 1))


@each_tracing
def test_sigint(launcher: Launcher) -> None:
    running = launcher.start("exits.py", "sigint")
    running.line()
    running.signal(signal.SIGINT)
    finished = running.finish()
    assert finished.code == -signal.SIGINT
    assert finished.stderr.splitlines()[-1] == "KeyboardInterrupt"
    assert finished.stderr.count("Traceback") == 1
    assert launcher.received() == names("span", SPANS)


@each_tracing
@pytest.mark.parametrize("queue", ["any", "full"])
def test_daemon_threads_that_still_end_spans(launcher: Launcher, queue: str) -> None:
    """They are faster than the worker, or not: what the queue has no room for is dropped, counted and said, and no more."""
    if queue == "full":
        # Nothing leaves the queue before the program does.
        launcher.receiver.script = [when(leaving := threading.Event()), answer(200)]
    running = launcher.start("exits.py", "daemon_threads", *(["full"] if queue == "full" else []))
    assert running.line()["leaving"]
    if queue == "full":
        launcher.receiver.tell(leaving)
    finished = running.finish()
    assert finished.code == 0
    (account,) = finished.accounts_at_exit
    check_balance(account)
    dropped = account["dropped"]["queue_full"]
    said = sum(dropped_for_a_full_queue(finished))
    # Without the interpreter lock, a thread that began to queue a span before the shutdown may drop it after the last line.
    assert said == dropped or (said <= dropped and not LOCKED)
    assert dropped or queue == "any"
    received = launcher.received()
    assert names("first", 1000) <= received
    assert (names("span", 1000) - received).total() <= dropped
    # Whatever the account calls delivered has arrived, the daemons' spans among it; the rest came too late.
    assert account["exported"] == received.total()
    assert set(lost(account)) <= {"queue_full", "shutdown"}


@each_tracing
def test_spans_of_an_exit_handler_registered_after_the_provider(launcher: Launcher) -> None:
    check_orderly(launcher.run("exits.py", "atexit_after_provider"), processes=1)
    assert launcher.received() == names("span", SPANS) + names("goodbye", SPANS)


@each_tracing
def test_spans_of_an_exit_handler_registered_before_the_provider_are_counted(launcher: Launcher) -> None:
    finished = launcher.run("exits.py", "atexit_before_provider")
    assert (finished.stderr, finished.code) == ("", 0)
    (late,) = finished.reported("late")
    check_balance(late)
    assert (late["exported"], lost(late)) == (SPANS, {"shutdown": SPANS})
    assert launcher.received() == names("span", SPANS)


def test_processor_made_while_the_program_exits(launcher: Launcher) -> None:
    finished = launcher.run("exits.py", "processor_made_late")
    assert (finished.stderr, finished.code) == ("", 0)
    assert finished.reported("flushed") == [True]
    assert launcher.received() == names("span", SPANS)


@each_tracing
def test_os_exit_loses_at_most_what_was_queued(launcher: Launcher) -> None:
    finished = launcher.run("exits.py", "os_exit")
    assert (finished.stderr, finished.code) == ("", 7)
    assert finished.reported("flushed") == [True]
    received = launcher.received()
    assert names("sent", SPANS) <= received <= names("sent", SPANS) + names("queued", SPANS)


@each_tracing
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL, signal.SIGSEGV])
def test_signal_that_kills_loses_at_most_what_was_queued(launcher: Launcher, number: signal.Signals) -> None:
    running = launcher.start("exits.py", "killed")
    assert running.line()["ready"]
    running.signal(number)
    assert running.finish().code == -number
    # What arrives of a span is the whole of it: received() reads every request.
    assert names("sent", SPANS) <= launcher.received() <= names("sent", SPANS) + names("queued", SPANS)


@each_tracing
def test_exec_loses_at_most_what_was_queued(launcher: Launcher) -> None:
    finished = launcher.run("exits.py", "replaced")
    assert (finished.stderr, finished.code) == ("", 0)
    assert (finished.reported("flushed"), finished.reported("other_program")) == ([True], [True])
    assert names("sent", SPANS) <= launcher.received() <= names("sent", SPANS) + names("queued", SPANS)


def test_provider_without_an_exit_handler_loses_at_most_what_was_queued(launcher: Launcher) -> None:
    finished = launcher.run("exits.py", "no_exit_handler")
    assert (finished.stderr, finished.code) == ("", 0)
    assert launcher.received() <= names("queued", SPANS)


@pytest.mark.parametrize("launcher", ["native", "tail"], indirect=True)
def test_processors_that_a_concurrent_composite_calls(launcher: Launcher) -> None:
    check_orderly(launcher.run("exits.py", "concurrent_processors"), processes=1)
    assert launcher.received() == names("span", SPANS) + names("late", SPANS)


@each_tracing
def test_processor_whose_owner_calls_it_in_a_thread_pool(launcher: Launcher) -> None:
    finished = launcher.run("exits.py", "owner_of_a_pool")
    assert finished.code == 0
    assert "cannot schedule new futures" in finished.stderr  # the owner's
    assert launcher.received() == names("span", SPANS)


@each_tracing
def test_spans_of_destructors_after_the_exit_handlers(launcher: Launcher) -> None:
    finished = launcher.run("exits.py", "late_destructors")
    check_orderly(finished, processes=1)
    assert launcher.received() == names("span", SPANS)


@each_tracing
def test_exit_while_an_export_is_under_way(launcher: Launcher) -> None:
    launcher.receiver.script = [when(leaving := threading.Event()), answer(200)]
    running = launcher.start("exits.py", "during_export")
    launcher.receiver.wait_for(lambda: len(launcher.receiver.requests) == 1)
    running.proceed()
    assert running.line()["leaving"]
    launcher.receiver.tell(leaving)
    check_orderly(running.finish(), processes=1)
    assert launcher.received() == names("first", SPANS) + names("second", SPANS)


def check_undelivered(finished: Finished) -> None:
    assert finished.code == 0
    (account,) = finished.accounts_at_exit
    check_balance(account)
    assert (account["queued"], lost(account)) == (0, {"export_failed": SPANS})
    lines = finished.stderr.splitlines()
    assert lines
    for line in lines:
        assert LOG_LINE.fullmatch(line), line


@each_tracing
def test_exit_with_nobody_at_the_collectors_port(launcher: Launcher) -> None:
    finished = launcher.run(
        "exits.py",
        "dead_collector",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"http://127.0.0.1:{unused_port()}/v1/traces",
        OTEL_EXPORTER_OTLP_TIMEOUT="2",
    )
    check_undelivered(finished)


def test_exit_with_a_collector_that_hangs(launcher: Launcher) -> None:
    launcher.receiver.script = [hang]
    finished = launcher.run("exits.py", "dead_collector", OTEL_EXPORTER_OTLP_TIMEOUT="2")
    check_undelivered(finished)


@pytest.mark.parametrize("scenario", ["dead_addresses", "look_up_without_end"])
def test_exit_with_a_collectors_name_that_leads_nowhere(launcher: Launcher, scenario: str) -> None:
    if scenario == "look_up_without_end" and sys.version_info[:2] == (3, 12):
        pytest.skip("no thread starts in an exit handler of CPython 3.12, so that the resolver's limits apply")
    # A timeout for each address, or none for the look-up, would be more than the launcher's patience.
    finished = launcher.run(
        "exits.py",
        scenario,
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="http://collector.test:4318/v1/traces",
        OTEL_EXPORTER_OTLP_TIMEOUT="2",
    )
    check_undelivered(finished)


def test_export_timeout_bounds_the_exit(launcher: Launcher) -> None:
    """The exporter's own timeout would be more than the launcher's patience."""
    launcher.receiver.script = [hang]
    finished = launcher.run("exits.py", "dead_collector", OTEL_EXPORTER_OTLP_TIMEOUT="600", OTEL_BSP_EXPORT_TIMEOUT="1000")
    check_undelivered(finished)


def test_shutdown_bounds_the_exit(launcher: Launcher) -> None:
    """No timeout is short enough: after 30 seconds the shutdown gives up, and accounts for what it leaves."""
    launcher.receiver.script = [hang]
    began = time.monotonic()
    finished = launcher.run("exits.py", "dead_collector", OTEL_EXPORTER_OTLP_TIMEOUT="600", OTEL_BSP_EXPORT_TIMEOUT="600000")
    assert time.monotonic() - began >= 30
    assert finished.code == 0
    (account,) = finished.accounts_at_exit
    check_balance(account)
    assert account["exported"] == 0


@each_tracing
@pytest.mark.parametrize("way", ["shutdown_twice", "shutdown_from_threads"])
def test_repeated_shutdown(launcher: Launcher, way: str) -> None:
    finished = launcher.run("exits.py", way)
    check_orderly(finished, processes=1)
    assert finished.reported("flushed") in ([], [False])
    assert launcher.received() == names("span", SPANS)


@object_tracing
def test_flush_from_within_the_exporter(launcher: Launcher) -> None:
    finished = launcher.run("exits.py", "flush_from_exporter")
    check_orderly(finished, processes=1)
    assert finished.reported("returned") == [False]
    assert Counter(finished.reported("received")[0]) == names("span", 2 * SPANS)


@object_tracing
def test_shutdown_from_within_the_exporter(launcher: Launcher) -> None:
    finished = launcher.run("exits.py", "shutdown_from_exporter")
    assert (finished.stderr, finished.code) == ("", 0)
    (account,) = finished.accounts_at_exit
    check_balance(account)
    # The specification allows no export after the exporter's shutdown: what was still queued is lost, and counted.
    assert not any(finished.reported("after_shutdown"))
    assert (account["queued"], account["exported"], lost(account)) == (0, SPANS, {"shutdown": SPANS})
