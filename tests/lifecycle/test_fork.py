"""Forked processes: nothing of the parent's is sent by a child, nothing hangs, nothing is printed, nothing is lost."""

from __future__ import annotations

from collections import Counter
from typing import Any, get_args

import pytest
from support.accounting import check_balance, spans_in
from support.launcher import Launcher, both_forks, check_orderly, each_tracing, names
from support.receivers import answer, hang

from nanospan.processor._stats import DropReason

SPANS = 10

NOTHING = {
    "ended": 0,
    "queued": 0,
    "held": 0,
    "exported": 0,
    "dropped": dict.fromkeys(get_args(DropReason), 0),
    "rejected": 0,
    "sampled_out": 0,
}


def check_nothing(stats: dict[str, Any]) -> None:
    assert {key: stats[key] for key in NOTHING} == NOTHING


@each_tracing
@both_forks
def test_fork_before_any_span(launcher: Launcher, fork: str) -> None:
    finished = launcher.run("forks.py", "before_any_span", fork)
    check_orderly(finished, processes=2)
    assert finished.reported("child_code") == [0]
    assert launcher.received() == names("child", SPANS) + names("parent", SPANS)


@each_tracing
@both_forks
def test_fork_with_spans_queued(launcher: Launcher, fork: str) -> None:
    finished = launcher.run("forks.py", "spans_queued", fork)
    check_orderly(finished, processes=2)
    check_nothing(finished.reported("first")[0])
    second = finished.reported("second")[0]
    check_balance(second)
    assert (second["ended"], second["queued"]) == (SPANS, SPANS)
    # The child is gone before the parent sends: a request with spans of both was sent by the child.
    assert [len(set(request)) for request in requests_by_prefix(launcher)] == [1, 2]
    assert launcher.received() == names("parent", SPANS) + names("child", SPANS) + names("later", SPANS)


def requests_by_prefix(launcher: Launcher) -> list[list[str]]:
    """For each request, whose spans it carries."""
    return [[span.name.partition("-")[0] for span in spans_in([request.body])] for request in launcher.receiver.requests]


@each_tracing
@both_forks
def test_child_of_a_parent_that_vanishes_sends_nothing_of_the_parent(launcher: Launcher, fork: str) -> None:
    finished = launcher.run("forks.py", "parent_vanishes", fork)
    check_orderly(finished, processes=1)
    assert launcher.received() == names("child", SPANS)


@each_tracing
@both_forks
def test_child_that_does_not_trace(launcher: Launcher, fork: str) -> None:
    finished = launcher.run("forks.py", "idle_child", fork)
    check_orderly(finished, processes=2)
    assert sorted(account["ended"] for account in finished.accounts_at_exit) == [0, SPANS]
    assert launcher.received() == names("parent", SPANS)


@each_tracing
@both_forks
def test_child_that_flushes_first(launcher: Launcher, fork: str) -> None:
    finished = launcher.run("forks.py", "flushing_child", fork)
    check_orderly(finished, processes=2)
    assert finished.reported("flushed") == [True]
    assert launcher.received() == names("parent", SPANS)


@each_tracing
@both_forks
def test_child_has_a_worker_of_its_own(launcher: Launcher, fork: str) -> None:
    running = launcher.start("forks.py", "own_worker", fork)
    launcher.receiver.wait_for(lambda: bool(launcher.receiver.requests))
    assert launcher.received() == names("child", SPANS)
    running.proceed()
    check_orderly(running.finish(), processes=1)
    assert launcher.received() == names("child", SPANS) + names("parent", SPANS)


@each_tracing
@both_forks
def test_fork_inside_a_span(launcher: Launcher, fork: str) -> None:
    finished = launcher.run("forks.py", "inside_span", fork)
    check_orderly(finished, processes=1)
    assert finished.reported("flushed") == [True]
    assert launcher.received() == names("child", SPANS) + Counter(["outer"])
    (outer,) = finished.reported("outer")
    parents = {
        span.parent_span_id.hex()
        for span in spans_in(request.body for request in launcher.receiver.requests)
        if span.name != "outer"
    }
    assert parents == {outer}


@each_tracing
@both_forks
def test_a_block_that_both_leave_ends_the_span_twice(launcher: Launcher, fork: str) -> None:
    finished = launcher.run("forks.py", "both_leave_the_span", fork)
    check_orderly(finished, processes=2)
    first, second = spans_in(request.body for request in launcher.receiver.requests)
    assert (first.name, first.span_id) == (second.name, second.span_id)


@each_tracing
@both_forks
def test_a_span_open_at_the_fork_can_end_in_each_process(launcher: Launcher, fork: str) -> None:
    finished = launcher.run("forks.py", "open_span_ends_in_both", fork)
    check_orderly(finished, processes=2)
    spans = list(spans_in(request.body for request in launcher.receiver.requests))
    assert sorted(span.name for span in spans) == ["child-0", "parent-0"]
    assert spans[0].span_id == spans[1].span_id


@each_tracing
def test_fork_from_a_thread(launcher: Launcher) -> None:
    # By Python's own fork only: without its hooks, a thread that waits for the interpreter lock at the wrong moment
    # leaves the child a lock that nothing can release. That is so with or without nanospan.
    finished = launcher.run("forks.py", "from_thread")
    check_orderly(finished, processes=1)
    assert (finished.reported("flushed"), finished.reported("child_code")) == ([True], [0])
    assert launcher.received() == names("child", SPANS) + names("parent", SPANS)


