"""Task queues: what tasks have ended before an orderly end of the worker arrives, from whichever process or thread.

One task is under way when the signal comes.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hosts.running import PROGRAMS, Hosts, work
from support.accounting import WAIT, wait_until

pytestmark = pytest.mark.timeout(300)  # the first time it fetches packages

LAST = 11
"""Of the tasks, which begin with 0."""


@dataclass(frozen=True)
class Kind:
    """One package of workers."""

    requirements: tuple[str, ...]
    broker: str
    """The URL of the broker's socket."""
    enqueue: str
    """The program that hands over tasks: first number, last number."""
    worker: tuple[str, ...]
    loaders: int = 0
    """So many processes end the span "loaded" when the worker starts."""


CELERY = Kind(
    ("celery[redis]", "gevent"),
    "redis+socket://{socket}",
    "celery_tasks.py",
    ("celery", "--app=celery_tasks", "worker", "--concurrency=2", "--without-gossip", "--without-mingle"),
    loaders=1,
)
RQ = Kind(("rq",), "unix://{socket}", "rq_jobs.py", ("rq", "worker", "--url={broker}"))
DRAMATIQ = Kind(
    ("dramatiq[redis]",),
    "unix://{socket}",
    "dramatiq_actors.py",
    ("dramatiq", "dramatiq_actors", "--processes=2", "--threads=2"),
    loaders=2,
)

TERM, INT, HUP = signal.SIGTERM, signal.SIGINT, signal.SIGHUP
ALL = "all processes"
"""A terminal sends SIGINT to all of them, and systemd SIGTERM by default."""

CASES = {
    "celery prefork TERM": (CELERY, (), (TERM,)),
    "celery prefork INT": (CELERY, (), (INT,)),
    "celery prefork TERM all": (CELERY, (), (TERM, ALL)),
    "celery prefork INT all": (CELERY, (), (INT, ALL)),
    "celery prefork HUP": (CELERY, (), (HUP,)),
    "celery prefork max-tasks-per-child": (CELERY, ("--max-tasks-per-child=2",), (TERM,)),
    "celery threads TERM": (CELERY, ("--pool=threads",), (TERM,)),
    "celery threads INT": (CELERY, ("--pool=threads",), (INT,)),
    "celery threads HUP": (CELERY, ("--pool=threads",), (HUP,)),
    "celery gevent TERM": (CELERY, ("--pool=gevent",), (TERM,)),
    "celery gevent INT": (CELERY, ("--pool=gevent",), (INT,)),
    "rq TERM": (RQ, (), (TERM,)),
    "rq INT": (RQ, (), (INT,)),
    "rq burst": (RQ, ("--burst",), ()),
    "rq SimpleWorker TERM": (RQ, ("--worker-class=rq.worker.SimpleWorker",), (TERM,)),
    "rq SpawnWorker TERM": (RQ, ("--worker-class=rq.worker.SpawnWorker",), (TERM,)),
    "dramatiq TERM": (DRAMATIQ, (), (TERM,)),
    "dramatiq INT": (DRAMATIQ, (), (INT,)),
    "dramatiq INT all": (DRAMATIQ, (), (INT, ALL)),
    "dramatiq HUP": (DRAMATIQ, (), (HUP,)),
    "dramatiq spawn TERM": (DRAMATIQ, ("--use-spawn",), (TERM,)),
}


@pytest.mark.parametrize("case", CASES)
def test_an_orderly_end_of_a_worker_loses_nothing(hosts: Callable[..., Hosts], broker: Path, case: str) -> None:
    kind, options, end = CASES[case]
    host = hosts(*kind.requirements)
    url = kind.broker.format(socket=broker)
    variables = {"BROKER": url}

    def hand_over(first: int, last: int) -> None:
        host.run_untraced("python", str(PROGRAMS / kind.enqueue), str(first), str(last), **variables)

    hand_over(0, LAST)
    process = host.start(*(word.format(broker=url) for word in (*kind.worker, *options)), **variables)
    host.wait_for(process, *work(*range(LAST)), f"query-{LAST}")
    if ALL in end:
        os.killpg(process.pid, end[0])
    elif end:
        process.send_signal(end[0])
    host.open_gate()
    if HUP in end:
        # The same process becomes another worker.
        wait_until(lambda: host.ended()["loaded"] == 2 * kind.loaders, "the worker has started again")
        hand_over(LAST + 1, 2 * LAST)
        host.wait_for(process, *work(*range(LAST + 1, 2 * LAST + 1)))
        process.send_signal(TERM)
    process.wait(WAIT)
    assert host.check_nothing_lost() >= 2 * LAST + 1


def test_the_spans_of_an_instrumentation_arrive_too(hosts: Callable[..., Hosts], broker: Path) -> None:
    """Celery's, which is installed and nothing else, in the processes of the pool; the task under way is the last."""
    host = hosts("celery[redis]", "opentelemetry-instrumentation-celery")
    variables = {"BROKER": CELERY.broker.format(socket=broker)}
    process = host.start(*CELERY.worker, **variables)
    host.run_untraced("python", str(PROGRAMS / CELERY.enqueue), "0", str(LAST), **variables)
    host.wait_for(process, *work(*range(LAST)), f"query-{LAST}")
    process.send_signal(TERM)
    host.open_gate()
    process.wait(WAIT)
    host.check_nothing_lost()
    assert [span.name for span in host.collector.every_span()].count("run/celery_tasks.work") == LAST + 1
