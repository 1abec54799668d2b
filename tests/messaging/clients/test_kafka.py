"""The wrappers of Kafka's clients with a real broker; what contrib's instrumentations do with it; foreign clients."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from support.brokers.kafka import kafka_broker
from support.extra_packages import Collector, Environment, environment_with

CLIENTS = ("confluent-kafka", "aiokafka", "kafka-python")
BETA = version("opentelemetry-semantic-conventions")
OF_THE_SDK = f">={BETA.rpartition('b')[0]}b0,<={BETA}"
"""What was released with the SDK's minor release, up to its own release."""
CONTRIB = tuple(f"opentelemetry-instrumentation-{client}{OF_THE_SDK}" for client in CLIENTS)
PROGRAMS = Path(__file__).parent / "kafka_programs"
NAMES = ("confluent", "aiokafka", "kafka-python")
MESSAGES = 10_000
# Ours and those of the tracers beside us; all others have to come as they were sent.
TRACE_HEADERS = ("traceparent", "tracestate", "baggage", "x-datadog-", "dd-pathway-")
DDTRACE = {
    "DD_KAFKA_PROPAGATION_ENABLED": "true",
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    "DD_TRACE_AGENT_URL": "http://127.0.0.1:9",
}

pytestmark = pytest.mark.slow("starts a Kafka broker and programs that send many messages")


@pytest.fixture(scope="module")
def broker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if os.environ.get("NANOSPAN_SUITES") == "0":
        pytest.skip("NANOSPAN_SUITES=0 leaves out what needs other packages")
    with kafka_broker(request.config, tmp_path_factory.mktemp("kafka")) as address:
        yield address


@pytest.fixture
def clients(request: pytest.FixtureRequest) -> Environment:
    return environment_with(request.config, *CLIENTS)


def program(environment: Environment, name: str, *arguments: object, **variables: str) -> dict[str, Any]:
    """What one of the programs reports; nothing if it reports nothing."""
    variables["PYTHONDONTWRITEBYTECODE"] = "1"
    finished = environment.run("python", str(PROGRAMS / name), *map(str, arguments), **variables)
    return finished.report if finished.stdout.strip() else {}


