"""Task queues over a real redis, with workers in processes of their own: what runs, what is linked, what is unharmed."""

from __future__ import annotations

import os
import subprocess
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hosts.running import Hosts
from support.accounting import WAIT, wait_until
from support.brokers.redis import ask, redis_server
from support.extra_packages import Collector, environment_with
from support.selection.many import many

from nanospan.receiver import Span

PROGRAMS = Path(__file__).parent / "task_programs"
BETA = version("opentelemetry-semantic-conventions")
CONTRIB = f"opentelemetry-instrumentation-celery>={BETA.rpartition('b')[0]}b0,<={BETA}"
REQUIREMENTS = ("celery[redis]", "gevent", "dramatiq[redis]", "taskiq", "taskiq-redis", "rq", "redis")

pytestmark = [pytest.mark.slow("starts redis-server and many workers"), pytest.mark.timeout(1800)]


@dataclass(frozen=True)
class Kind:
    """A library with a kind of worker."""

    program: str
    worker: tuple[str, ...]
    queue: str
    tasks: int
    traced_worker: tuple[str, ...] = ()
    """More words for a worker with spans."""


CELERY = (
    "celery",
    "--app=celery_app",
    "worker",
    "--without-gossip",
    "--without-mingle",
    "--concurrency=2",
    "--loglevel=WARNING",
)
TASKS = many(10_000)
DRAMATIQ = ("dramatiq", "dramatiq_app", "--processes=2", "--threads=2")
RQ = ("rq", "worker", "--with-scheduler", "--url={broker}")
TRACED_RQ = ("--job-class=rq_app.Job",)
KINDS = {
    "celery prefork": Kind("celery_app.py", CELERY, "celery", TASKS),
    "celery threads": Kind("celery_app.py", (*CELERY, "--pool=threads"), "celery", TASKS),
    "celery gevent": Kind("celery_app.py", (*CELERY, "--pool=gevent", "--concurrency=20"), "celery", TASKS),
    "dramatiq": Kind("dramatiq_app.py", DRAMATIQ, "default", TASKS),
    "taskiq": Kind("taskiq_app.py", ("taskiq", "worker", "taskiq_app:broker", "--workers=2"), "taskiq", TASKS),
    # A process for each job: the many jobs run in the worker's own.
    "rq": Kind("rq_app.py", RQ, "default", 100, TRACED_RQ),
    "rq in one process": Kind("rq_app.py", (*RQ, "--worker-class=rq.SimpleWorker"), "default", TASKS, TRACED_RQ),
}
DIES = ("celery prefork", "dramatiq", "taskiq", "rq")
"""Whose worker is a process that may be killed, and another takes the task."""


def killing(tasks: int) -> range:
    """The numbers of the tasks that kill their process: see `work.py`."""
    return range(13, min(tasks, 500), 75)


