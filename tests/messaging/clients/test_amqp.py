"""The wrappers of pika and aio-pika with a real RabbitMQ; what contrib's instrumentations do with it; foreign clients."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from support.brokers.rabbitmq import rabbitmq
from support.extra_packages import Collector, Environment, environment_with

CLIENTS = ("pika", "aio-pika")
BETA = version("opentelemetry-semantic-conventions")
OF_THE_SDK = f">={BETA.rpartition('b')[0]}b0,<={BETA}"
"""What was released with the SDK's minor release, up to its own release."""
CONTRIB = tuple(f"opentelemetry-instrumentation-{client}{OF_THE_SDK}" for client in CLIENTS)
PROGRAMS = Path(__file__).parent / "amqp_programs"
MESSAGES = 10_000
PATIENCE = 600
"""Seconds for one program, on a machine that has much else to do."""

pytestmark = pytest.mark.slow("starts RabbitMQ and programs that send many messages")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    if os.environ.get("NANOSPAN_SUITES") == "0":
        pytest.skip("NANOSPAN_SUITES=0 leaves out what needs other packages")
    with rabbitmq(tmp_path_factory.mktemp("rabbitmq")) as port:
        yield port


@pytest.fixture
def clients(request: pytest.FixtureRequest) -> Environment:
    return environment_with(request.config, *CLIENTS)


def program(environment: Environment, name: str, *arguments: object, **variables: str) -> dict[str, Any]:
    """What one of the programs reports; nothing if it reports nothing."""
    variables["PYTHONDONTWRITEBYTECODE"] = "1"
    finished = environment.run("python", str(PROGRAMS / name), *map(str, arguments), timeout=PATIENCE, **variables)
    return finished.report if finished.stdout.strip() else {}


