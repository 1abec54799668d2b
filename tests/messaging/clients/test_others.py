"""The wrappers of NATS, Redis streams, SQS and SNS with real servers; contrib's instrumentations; foreign clients."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.accounting import WAIT
from support.brokers.moto import moto_server
from support.brokers.nats import nats_server
from support.brokers.redis import redis_on_a_socket
from support.extra_packages import Collector, Environment, environment_with
from support.selection.many import many

CLIENTS = ("nats-py", "redis", "boto3", "moto[server]")
PROGRAMS = Path(__file__).parent / "others_programs"

pytestmark = pytest.mark.slow("starts servers of NATS, Redis and AWS and programs that send many messages")


@pytest.fixture(scope="module")
def clients(request: pytest.FixtureRequest) -> Environment:
    return environment_with(request.config, *CLIENTS)


@pytest.fixture(scope="module")
def nats(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with nats_server(request.config, tmp_path_factory.mktemp("nats")) as address:
        yield address


@pytest.fixture(scope="module")
def redis() -> Iterator[str]:
    with redis_on_a_socket() as socket:
        yield str(socket)


@pytest.fixture(scope="module")
def aws(clients: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with moto_server(clients, tmp_path_factory.mktemp("moto")) as address:
        yield address


@pytest.fixture
def address(name: str, request: pytest.FixtureRequest) -> str:
    """Of the server for a client."""
    fixture = {"nats": "nats", "sqs": "aws", "sns": "aws", "sns-in-body": "aws"}.get(name, "redis")
    address: str = request.getfixturevalue(fixture)
    return address


def program(environment: Environment, name: str, *arguments: object, **variables: str) -> dict[str, Any]:
    """What one of the programs reports; nothing if it reports nothing."""
    variables["PYTHONDONTWRITEBYTECODE"] = "1"
    finished = environment.run("python", str(PROGRAMS / name), *map(str, arguments), timeout=10 * WAIT, **variables)
    return finished.report if finished.stdout.strip() else {}


def spans_in(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def of_type(spans: list[dict[str, Any]], operation: str) -> list[dict[str, Any]]:
    return [span for span in spans if span["attributes"].get("messaging.operation.type") == operation]


def links_of(spans: list[dict[str, Any]]) -> set[str]:
    return {link for span in spans for link in span["links"]}


JOURNEYS = [
    *(("nats", size, 10_000) for size in (1, 100, 500)),
    *(("redis", size, 10_000) for size in (1, 100, 500)),
    ("redis-async", 100, 10_000),
    # A request of SQS or SNS has ten messages at most: the handlers' batches of 100 come by ten requests.
    # moto needs milliseconds for each: 10,000 are sent with NANOSPAN_MESSAGES=10000 only.
    ("sqs", 1, many(300)),
    *(("sqs", size, many(500)) for size in (10, 100)),
    ("sns", 1, many(200)),
    ("sns", 100, many(500)),
    ("sns-in-body", 10, many(500)),
]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("name", "size", "count"), JOURNEYS)
def test_many_messages(name: str, size: int, count: int, clients: Environment, address: str, tmp_path: Path) -> None:
    """Malformed headers, a hop that forwards, which is killed and started again, and a redelivery."""
    topic = f"journey-{name}-{size}"
    spans: dict[str, list[dict[str, Any]]] = {}
    reports: dict[str, dict[str, Any]] = {}
    for leg in ("produce", "crash", "forward", "consume"):
        file = tmp_path / leg
        provider = "stock" if size == 100 else "nanospan"
        arguments = (leg, name, address, topic, size, count, file)
        reports[leg] = program(clients, "journey.py", *arguments, OTEL_SPAN_LINK_COUNT_LIMIT="500", PROVIDER=provider)
        spans[leg] = spans_in(file)
    forwarding = spans["crash"] + spans["forward"]

    # No message is lost or changed, and each carries one context.
    consumed = reports["consume"]
    assert (consumed["seen"], consumed["changed"]) == (count, [])
    assert consumed["total"] > count  # some came again
    # Each message's links lead to where it was made, and to nothing else.
    made = {span["id"]: span for span in of_type(spans["produce"], "send") + of_type(spans["produce"], "create")}
    batches = {span["id"] for span in made.values() if span["kind"] == "CLIENT"}
    for batch in batches:
        del made[batch]
    assert len(made) == count - count // 50
    handled = of_type(forwarding, "process")
    assert links_of(handled) == links_of(of_type(forwarding, "receive")) == made.keys()
    made_again = {span["id"]: span for span in of_type(forwarding, "send")}
    assert {parent[3:-3] for parent in consumed["parents"]} <= made_again.keys()
    last = of_type(spans["consume"], "process")
    assert links_of(last) == {parent[3:-3] for parent in consumed["parents"]}
    # A span ends with its block, and the producer's before the consumer's starts.
    for consumers, producers in ((handled, made), (last, made_again)):
        assert all(producers[link]["end"] <= span["start"] for span in consumers for link in span["links"])
    assert {(reports[leg]["open"], reports[leg]["left"]) for leg in ("forward", "consume")} == {(0, 0)}
    assert reports["forward"]["current"] == 0
    # The forwarded message belongs to the handler; that of the process which was killed never ended.
    orphans = {span["parent"] for span in made_again.values()} - {span["id"] for span in handled}
    assert len(orphans) <= 1
    assert {span["kind"] for span in made.values()} == {"PRODUCER"}
    assert {span["kind"] for span in handled + last} == {"CONSUMER"}
    sizes = {span["attributes"].get("messaging.batch.message_count", 1) for span in handled}
    assert max(sizes) == max(reports["forward"]["largest"], 1)
    counted = [reports[leg]["stats"] for leg in ("produce", "forward", "consume")]
    assert {(stats["failures"], stats["foreign_detach"], stats["links_left_out"]) for stats in counted} == {(0, 0, 0)}
    assert counted[1]["malformed"] > 0


@pytest.mark.parametrize("name", ["nats", "redis", "sqs"])
def test_a_wrapper_behaves_as_its_client(name: str, clients: Environment, address: str, tmp_path: Path) -> None:
    file = {"sqs": "behaviour_aws.py"}.get(name, f"behaviour_{name}.py")
    program(clients, file, address, tmp_path / "spans")


NAMES = ("nats", "redis", "redis-async", "sqs")
# Ours and those of the tracers beside us; all others have to come as they were sent.
TRACE_HEADERS = ("traceparent", "tracestate", "baggage", "_datadog")
SENT = [
    (b"no headers", {}),
    (b"\x00\xff", {"n": "1"}),
    (bytes(range(256)), {}),
    (b"x" * 10_000, {"n": "y" * 1000, "Trace-Id": "mine"}),
]
DDTRACE = {
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    "DD_TRACE_AGENT_URL": "http://127.0.0.1:9",
}


@pytest.fixture
def addresses(nats: str, redis: str, aws: str) -> dict[str, str]:
    return {"nats": nats, "redis": redis, "redis-async": redis, "sqs": aws}


def sent_and_read(
    environment: Environment, kinds: tuple[str, str], addresses: dict[str, str], folder: Path
) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    """What was read, by client, and the spans of both sides. Checks that the messages are as they were sent."""
    topic = "-to-".join(kinds).replace(" ", "-")
    pairs = [f"{name}={address}" for name, address in addresses.items()]
    reports = [
        program(environment, "foreign.py", leg, kind, topic, folder / f"{topic}.{leg}", *pairs, **DDTRACE)
        for leg, kind in zip(("produce", "consume"), kinds, strict=True)
    ]
    assert reports[1]["clients"].keys() == addresses.keys()
    for came in reports[1]["clients"].values():
        messages = [
            (value, {name: text for name, text in headers.items() if name not in TRACE_HEADERS})
            for value, headers in came["messages"]
        ]
        expected = [(value.hex(), headers) for value, headers in SENT + SENT]
        assert sorted(messages, key=repr) == sorted(expected, key=repr)
    return reports[1], spans_in(folder / f"{topic}.produce"), spans_in(folder / f"{topic}.consume")


def parents_of(came: dict[str, Any]) -> list[str]:
    """The contexts that messages carry, without those that carry none."""
    return [headers["traceparent"][3:-3] for _, headers in came["messages"] if "traceparent" in headers]


@pytest.mark.parametrize("other", ["none", "contrib", "ddtrace"])
def test_foreign_clients(other: str, request: pytest.FixtureRequest, addresses: dict[str, str], tmp_path: Path) -> None:
    contrib = ("opentelemetry-instrumentation-boto3sqs", "opentelemetry-instrumentation-redis")
    packages = {"none": (), "contrib": contrib, "ddtrace": ("ddtrace",)}[other]
    environment = environment_with(request.config, *CLIENTS, *packages)

    read, made, consumed = sent_and_read(environment, ("nanospan", other), addresses, tmp_path)
    carriers = of_type(made, "send") + of_type(made, "create")
    for name in addresses:
        carried = parents_of(read["clients"][name])
        # Who does not ask SQS for attributes does not get them.
        assert len(carried) == (len(SENT) * 2 if name != "sqs" or other == "contrib" else 0)
        assert set(carried) <= {span["id"] for span in carriers}
    if other == "contrib":
        # Those that a batch deletes stay open there.
        assert len(set(parents_of(read["clients"]["sqs"])) & links_of(consumed)) >= len(SENT)

    read, made, consumed = sent_and_read(environment, (other, "nanospan"), addresses, tmp_path)
    carried = [parent for name in addresses for parent in parents_of(read["clients"][name])]
    assert links_of(consumed) == set(carried)
    if other == "contrib":
        assert set(parents_of(read["clients"]["sqs"])) <= {span["id"] for span in made}
        assert len(parents_of(read["clients"]["sqs"])) == len(SENT) * 2
    else:
        assert carried == []
    assert {came["open"] + came["current"] for came in read["clients"].values()} == {0}
    assert read["stats"]["failures"] == 0


FAULTS = ["broken propagator", "broken tracer", "broken span", "broken processor", "broken wrapper"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_inside_loses_no_message(
    fault: str, clients: Environment, addresses: dict[str, str], tmp_path: Path
) -> None:
    read, _, _ = sent_and_read(clients, (fault, fault), addresses, tmp_path)
    assert {came["current"] for came in read["clients"].values()} == {0}
    # The provider catches what a processor raises.
    assert (read["stats"]["failures"] > 0) == (fault != "broken processor")


REPORTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    # Its processing spans begin when messages are received.
    "no_end_without_a_delete": (
        {"inside": [True], "open": 0, "current": False},
        {"inside": [True], "open": 1, "current": True},
    ),
    # One token for all threads.
    "threads_mixed": ({"left in the first thread": [False]}, {"left in the first thread": [True]}),
    "callers_objects": (
        {"names": True, "attributes": True, "entry": True},
        {"names": False, "attributes": False, "entry": False},
    ),
    "near_ten": ({"9": ["traceparent"], "10": ["AWSTraceHeader"]}, {"9": ["baggage"], "10": []}),
    # It returns in its loop.
    "batch_deleted": ({"open": 0}, {"open": 2}),
    "sns_near_ten": ({"fields": ["traceparent"]}, {"fields": []}),
    "redis_streams": ({"carried": True, "linked": True}, {"carried": False, "linked": False}),
}


@pytest.fixture(scope="module")
def reported(
    request: pytest.FixtureRequest, aws: str, redis: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, Any]]:
    """What the program finds with nanospan's wrappers, and with contrib's instrumentations."""
    contrib = [f"opentelemetry-instrumentation-{name}" for name in ("boto3sqs", "botocore", "redis")]
    environment = environment_with(request.config, *CLIENTS, *contrib)
    folder = tmp_path_factory.mktemp("reports")
    return {kind: program(environment, "reports.py", kind, aws, redis, folder / kind) for kind in ("nanospan", "contrib")}


@pytest.mark.parametrize("report", REPORTS)
def test_public_reports(report: str, reported: dict[str, dict[str, Any]]) -> None:
    """Each is so with contrib's code, and not here."""
    ours, theirs = REPORTS[report]
    assert reported["nanospan"][report] == ours
    assert reported["contrib"][report] == theirs