@each_tracing
def test_fork_while_an_export_hangs(launcher: Launcher) -> None:
    # By Python's own fork only, as above: the exporting thread may wait for the interpreter lock when the request is seen.
    launcher.receiver.script = [hang, answer(200)]
    running = launcher.start("forks.py", "while_export_hangs", "os")
    launcher.receiver.wait_for(lambda: len(launcher.receiver.requests) == 1)
    running.proceed()
    finished = running.finish()
    check_orderly(finished, processes=1)
    assert finished.reported("child_code") == [0]
    assert requests_by_prefix(launcher) == [["parent"] * SPANS, ["child"] * SPANS]


def test_fork_from_the_export_thread(launcher: Launcher) -> None:
    finished = launcher.run("forks.py", "from_the_exporter")
    assert (finished.stderr, finished.code) == ("", 0)
    assert (finished.reported("flushed"), finished.reported("child_code")) == ([True, True], [0])
    (child,) = finished.reported("stats")
    assert (child["ended"], child["exported"]) == (SPANS, SPANS)
    of_child, of_parent = (Counter(exported) for exported in finished.reported("exported"))
    assert (of_child, of_parent) == (names("child", SPANS), names("parent", SPANS))


@each_tracing
def test_daemon(launcher: Launcher) -> None:
    # By Python's own fork only: whoever skips its hooks and then closes descriptors pulls them from under Python's sockets.
    finished = launcher.run("forks.py", "daemon")
    check_orderly(finished, processes=1)
    assert launcher.received() == names("parent", SPANS) + names("child", SPANS)


@each_tracing
def test_other_programs_leave_the_queue_alone(launcher: Launcher) -> None:
    finished = launcher.run("forks.py", "other_programs")
    check_orderly(finished, processes=1)
    assert (finished.reported("codes"), finished.reported("queued")) == ([[0, 0, 0, 0]], [SPANS])
    assert launcher.received() == names("parent", SPANS) + names("later", SPANS)


@each_tracing
@both_forks
def test_children_of_children(launcher: Launcher, fork: str) -> None:
    finished = launcher.run("forks.py", "generations", fork)
    check_orderly(finished, processes=3)
    assert launcher.received() == names("parent", SPANS) + names("child", SPANS) + names("grandchild", SPANS)


@each_tracing
def test_forks_while_threads_end_spans(launcher: Launcher) -> None:
    finished = launcher.run("forks.py", "busy_threads")
    check_orderly(finished, processes=21)
    assert finished.reported("child_code") == [0] * 20
    expected: Counter[str] = Counter()
    for thread, ended in enumerate(finished.reported("busy")[0]):
        expected += names(f"busy{thread}", ended)
    for child in range(20):
        expected += names(f"child{child}", SPANS)
    assert launcher.received() == expected


@each_tracing
@both_forks
def test_fork_after_shutdown(launcher: Launcher, fork: str) -> None:
    finished = launcher.run("forks.py", "after_shutdown", fork)
    assert (finished.stderr, finished.code) == ("", 0)
    child, parent = finished.accounts_at_exit
    assert (parent["exported"], parent["dropped"]["shutdown"]) == (SPANS, 0)
    assert (child["ended"], child["dropped"]["shutdown"]) == (SPANS, SPANS)
    assert launcher.received() == names("parent", SPANS)


@each_tracing
@both_forks
def test_fork_with_two_processors(launcher: Launcher, fork: str) -> None:
    finished = launcher.run("forks.py", "two_processors", fork)
    assert (finished.stderr, finished.code) == ("", 0)
    assert finished.reported("queued") == [[SPANS, SPANS]]
    assert launcher.received() == names("child", SPANS)


@each_tracing
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_children_that_flush(launcher: Launcher, method: str) -> None:
    finished = launcher.run("processes.py", method, "flush")
    assert (finished.stderr, finished.code) == ("", 0)
    assert finished.reported("child_code") == [0, 0, 0]
    assert finished.reported("flushed") == [True, True, True]
    for first in finished.reported("first"):
        check_nothing(first)
    expected = names("parent", SPANS)
    for child in range(3):
        expected += names(f"child{child}", SPANS)
    assert launcher.received() == expected


@each_tracing
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_children_that_do_not_flush(launcher: Launcher, method: str) -> None:
    finished = launcher.run("processes.py", method)
    assert (finished.stderr, finished.code) == ("", 0)
    assert finished.reported("child_code") == [0, 0, 0]
    expected = names("parent", SPANS)
    for child in range(3):
        expected += names(f"child{child}", SPANS)
    assert launcher.received() == expected


def test_idle_children_leave_the_exporter_alone(launcher: Launcher) -> None:
    finished = launcher.run("idle_children.py")
    assert (finished.stderr, finished.code) == ("", 0)
    assert finished.reported("shutdowns") == [["busy"], ["busy", "parent"]]


def test_exit_handlers_of_spawned_children(launcher: Launcher) -> None:
    finished = launcher.run("processes.py", "spawn", "late")
    assert (finished.stderr, finished.code) == ("", 0)
    expected = names("parent", SPANS)
    for child in range(3):
        expected += names(f"child{child}", SPANS) + names(f"late{child}", SPANS)
    assert launcher.received() == expected


@each_tracing
def test_workers_of_a_process_pool(launcher: Launcher) -> None:
    finished = launcher.run("process_pool.py")
    assert (finished.stderr, finished.code) == ("", 0)
    assert launcher.received() == names("parent", SPANS) + names("task", 20)
