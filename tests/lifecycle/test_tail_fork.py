"""Tail sampling across a fork: the child begins with an empty table, the parent's stays as it was."""

from __future__ import annotations

from collections import Counter

from support.accounting import check_balance, lost
from support.launcher import Launcher, both_forks


@both_forks
def test_fork_with_traces_held(launcher: Launcher, fork: str) -> None:
    finished = launcher.run("tail_fork.py", fork)
    assert (finished.code, finished.reported("child_code")) == (0, [0])
    assert finished.stderr == "1 span dropped because tail sampling had no room to hold their traces or decisions\n"
    assert finished.reported("before") == finished.reported("after") == [1]
    (in_child,) = finished.reported("in_child")
    check_balance(in_child)
    assert (in_child["ended"], in_child["held"]) == (0, 0)
    # Each process sends its own; what is open at the end is decided on by what has ended of it.
    names = [f"{process} {span}" for process in ("parent", "child") for span in ("root", "child")]
    assert launcher.received() == Counter([*names, "last child"])
    child, parent = finished.accounts_at_exit
    assert (child["exported"], child["sampled_out"], parent["exported"]) == (2, 1, 3)
    assert (lost(child), lost(parent)) == ({"evicted": 1}, {})