class Tasks(Hosts):
    """Producers and workers of one kind, over one redis."""

    kind: Kind
    broker: str
    redis: Any

    def variables(self, added: dict[str, str]) -> dict[str, str]:
        return super().variables(
            {"PYTHONPATH": str(PROGRAMS), "BROKER": self.broker, "OTEL_BSP_SCHEDULE_DELAY": "200", **added}
        )

    def produce(self, first: int, last: int, *words: str, **variables: str) -> None:
        process = self.start("python", str(PROGRAMS / self.kind.program), str(first), str(last), *words, **variables)
        assert process.wait(20 * WAIT) == 0, self.said()

    def work(self, **variables: str) -> subprocess.Popen[bytes]:
        words = [*self.kind.worker, *(self.kind.traced_worker if variables.get("TRACED", "1") == "1" else ())]
        return self.start(*(word.format(broker=self.broker) for word in words), **variables)

    def told(self, *command: str) -> list[str]:
        return ask(self.broker, *command)

    def wait_for_runs(self, worker: subprocess.Popen[bytes], numbers: range) -> None:
        """Until each task has run to its end, or as often as it may fail. In each minute some have to."""
        expected = sum(number % 25 != 8 for number in numbers)
        asked = count()

        def done() -> set[int]:
            return {int(number) for number in self.told("SMEMBERS", "done") if number}

        def ended() -> tuple[int, int]:
            return int(self.told("SCARD", "done")[0]), int(self.told("LLEN", "ran")[0])

        def all_ran() -> bool:
            assert worker.poll() is None, self.said()[-8000:]
            assert not self.bad(), self.bad()
            if self.kind.queue == "taskiq" and next(asked) % 50 == 49:
                # Its worker takes over what a dead one has left when it has got something new, be it unreadable.
                self.told("XADD", "taskiq", "*", "data", "{}")
            if ended()[0] < expected:
                return False
            ran, failed = done(), Counter(number for number, _, _ in self.ran())
            return all(number in ran or (number % 25 == 8 and failed[number]) for number in numbers)

        try:
            while not all_ran():
                enough = sum(ended()) + 100
                wait_until(lambda enough=enough: all_ran() or sum(ended()) >= enough, "all tasks have run")
        except AssertionError as error:
            left = set(numbers) - done()
            raise AssertionError(f"{error}: {left}\n{self.state_of(left)}\n{self.said()[-8000:]}") from None

    def state_of(self, numbers: set[int]) -> str:
        """What is known of tasks that have not run to their end, but should have."""
        unexpected = {number for number in numbers if number % 25 != 8}
        runs = [run for run in self.ran() if run[0] in unexpected]
        raised = [line for line in self.said().splitlines() if "raised unexpected" in line and "fails always" not in line]
        waiting = {key: self.told("LLEN", key) for key in (self.kind.queue, f"rq:queue:{self.kind.queue}")}
        unacked = self.told("HKEYS", "unacked")
        return f"runs of {unexpected}: {runs}; raised: {raised}; waiting: {waiting}; unacked: {unacked}"

    def bad(self) -> list[str]:
        return [line for line in self.told("LRANGE", "bad", "0", "-1") if line]

    def ran(self, *, of_living: bool = False) -> list[tuple[int, str, str]]:
        """The number, trace id and span id of each run; those of processes that were not killed later."""
        killed = set(self.told("SMEMBERS", "killed")) if of_living else ()
        lines = (line.split() for line in self.told("LRANGE", "ran", "0", "-1") if line)
        return [(int(number), trace_id, span_id) for number, trace_id, span_id, pid in lines if pid not in killed]

    def sent(self) -> dict[str, int]:
        """The number of each task, by its id."""
        lines = (line.split() for line in self.told("LRANGE", "sent", "0", "-1") if line)
        return {message_id: int(number) for number, message_id in lines}

    def wait_for_spans(self) -> None:
        """Until the span of each run has arrived. What has no end never does."""
        try:
            # Each look at all spans takes long where they are many.
            while len(self.ran(of_living=True)) > (before := self.collector.stats().spans):
                wait_until(lambda before=before: self.collector.stats().spans > before, "more spans have arrived")
            wait_until(lambda: not self.missing(), "each span has arrived")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.missing()[:9]}\n{self.said()[-4000:]}") from None

    def missing(self) -> list[tuple[int, str, str]]:
        spans = self.spans()
        return [run for run in self.ran(of_living=True) if run[2] not in spans]

    def spans(self) -> dict[str, Span]:
        spans = self.collector.every_span()
        stats = self.collector.stats()
        assert (stats.evicted, stats.not_kept, stats.rejected) == (0, 0, 0)
        return {span.span_id: span for span in spans}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if os.environ.get("NANOSPAN_SUITES") == "0":
        pytest.skip("NANOSPAN_SUITES=0 leaves out what needs other packages")
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def tasks(request: pytest.FixtureRequest, tmp_path: Path, server: str) -> Iterator[Callable[[str], Tasks]]:
    made: list[Tasks] = []

    def of(kind: str) -> Tasks:
        one = Tasks(environment_with(request.config, *REQUIREMENTS), Collector(max_traces=50_000), tmp_path)
        one.kind, one.broker = KINDS[kind], server
        one.told("FLUSHALL")
        made.append(one)
        return one

    yield of
    for one in made:
        one.kill()
        one.collector.stop()