def spans_in(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def named(spans: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [span for span in spans if span["name"] == name]


def links_of(spans: list[dict[str, Any]]) -> set[str]:
    return {link for span in spans for link in span["links"]}


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("size", [1, 100, 500])
@pytest.mark.parametrize("name", CLIENTS)
def test_many_messages(name: str, size: int, clients: Environment, broker: int, tmp_path: Path) -> None:
    """Malformed headers, a hop that forwards, which is killed and started again, and a redelivery.

    By callbacks one by one, by iteration in batches of 100, and by gets in batches of 500.
    """
    queue, count = f"journey {name} {size}", MESSAGES
    variables = {
        "OTEL_SPAN_LINK_COUNT_LIMIT": "500",
        "PROVIDER": "stock" if size == 100 else "nanospan",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    spans: dict[str, list[dict[str, Any]]] = {}
    reports: dict[str, dict[str, Any]] = {}
    for leg in ("produce", "crash", "forward", "consume"):
        arguments = (leg, name, broker, queue, size, count, tmp_path / leg)
        if leg == "crash":
            command = [clients.python, str(PROGRAMS / "journey.py"), *map(str, arguments)]
            crashed = subprocess.run(command, env={**os.environ, **variables}, capture_output=True, text=True)
            assert crashed.returncode == -signal.SIGKILL, crashed.stderr
        else:
            reports[leg] = program(clients, "journey.py", *arguments, **variables)
        spans[leg] = spans_in(tmp_path / leg)
    forwarding = spans["crash"] + spans["forward"]

    # No message is lost or changed, and each carries one context.
    consumed = reports["consume"]
    assert (consumed["seen"], consumed["changed"]) == (count, [])
    assert consumed["total"] > count  # some came again
    # Each message's links lead to where it was made, and to nothing else.
    made = {span["id"]: span for span in named(spans["produce"], f"publish {queue}")}
    assert len(made) == count - count // 50
    handled = named(forwarding, f"process {queue}")
    at_once = 20 if (name, size) == ("aio-pika", 1) else 1  # handlers that run when the process is killed: no span of them
    assert links_of(handled) <= made.keys() and len(made.keys() - links_of(handled)) < at_once
    received = named(forwarding, f"receive {queue}")
    assert links_of(received) == (set() if size == 1 else made.keys())
    made_again = {span["id"]: span for span in named(forwarding, f"publish {queue}.next")}
    carried = {parent[3:-3] for parent in consumed["parents"]}
    last = named(spans["consume"], f"process {queue}.next")
    assert links_of(last) == carried
    unconfirmed = carried - made_again.keys()  # whose publish has not ended then
    assert made_again.keys() <= carried and len(unconfirmed) < at_once
    # A span ends with its block, and the producer's before the consumer's starts.
    for consumers, producers in ((handled, made), (last, made_again)):
        links = [(link, span["start"]) for span in consumers for link in span["links"] if link not in unconfirmed]
        assert all(producers[link]["end"] <= start for link, start in links)
    assert {(reports[leg]["open"], reports[leg]["current"]) for leg in ("forward", "consume")} == {(0, 0)}
    # The forwarded messages belong to the handlers; those that were killed never ended.
    orphans = {span["parent"] for span in made_again.values()} - {span["id"] for span in handled}
    assert 1 <= len(orphans) <= at_once
    assert {span["kind"] for span in made.values()} == {"PRODUCER"}
    assert {span["kind"] for span in handled + last} == {"CONSUMER"}
    assert {span["kind"] for span in received} <= {"CLIENT"}
    sizes = {span["attributes"].get("messaging.batch.message_count") for span in handled}
    assert sizes == {None} if size == 1 else None not in sizes and max(sizes) == reports["forward"]["largest"] == size
    counted = [reports[leg]["stats"] for leg in ("produce", "forward", "consume")]
    assert {(stats["failures"], stats["foreign_detach"], stats["links_left_out"]) for stats in counted} == {(0, 0, 0)}
    # Malformed baggage goes on with the message: the forwarder has none to put in its place.
    assert [stats["malformed"] > 0 for stats in counted] == [False, True, True]


@pytest.fixture(scope="module")
def untraced(request: pytest.FixtureRequest, broker: int, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What comes where nobody traces."""
    both = (environment_with(request.config, *CLIENTS),) * 2
    return sent_and_read(both, ("none", "none"), broker, tmp_path_factory.mktemp("untraced"))[0]


@pytest.mark.parametrize("provider", ["nanospan", "stock"])
@pytest.mark.parametrize("name", CLIENTS)
def test_a_wrapper_behaves_as_its_client(
    name: str, provider: str, clients: Environment, broker: int, tmp_path: Path
) -> None:
    file = f"behaviour_{name.replace('-', '_')}.py"
    program(clients, file, broker, tmp_path / "spans", PROVIDER=provider)


def sent_and_read(
    environments: tuple[Environment, Environment], kinds: tuple[str, str], broker: int, folder: Path
) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    """What each client reads of the other's messages, and the spans of both sides."""
    prefix = "-to-".join(kinds).replace(" ", ".")
    report: dict[str, Any] = {}
    for environment, leg, kind in zip(environments, ("produce", "consume"), kinds, strict=True):
        report = program(environment, "foreign.py", leg, kind, broker, prefix, folder / f"{prefix}.{leg}")
    return report, spans_in(folder / f"{prefix}.produce"), spans_in(folder / f"{prefix}.consume")


def without_empty(messages: dict[str, Any]) -> dict[str, Any]:
    """A table with the context alone takes the place of none."""
    return {by: [[body, headers or None, other] for body, headers, other in came] for by, came in messages.items()}


@pytest.mark.parametrize("other", ["none", "contrib"])
def test_foreign_clients(
    other: str, request: pytest.FixtureRequest, broker: int, untraced: dict[str, Any], tmp_path: Path
) -> None:
    both = (environment_with(request.config, *CLIENTS, *(CONTRIB if other == "contrib" else ())),) * 2

    read, made, consumed = sent_and_read(both, ("nanospan", other), broker, tmp_path)
    assert without_empty(read["messages"]) == without_empty(untraced["messages"])
    carried = [parent[3:-3] for parent in read["traceparents"]]
    assert sorted(carried) == sorted(span["id"] for span in made)
    assert len(carried) == 2 * 3 * 7
    if other == "contrib":
        parents = {span["parent"] for span in consumed}
        assert set(carried[:14]) <= parents  # pika's callbacks and iterations

    read, made, consumed = sent_and_read(both, (other, "nanospan"), broker, tmp_path)
    assert without_empty(read["messages"]) == without_empty(untraced["messages"])
    carried = [parent[3:-3] for parent in read["traceparents"] if parent is not None]
    assert len(carried) == (42 if other == "contrib" else 0)
    assert links_of(consumed) == set(carried)
    assert set(carried) <= {span["id"] for span in made}  # contrib has two for each publish of pika
    assert (read["open"], read["current"], read["stats"]["failures"]) == (0, 0, 0)


def test_kombu_traced_by_ddtrace(request: pytest.FixtureRequest, broker: int, tmp_path: Path) -> None:
    """ddtrace has nothing for pika and aio-pika; its reader and its writer of AMQP are those for kombu."""
    environment = environment_with(request.config, *CLIENTS, "kombu", "ddtrace")
    variables = {
        "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
        "DD_REMOTE_CONFIGURATION_ENABLED": "false",
        "DD_TRACE_AGENT_URL": "http://127.0.0.1:9",
    }
    found = program(environment, "ddtrace_kombu.py", broker, "ddtrace", tmp_path / "spans", **variables)
    # Whether the traces are those of the other side, and the messages are as they were sent.
    ways = ("kombu to pika", "pika to kombu", "kombu to aio-pika", "aio-pika to kombu")
    assert found == {way: [True, True] for way in ways}


FAULTS = ["broken propagator", "broken tracer", "broken span", "broken processor", "broken wrapper"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_inside_loses_no_message(
    fault: str, clients: Environment, broker: int, untraced: dict[str, Any], tmp_path: Path
) -> None:
    read, _, _ = sent_and_read((clients, clients), (fault, fault), broker, tmp_path)
    same = without_empty if fault in ("broken span", "broken processor") else dict
    assert same(read["messages"]) == same(untraced["messages"])
    assert read["current"] == 0
    # The provider catches what a processor raises.
    assert (read["stats"]["failures"] > 0) == (fault != "broken processor")


REPORTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "#1432 consume() ends the span at once and leaves it attached": (
        {"recording inside": True, "current after": False, "link": True, "parent": False},
        {"recording inside": False, "current after": True, "link": False, "parent": True},
    ),
    "basic_get is not traced": ({"links": [True]}, {"links": []}),
    "#2052 exchange, routing key and queue": (
        {"orders": True, "new.chair": True, "attributes": True},
        {"orders": True, "new.chair": False, "attributes": False},
    ),
    "#1638 conventions in aio-pika": (
        {"operation": "publish", "destination": True, "name": "publish conventions"},
        {"operation": None, "destination": False, "name": ",conventions send"},
    ),
    "#1993 #2892 iterators lose context": (
        {"handler in a span": True, "link": [True]},
        {"handler in a span": False, "link": []},
    ),
    "bytes as values in pika": ({"handled": True, "link": True}, {"handled": False, "link": False}),
    "bytes as values in aio-pika": ({"handled": True}, {"handled": False}),
    "a malformed value in pika": ({"handled": True}, {"handled": False}),
    "headers of the caller change": (
        {"None stays": True, "pika": True, "aio-pika": True},
        {"None stays": False, "pika": False, "aio-pika": False},
    ),
    "parent instead of link": ({"parent": False, "link": True}, {"parent": True, "link": False}),
}


@pytest.fixture(scope="module")
def reported(
    request: pytest.FixtureRequest, broker: int, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """What the program finds with nanospan's wrappers, and with contrib's instrumentations and the SDK."""
    environment = environment_with(request.config, *CLIENTS, *CONTRIB)
    folder = tmp_path_factory.mktemp("reports")
    return {
        kind: program(environment, "reports.py", kind, broker, f"{kind}.", folder / kind, PROVIDER=provider)
        for kind, provider in (("nanospan", "nanospan"), ("contrib", "stock"))
    }


@pytest.mark.parametrize("report", REPORTS)
def test_public_reports(report: str, reported: dict[str, dict[str, Any]]) -> None:
    """Each is so with contrib's code, and not here."""
    ours, theirs = REPORTS[report]
    assert reported["nanospan"][report] == ours
    assert reported["contrib"][report] == theirs


def test_every_report_has_a_test(reported: dict[str, dict[str, Any]]) -> None:
    assert reported["nanospan"].keys() == REPORTS.keys()


def test_the_example(clients: Environment, broker: int) -> None:
    """The two programs, by the commands of the page: the traces are those that it names, with the link."""
    example = Path(__file__).resolve().parents[3] / "examples" / "messaging-rabbitmq"
    if not example.exists():
        pytest.skip("examples/ is not beside these tests")
    printed = []
    with Collector() as collector:
        endpoint = collector.endpoint_http.removesuffix("/v1/traces")
        variables = {
            "RABBITMQ_URL": f"amqp://guest:guest@127.0.0.1:{broker}/",
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint,
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        for name in ("producer.py", "consumer.py"):
            run = ("python", "-m", "nanospan.cli", "run", clients.python, str(example / name))
            printed += clients.run(*run, **variables).stdout.splitlines()
        spans = collector.spans(5)
    assert printed == ["sent an order", "invoice for 2 chairs"]
    sent, handled = spans["publish orders"], spans["process orders"]
    shown = []
    for root in (spans["take order"], handled):
        assert root.parent_span_id == ""
        children = sorted((s for s in spans.values() if s.parent_span_id == root.span_id), key=lambda s: s.start_unix_nano)
        shown += [root.name, *(child.name for child in children)]
    page = (example / "README.md").read_text("utf-8").splitlines()
    assert [line.strip(" ├└") for line in page if line.startswith("    ")] == shown
    assert [(link.trace_id, link.span_id) for link in handled.links] == [(sent.trace_id, sent.span_id)]
