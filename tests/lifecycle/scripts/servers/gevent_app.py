"""``gevent_app.py <scenario>``: a program that gevent has patched, its threads and sockets included.

``late`` in the second place: nanospan is imported before gevent patches, else after.
"""

# ruff: noqa: E402
from __future__ import annotations

import sys

order = sys.argv[2]
if order == "first":
    from gevent import monkey

    monkey.patch_all()

from app import App, report

if order != "first":
    from gevent import monkey

    monkey.patch_all()

import os
import signal
import time

import gevent
import gevent.socket

SPANS = 10

app = App(max_export_batch_size=SPANS)


def alive() -> None:
    """Says that greenlets get their turn while the worker waits."""
    turns = []
    others = [gevent.spawn(lambda: (gevent.sleep(0.001), turns.append(1))) for _ in range(SPANS)]
    gevent.joinall(others)
    report(turns=len(turns))


def to_the_end() -> None:
    def work(number: int) -> None:
        with app.tracer.start_as_current_span(f"task-{number}"):
            gevent.sleep(0)
            with app.tracer.start_as_current_span(f"step-{number}"):
                gevent.sleep(0)

    gevent.joinall([gevent.spawn(work, number) for number in range(SPANS)])
    alive()


def full_batch() -> None:
    """The worker sends without a flush when a batch is full."""
    app.end_spans("span", SPANS)
    while app.processor.stats()["exported"] < SPANS:
        gevent.sleep(0.001)
    alive()


def flush() -> None:
    app.end_spans("span", SPANS - 1)
    report(flushed=app.processor.force_flush())
    alive()


def sigterm() -> None:
    gevent.signal_handler(signal.SIGTERM, sys.exit, 0)
    app.end_spans("span", SPANS - 1)
    report(ready=True)
    while True:
        gevent.sleep(0.01)


def fork() -> None:
    """Greenlets live on in a forked child: the parent's worker must send nothing from there."""
    app.end_spans("parent", SPANS)  # a full batch, which the worker has not seen yet
    pid = os.fork()
    if not pid:
        time.sleep(0.2)  # time enough, on any machine, for nothing to happen
        alive()
        app.end_spans("child", SPANS - 1)
        sys.exit(0)
    report(child_code=os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def fork_during_export() -> None:
    """The receiver answers the parent's export when it has the child's."""
    app.end_spans("parent", SPANS)
    gevent.socket.wait_read(sys.stdin.fileno())  # the test saw the request
    pid = os.fork()
    if not pid:
        gevent.sleep(0)
        app.end_spans("child", SPANS - 1)
        report(flushed=app.processor.force_flush(), stats=app.processor.stats())
        os._exit(0)
    report(child_code=os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


if __name__ == "__main__":
    globals()[sys.argv[1]]()