@pytest.mark.parametrize("kind", KINDS)
def test_each_run_is_linked_to_where_its_task_was_handed_over(tasks: Callable[[str], Tasks], kind: str) -> None:
    """With failures, retries, workers that die, unknown tasks, and producers without spans or with malformed headers."""
    own = tasks(kind)
    total = own.kind.tasks
    traced, plain = total * 4 // 5, total * 9 // 10
    own.produce(0, traced - 1, "unknown")
    own.produce(traced, plain - 1, TRACED="0")
    own.produce(plain, total - 1, "malformed", TRACED="0")
    worker = own.work(KILLS="1" if kind in DIES else "0")
    if kind == "dramatiq":
        # Its processes end when one of them dies. The tasks of the dead ones come again.
        while worker.wait(4 * WAIT) and len(own.told("KEYS", "killed *")) < len(killing(total)):
            worker = own.work(KILLS="1")
        worker = own.work()
    own.wait_for_runs(worker, range(total))
    own.wait_for_spans()

    spans, sent, ran = own.spans(), own.sent(), own.ran()
    assert len(sent) == total
    assert not own.bad()
    sends: dict[str, list[Span]] = defaultdict(list)
    for span in spans.values():
        if span.kind == "PRODUCER":
            sends[span.attributes.get("messaging.message.id", "")].append(span)
    # The producer's: one for each task, with a length, and over before any worker began.
    order = next(span for span in spans.values() if span.name == "order 0")
    first = {
        message_id: next((span for span in sends[message_id] if span.trace_id == order.trace_id), None)
        for message_id, number in sent.items()
        if number < traced
    }
    assert all(first.values())
    began = min(spans[span_id].start_unix_nano for _, _, span_id in ran if span_id in spans)
    assert all(span is not None and span.duration_nano > 0 and span.end_unix_nano <= began for span in first.values())

    lost = 0
    for number, trace_id, span_id in ran:
        span = spans.get(span_id)  # one that has arrived has ended
        if span is None:
            lost += 1  # its process was killed before it had sent it
            continue
        assert (span.trace_id, span.kind, span.parent_span_id) == (trace_id, "CONSUMER", ""), span
        assert span.name == f"process {own.kind.queue}"
        message_id = span.attributes["messaging.message.id"]
        assert sent[message_id] == number
        assert {"messaging.system", "messaging.operation.type", "messaging.destination.name"} <= span.attributes.keys()
        assert (span.attributes["messaging.system"], span.attributes["server.address"]) == ("redis", "127.0.0.1")
        made = {(send.trace_id, send.span_id) for send in sends[message_id]}
        linked = [(link.trace_id, link.span_id) for link in span.links]
        assert len(linked) == 1 if number < traced else len(linked) <= 1, span
        if not made.issuperset(linked):
            # Handed over again by a process that was killed before the span of that had arrived.
            assert kind in DIES and number % 25 == 7, span
            lost += 1
        assert (span.status == "ERROR") == (number % 25 == 8) or number % 25 == 7, (span, number)
    assert lost < total // 10
    if kind in DIES:
        assert len(own.told("KEYS", "killed *")) == len(killing(total))
    # A retry that the application sees is handed over inside the run before.
    for span in spans.values():
        if span.kind == "PRODUCER" and span.trace_id != order.trace_id:
            run = spans.get(span.parent_span_id)
            assert kind in DIES if run is None else run.kind == "CONSUMER", span


REFUSED = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}


@pytest.mark.parametrize("kind", DIES)
@pytest.mark.parametrize(
    ("producer", "worker"),
    [
        ({}, {"TRACED": "0"}),
        ({"FAULT": "propagator"}, {"FAULT": "tracer"}),
        ({"FAULT": "tracer", **REFUSED}, {"FAULT": "propagator", **REFUSED}),
    ],
    ids=["worker without spans", "propagator, tracer fail", "tracer, propagator, exporter fail"],
)
def test_tasks_run_unharmed(
    tasks: Callable[[str], Tasks], kind: str, producer: dict[str, str], worker: dict[str, str]
) -> None:
    own = tasks(kind)
    own.produce(0, 32, **producer)
    process = own.work(**worker)
    own.wait_for_runs(process, range(33))
    assert not own.bad()
    assert {number for number, _, _ in own.ran()} == set(range(33))


@pytest.mark.parametrize("foreign", ["contrib", "ddtrace", "sentry"])
def test_other_tracers_of_celery_read_the_messages(
    request: pytest.FixtureRequest, tasks: Callable[[str], Tasks], foreign: str
) -> None:
    """Their worker, their producer, and both beside ours: each task runs, and ours are linked."""
    own = tasks("celery threads")
    own.environment = environment_with(request.config, *REQUIREMENTS, CONTRIB, "ddtrace", "sentry-sdk")
    quiet = {"DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false", "DD_REMOTE_CONFIGURATION_ENABLED": "false"}
    quiet["DD_TRACE_AGENT_URL"] = "http://127.0.0.1:9"
    alone = {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "celery,redis"}
    theirs = {"FOREIGN": foreign, **quiet, **alone}
    own.produce(0, 9, **alone)
    worker = own.work(**theirs, TRACED="0")
    own.wait_for_runs(worker, range(9))
    own.kill()
    own.produce(10, 19, **theirs, TRACED="0")
    own.produce(20, 29, **theirs)
    worker = own.work(**theirs)
    own.wait_for_runs(worker, range(10, 30))
    assert not own.bad()

    def processed() -> dict[str, Span]:
        spans = own.spans().values()
        return {
            span.attributes["messaging.message.id"]: span
            for span in spans
            if span.kind == "CONSUMER" and span.scope == "nanospan.messaging"
        }

    ids = {message_id for message_id, number in own.sent().items() if number >= 10}
    wait_until(lambda: processed().keys() >= ids, "each span has arrived")
    sends = {span.span_id: span for span in own.spans().values() if span.kind == "PRODUCER"}
    for message_id, number in own.sent().items():
        if number >= 20:
            (link,) = processed()[message_id].links
            assert sends[link.span_id].attributes["messaging.message.id"] == message_id