EXAMPLES = Path(__file__).resolve().parents[3] / "examples"


@pytest.mark.parametrize(
    ("name", "send", "others", "variables"),
    [
        ("nats", "publish orders", ["fetch orders", "ack_sync orders"], {"NATS_URL": "{}"}),
        ("redis", "xadd orders", ["xreadgroup orders", "xack orders"], {"REDIS_URL": "unix://{}"}),
        (
            "sqs",
            "send orders",
            ["receive orders"],
            {
                "AWS_ENDPOINT_URL": "{}",
                "AWS_DEFAULT_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "id",
                "AWS_SECRET_ACCESS_KEY": "secret",
            },
        ),
    ],
)
def test_the_example(
    name: str, send: str, others: list[str], variables: dict[str, str], clients: Environment, address: str
) -> None:
    """The two programs, by the commands of the page; the traces and the links are those that it names."""
    example = EXAMPLES / f"messaging-{name}"
    if not example.exists():
        pytest.skip("examples/ is not beside these tests")
    settings = {key: value.format(address) for key, value in variables.items()}
    printed = []
    with Collector() as collector:
        settings["OTEL_EXPORTER_OTLP_ENDPOINT"] = collector.endpoint_http.removesuffix("/v1/traces")
        for file in ("producer.py", "consumer.py"):
            run = ("python", "-m", "nanospan.cli", "run", clients.python, str(example / file))
            printed += clients.run(*run, **settings).stdout.splitlines()
        spans = collector.spans(4 + len(others))
    assert printed == ["sent order 7", "invoice for order 7: 2 chairs"]
    parents = {span_name: span.parent_span_id for span_name, span in spans.items()}
    assert parents == dict.fromkeys(spans, "") | {
        send: spans["take order"].span_id,
        "send invoice": spans["process orders"].span_id,
    }
    sent = (spans[send].trace_id, spans[send].span_id)
    for linked in ("process orders", *(other for other in others if other != "xack orders")):
        assert [(link.trace_id, link.span_id) for link in spans[linked].links] == [sent]
    page = (example / "README.md").read_text("utf-8")
    shown = [line.strip(" └\n") for line in page.splitlines() if line.startswith("    ") and line.strip()]
    assert shown == ["take order", send, others[0], "process orders", "send invoice", *others[1:]]
