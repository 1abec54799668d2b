"""One property of a task queue's module at a time; and what contrib's instrumentation of Celery does with the same."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from hosts.running import Hosts
from support.accounting import WAIT
from support.brokers.redis import ask, redis_server
from support.extra_packages import Collector, Environment, environment_with

PROGRAMS = Path(__file__).parent / "task_programs"
REQUIREMENTS = ("celery[redis]", "gevent", "dramatiq[redis]", "taskiq", "taskiq-redis", "rq", "redis")
BETA = version("opentelemetry-semantic-conventions")
CONTRIB = f"opentelemetry-instrumentation-celery>={BETA.rpartition('b')[0]}b0,<={BETA}"
"""What was released with the SDK's minor release, up to its own release."""
EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "messaging-tasks"
PARTS = [
    (path.stem, name)
    for path in sorted(PROGRAMS.glob("*_parts.py"))
    for name in re.findall(r"^def ([a-z]\w*)\(\) -> None:\n    \"\"\"", path.read_text(), re.MULTILINE)
]

pytestmark = [pytest.mark.slow("starts redis-server and programs of other packages"), pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if os.environ.get("NANOSPAN_SUITES") == "0":
        pytest.skip("NANOSPAN_SUITES=0 leaves out what needs other packages")
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


def run(environment: Environment, server: str, program: str, name: str, **variables: str) -> None:
    ask(server, "FLUSHALL")
    environment.run("python", "-B", str(PROGRAMS / f"{program}.py"), name, BROKER=server, **variables)


@pytest.mark.parametrize(("program", "name"), PARTS)
def test_part(request: pytest.FixtureRequest, server: str, program: str, name: str) -> None:
    run(environment_with(request.config, *REQUIREMENTS), server, program, name)


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("foreign_task", r"\d+ ns before the message was sent"),
        ("names", "apply_async/add"),
        ("canvases", "expected 1, got 0"),
    ],
)
def test_contrib_fails_it(request: pytest.FixtureRequest, server: str, name: str, how: str) -> None:
    """#3002: the span of a send has ended before the send; #609, #166: the names; a parent in place of a link."""
    environment = environment_with(request.config, *REQUIREMENTS, CONTRIB)
    with pytest.raises(AssertionError, match=how):
        run(environment, server, "celery_parts", name, FOREIGN="contrib")


@pytest.mark.skipif(not EXAMPLE.exists(), reason="examples/ is not beside these tests")
def test_the_example_shows_what_its_page_shows(request: pytest.FixtureRequest, server: str, tmp_path: Path) -> None:
    """The worker's span has a trace of its own, and a link to the sender's."""
    ask(server, "FLUSHALL")
    page = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    work, order = re.findall(r"^nanospan (run .*)$", page, re.MULTILINE)
    host = Hosts(environment_with(request.config, *REQUIREMENTS), Collector(), tmp_path)
    variables = {"REDIS_URL": server, "PYTHONPATH": str(EXAMPLE), "OTEL_BSP_SCHEDULE_DELAY": "100"}
    try:
        host.start(*work.split()[1:], "--pool=solo", **variables)
        script = str(EXAMPLE / order.split()[-1])
        assert host.start("python", script, **variables).wait(WAIT) == 0, host.said()
        host.collector.store.wait_for_spans(4, WAIT)
        spans = {span.name: span for span in host.collector.every_span()}
    finally:
        host.kill()
        host.collector.stop()
    shown = [line.strip(" └") for line in page.splitlines() if line.startswith("    ")]
    assert sorted(spans) == sorted(shown)
    send, process = spans["send celery"], spans["process celery"]
    assert [link.span_id for link in process.links] == [send.span_id]
    assert process.trace_id == spans["print invoice"].trace_id != send.trace_id == spans["take order"].trace_id