def spans_in(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def named(spans: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [span for span in spans if span["name"] == name]


def links_of(spans: list[dict[str, Any]]) -> set[str]:
    return {link for span in spans for link in span["links"]}


@pytest.mark.parametrize("size", [1, 100, 500])
@pytest.mark.parametrize("name", NAMES)
def test_many_messages(name: str, size: int, clients: Environment, broker: str, tmp_path: Path) -> None:
    """Malformed headers, a hop that forwards, which is killed and started again, and a redelivery."""
    topic = f"journey.{name}.{size}"
    spans: dict[str, list[dict[str, Any]]] = {}
    reports: dict[str, dict[str, Any]] = {}
    for leg in ("produce", "crash", "forward", "consume"):
        file = tmp_path / leg
        arguments = (leg, name, broker, topic, size, MESSAGES, file)
        provider = "stock" if size == 100 else "nanospan"
        reports[leg] = program(clients, "journey.py", *arguments, OTEL_SPAN_LINK_COUNT_LIMIT="500", PROVIDER=provider)
        spans[leg] = spans_in(file)
    forwarding = spans["crash"] + spans["forward"]

    # No message is lost or changed, and each carries one context.
    consumed = reports["consume"]
    assert (consumed["seen"], consumed["changed"]) == (MESSAGES, [])
    assert consumed["total"] > MESSAGES  # some came again
    # Each message's links lead to where it was made, and to nothing else.
    made = {span["id"]: span for span in named(spans["produce"], f"send {topic}")}
    assert len(made) == MESSAGES - MESSAGES // 50
    handled = named(forwarding, f"process {topic}")
    assert links_of(handled) == links_of(named(forwarding, f"poll {topic}")) == made.keys()
    made_again = {span["id"]: span for span in named(forwarding, f"send {topic}.next")}
    assert made_again.keys() == {parent[3:-3] for parent in consumed["parents"]}
    last = [span for span in spans["consume"] if span["name"].startswith("process ")]
    assert links_of(last) == made_again.keys()
    # A span ends with its block, and the producer's before the consumer's starts.
    for consumers, producers in ((handled, made), (last, made_again)):
        assert all(producers[link]["end"] <= span["start"] for span in consumers for link in span["links"])
    assert {(reports[leg]["open"], reports[leg]["left"]) for leg in ("forward", "consume")} == {(0, 0)}
    assert reports["forward"]["current"] == 0
    # The forwarded message belongs to the handler; that of the process which was killed never ended.
    orphans = {span["parent"] for span in made_again.values()} - {span["id"] for span in handled}
    assert len(orphans) == 1
    assert {span["kind"] for span in made.values()} == {"PRODUCER"}
    assert {span["kind"] for span in handled + last} == {"CONSUMER"}
    sizes = {span["attributes"].get("messaging.batch.message_count") for span in handled}
    assert sizes == {None} if size == 1 else None not in sizes and max(sizes) == reports["forward"]["largest"] > 1
    counted = [reports[leg]["stats"] for leg in ("produce", "forward", "consume")]
    assert {(stats["failures"], stats["foreign_detach"], stats["links_left_out"]) for stats in counted} == {(0, 0, 0)}
    # The malformed baggage goes on with the message: the forwarder has none to put in its place. The consumer of a batch,
    # which is linked and no child, reads no baggage.
    assert [stats["malformed"] > 0 for stats in counted] == [False, True, size == 1]


@pytest.mark.parametrize("name", NAMES)
def test_a_wrapper_behaves_as_its_client(name: str, clients: Environment, broker: str, tmp_path: Path) -> None:
    program(clients, "behaviour.py", name, broker, f"behaviour.{name}", tmp_path / "spans")


def sent_and_read(
    environments: tuple[Environment, Environment], kinds: tuple[str, str], broker: str, folder: Path
) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    """What was read, by client, and the spans of both sides. Checks that the messages are as they were sent."""
    topic = "foreign." + "-to-".join(kinds).replace(" ", ".")
    reports = [
        program(environment, "foreign.py", leg, kind, broker, topic, folder / f"{topic}.{leg}", **DDTRACE)
        for environment, leg, kind in zip(environments, ("produce", "consume"), kinds, strict=True)
    ]
    read = {name: reports[1][name] for name in NAMES}
    expected = [
        [None if value is None else value.hex(), key.hex(), [[n, v.hex()] for n, v in headers]]
        for value, key, headers in _messages()
    ]
    for name, came in read.items():
        # ddtrace takes a dict alone with confluent-kafka, whose messages are those that kafka-python reads.
        as_dict = kinds[0] == "ddtrace" and name == "kafka-python"
        messages = [
            [value, key, [pair for pair in headers if not pair[0].startswith(TRACE_HEADERS)]]
            for value, key, headers in came["messages"]
        ]
        wanted = [[v, k, list(map(list, dict(h).items()))] for v, k, h in expected] if as_dict else expected
        assert messages == wanted
    return reports[1], spans_in(folder / f"{topic}.produce"), spans_in(folder / f"{topic}.consume")


def _messages() -> list[Any]:
    """As those of foreign.py, which imports what is not installed here."""
    return [
        (b"no headers", b"0", []),
        (b"\x00\xff", b"1", [("mine", b"\xff\x00"), ("mine", b"")]),
        (bytes(range(256)), b"\xfe", []),
        (b"", b"3", [("a", b"1")]),
        (b"x" * 100_000, b"4", [("a", b"y" * 1000)]),
        (None, b"5", [("a", b"1")]),
    ]


def parents_of(came: dict[str, Any]) -> list[str]:
    """The contexts that messages carry, without those that carry none."""
    found = []
    for _, _, headers in came["messages"]:
        carried = [bytes.fromhex(value).decode()[3:-3] for name, value in headers if name == "traceparent"]
        assert len(carried) <= 1
        found += carried
    return found


@pytest.mark.parametrize("other", ["none", "contrib", "ddtrace"])
def test_foreign_clients(other: str, request: pytest.FixtureRequest, broker: str, tmp_path: Path) -> None:
    packages = {"none": (), "contrib": CONTRIB, "ddtrace": ("ddtrace",)}[other]
    environment = environment_with(request.config, *CLIENTS, *packages)
    both = (environment, environment)

    read, made, consumed = sent_and_read(both, ("nanospan", other), broker, tmp_path)
    carried = [parent for name in NAMES for parent in parents_of(read[name])]
    assert sorted(carried) == sorted(span["id"] for span in made)
    assert len(carried) == 3 * 6
    if other == "contrib":  # a parent or a link; that of kafka-python does not see batches
        reached = links_of(consumed) | {span["parent"] for span in consumed}
        assert all(set(parents_of(read[name])[:3]) <= reached for name in NAMES)
    if other == "ddtrace":
        assert [trace for name in NAMES for trace in read[name]["extracted"]] == [parent[:32] for parent in carried]

    read, made, consumed = sent_and_read(both, (other, "nanospan"), broker, tmp_path)
    carried = [parent for name in NAMES for parent in parents_of(read[name])]
    assert links_of(consumed) == set(carried)
    if other == "contrib":
        assert {span["id"] for span in made} == set(carried)
    assert len(carried) == {"none": 0, "contrib": 18}.get(other, len(carried))
    # ddtrace does nothing for kafka-python, and for confluent-kafka only where there are headers or None.
    assert other != "ddtrace" or len(carried) >= 6
    assert {read[name]["open"] + read[name]["current"] for name in NAMES} == {0}
    assert read["stats"]["failures"] == 0


FAULTS = ["broken propagator", "broken tracer", "broken span", "broken processor", "broken wrapper"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_inside_loses_no_message(fault: str, clients: Environment, broker: str, tmp_path: Path) -> None:
    read, _, _ = sent_and_read((clients, clients), (fault, fault), broker, tmp_path)
    assert {read[name]["current"] for name in NAMES} == {0}
    # The provider catches what a processor raises.
    assert (read["stats"]["failures"] > 0) == (fault != "broken processor")


REPORTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "span left open until the next poll": (
        {"open": 0, "current": False, "inside": True},
        {"open": 1, "current": True, "inside": None},
    ),
    "consume uses the first record's topic": (
        {"named": False, "links": 2, "of links": True},
        {"named": True, "links": 2, "of links": False},
    ),
    "imported before instrumenting": ({"spans": 1}, {"spans": 0}),
    "poll batches untraced": ({"spans": 1, "links": True}, {"spans": 0, "links": False}),
    "ends before the send is awaited": (
        {"status": "ERROR", "server": "127.0.0.1", "port": True},
        {"status": "UNSET", "server": '"127.0.0.1:{port}"', "port": False},
    ),
} | {
    report: found
    for name in NAMES
    for report, found in {
        f"parent instead of link, {name}": (
            {"parent": False, "link": True, "kind": "CLIENT"},
            {"parent": True, "link": False, "kind": "CONSUMER"},
        ),
        f"two traceparents, {name}": (
            {"traceparents": 1, "first": False, "second": True},
            {"traceparents": 2, "first": True, "second": False},
        ),
    }.items()
    if not report.endswith("link, confluent")  # contrib links there
}


@pytest.fixture(scope="module")
def reported(
    request: pytest.FixtureRequest, broker: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """What the program finds with nanospan's wrappers, and with contrib's instrumentations."""
    environment = environment_with(request.config, *CLIENTS, *CONTRIB)
    folder = tmp_path_factory.mktemp("reports")
    found = {k: program(environment, "reports.py", k, broker, f"reports.{k}", folder / k) for k in ("nanospan", "contrib")}
    port = broker.rpartition(":")[2]
    for of in found.values():
        ends = of["ends before the send is awaited"]
        ends["port"] = ends["port"] == int(port)
        ends["server"] = ends["server"].replace(port, "{port}")
    return found


@pytest.mark.parametrize("report", REPORTS)
def test_public_reports(report: str, reported: dict[str, dict[str, Any]]) -> None:
    """Each is so with contrib's code, and not here."""
    ours, theirs = REPORTS[report]
    assert reported["nanospan"][report] == ours
    assert reported["contrib"][report] == theirs


def test_the_example(clients: Environment, broker: str) -> None:
    """The two programs, by the commands of the page; the traces and the links are those that it names."""
    example = Path(__file__).resolve().parents[3] / "examples" / "messaging-kafka"
    if not example.exists():
        pytest.skip("examples/ is not beside these tests")
    printed = []
    with Collector() as collector:
        for name in ("producer.py", "consumer.py"):
            run = ("python", "-m", "nanospan.cli", "run", clients.python, str(example / name))
            endpoint = collector.endpoint_http.removesuffix("/v1/traces")
            printed += clients.run(*run, KAFKA_BROKER=broker, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint).stdout.splitlines()
        spans = collector.spans(6)
    assert printed == ["sent order 7", "invoice for order 7: 2 chairs"]
    parents = {name: span.parent_span_id for name, span in spans.items()}
    assert parents == dict.fromkeys(spans, "") | {
        "send orders": spans["take order"].span_id,
        "send invoice": spans["process orders"].span_id,
    }
    sent = spans["send orders"]
    for name in ("poll orders", "process orders", "commit orders"):
        assert [(link.trace_id, link.span_id) for link in spans[name].links] == [(sent.trace_id, sent.span_id)]
    page = (example / "README.md").read_text("utf-8")
    assert [line.strip(" └\n") for line in page.splitlines() if line.startswith("    ") and line.strip()] == list(
        dict.fromkeys(["take order", "send orders", "poll orders", "process orders", "send invoice", "commit orders"])
    )
