"""Names, kinds and attributes of every system, by the requirement levels of semantic conventions 1.44.0; and the old set."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest
from opentelemetry.semconv._incubating.attributes import aws_attributes, messaging_attributes
from opentelemetry.semconv.attributes import error_attributes, server_attributes
from opentelemetry.trace import SpanKind, StatusCode
from support.message_spans import Recorder

from nanospan.messaging import Destination, Messaging

PRODUCER, CONSUMER, CLIENT = SpanKind.PRODUCER, SpanKind.CONSUMER, SpanKind.CLIENT

# By system: attributes of its own on the spans, and the names of its operations by type.
SYSTEMS: dict[str, tuple[dict[str, Any], dict[str, list[str]]]] = {
    "kafka": (
        {"messaging.kafka.message.key": "k", "messaging.kafka.offset": 5, "messaging.kafka.message.tombstone": True},
        {"create": ["create"], "send": ["send"], "receive": ["poll"], "process": ["process"], "settle": ["commit"]},
    ),
    "rabbitmq": (
        {"messaging.rabbitmq.destination.routing_key": "r", "messaging.rabbitmq.message.delivery_tag": 7},
        {
            "create": ["create"],
            "send": ["send", "publish"],
            "receive": ["receive", "poll"],
            "process": ["process", "consume"],
            "settle": ["ack", "nack", "settle"],
        },
    ),
    "aws_sqs": (
        {"aws.sqs.queue.url": "https://sqs/1/q", "aws.request_id": "r"},
        {"create": ["create"], "send": ["send"], "receive": ["receive"], "process": ["process"]},
    ),
    "aws.sns": (
        {"aws.sns.topic.arn": "arn:aws:sns:us-east-1:1:t"},
        {"create": ["create"], "send": ["send", "publish"]},
    ),
    "gcp_pubsub": (
        {"messaging.gcp_pubsub.message.ordering_key": "o", "messaging.gcp_pubsub.message.delivery_attempt": 2},
        {
            "create": ["create"],
            "send": ["send"],
            "receive": ["receive"],
            "process": ["subscribe"],
            "settle": ["ack", "nack", "modack"],
        },
    ),
    "servicebus": (
        {"messaging.servicebus.message.delivery_count": 2, "messaging.servicebus.message.enqueued_time": 1701393730},
        {
            "create": ["create"],
            "send": ["send", "schedule"],
            "receive": ["receive", "peek", "receive_deferred"],
            "process": ["process"],
            "settle": ["complete", "abandon", "dead_letter"],
        },
    ),
    "eventhubs": (
        {"messaging.eventhubs.message.enqueued_time": 1701393730},
        {"create": ["create"], "send": ["send"], "receive": ["receive"], "process": ["process"], "settle": ["checkpoint"]},
    ),
} | {
    other: ({}, {"create": ["create"], "send": ["send"], "receive": ["receive"], "process": ["process"], "settle": ["ack"]})
    for other in ("activemq", "eventgrid", "jms", "pulsar", "rocketmq", "nats", "redis")
}
KINDS = {"create": PRODUCER, "send": PRODUCER, "receive": CLIENT, "process": CONSUMER, "settle": CLIENT}
OPERATIONS = [
    pytest.param(system, type, name, id=f"{system} {name}")
    for system, (_, operations) in SYSTEMS.items()
    for type, names in operations.items()
    for name in names
]

REQUIRED = {"messaging.system", "messaging.operation.name"}
CONDITIONALLY = {"messaging.operation.type", "messaging.destination.name"}
RECOMMENDED = {"messaging.message.id", "messaging.message.conversation_id", "messaging.destination.partition.id"}
RECOMMENDED |= {"server.address", "server.port"}


def known_attributes() -> tuple[set[str], set[str]]:
    """The names of the registry, and those of them that are deprecated."""
    names, deprecated = set(), set()
    for module in (messaging_attributes, aws_attributes):
        for name, text in re.findall(r'^[A-Z_]+: Final = "([^"]+)"\n"""\n(.*?)"""', inspect.getsource(module), re.M | re.S):
            names.add(name)
            if text.startswith("Deprecated"):
                deprecated.add(name)
    return names | {"error.type", "server.address", "server.port"}, deprecated


KNOWN, DEPRECATED = known_attributes()


def test_the_registry_is_read() -> None:
    assert {"messaging.operation", "messaging.kafka.message.offset", "messaging.kafka.consumer.group"} < DEPRECATED
    assert REQUIRED | CONDITIONALLY | RECOMMENDED < KNOWN
    assert (error_attributes.ERROR_TYPE, server_attributes.SERVER_ADDRESS) == ("error.type", "server.address")


def run(messaging: Messaging, type: str, name: str, destination: Any = "orders", **facts: Any) -> None:
    """One operation of ``type`` on one message."""
    if type == "create":
        messaging.create(destination, operation=name, **facts)
        return
    with getattr(messaging, type)(destination, operation=name, **facts) as operation:
        if type == "receive":
            operation.received(messaging.carrier.empty())


def client(system: str, spans: Recorder, **arguments: Any) -> Messaging:
    given = {"server_address": "broker", "server_port": 9092, "client_id": "c1", "consumer_group": "g1"} | arguments
    return Messaging(system, tracer_provider=spans.provider, **given)


@pytest.mark.parametrize(("system", "type", "name"), OPERATIONS)
def test_a_single_message(spans: Recorder, system: str, type: str, name: str) -> None:
    own = SYSTEMS[system][0]
    facts = {"message_id": "m1", "partition": 3, "conversation_id": "c", "body_size": 5, "envelope_size": 9}
    run(client(system, spans), type, name, **facts, attributes=own)
    span = spans.one()
    assert (span.name, span.kind, span.status.status_code) == (f"{name} orders", KINDS[type], StatusCode.UNSET)
    expected = {
        "messaging.system": system,
        "messaging.operation.name": name,
        "messaging.operation.type": type,
        "messaging.destination.name": "orders",
        "messaging.destination.partition.id": "3",
        "messaging.message.id": "m1",
        "messaging.message.conversation_id": "c",
        "messaging.message.body.size": 5,
        "messaging.message.envelope.size": 9,
        "server.address": "broker",
        "server.port": 9092,
        **own,
    }
    if type != "create":
        expected["messaging.client.id"] = "c1"
    if type in ("receive", "process", "settle"):
        expected["messaging.consumer.group.name"] = "g1"
    assert dict(span.attributes) == expected  # no message count, no error type
    assert set(expected) >= REQUIRED | CONDITIONALLY | RECOMMENDED
    assert (set(expected) - KNOWN, set(expected) & DEPRECATED) == (set(), set())
    scope = span.instrumentation_scope
    assert (scope.name, scope.schema_url) == ("nanospan.messaging", "https://opentelemetry.io/schemas/1.44.0")


@pytest.mark.parametrize("type", KINDS)
def test_what_is_not_known_is_left_out(spans: Recorder, type: str) -> None:
    run(Messaging("nats", tracer_provider=spans.provider), type, type, None)
    assert dict(spans.one().attributes) == {
        "messaging.system": "nats",
        "messaging.operation.name": type,
        "messaging.operation.type": type,
    }
    assert spans.one().name == type


@pytest.mark.parametrize(
    ("destination", "name", "attributes"),
    [
        ("orders", "send orders", {"messaging.destination.name": "orders"}),
        (
            Destination("/customers/7", template="/customers/{id}"),
            "send /customers/{id}",
            {"messaging.destination.name": "/customers/7", "messaging.destination.template": "/customers/{id}"},
        ),
        (
            Destination("amq.gen-1", temporary=True),
            "send broker:9092",
            {"messaging.destination.name": "amq.gen-1", "messaging.destination.temporary": True},
        ),
        (
            Destination("amq.gen-1", anonymous=True),
            "send broker:9092",
            {"messaging.destination.name": "amq.gen-1", "messaging.destination.anonymous": True},
        ),
        (None, "send broker:9092", {}),
        (["not", "a name"], "send broker:9092", {}),
    ],
)
def test_the_name_of_a_span(spans: Recorder, destination: Any, name: str, attributes: dict[str, Any]) -> None:
    run(client("rabbitmq", spans), "send", "send", destination)
    span = spans.one()
    assert span.name == name
    found = {key: value for key, value in span.attributes.items() if key.startswith("messaging.destination")}
    assert found == attributes


def test_the_subscription_is_on_the_spans_of_consumers(spans: Recorder) -> None:
    topic = Destination("orders", subscription="billing")
    for type in ("send", "process"):
        run(client("gcp_pubsub", spans), type, type, topic)
    sent, processed = spans.all()
    assert "messaging.destination.subscription.name" not in sent.attributes
    assert processed.attributes["messaging.destination.subscription.name"] == "billing"


@pytest.mark.parametrize("size", [0, 1, 3])
@pytest.mark.parametrize("type", ["send", "receive", "process", "settle"])
def test_a_batch_has_its_size(spans: Recorder, type: str, size: int) -> None:
    kafka = client("kafka", spans)
    headers_of = [[]] * size
    if type == "send":
        with kafka.send_batch("orders", headers_of, creation="send"):
            pass
    else:
        with getattr(kafka, type)("orders", headers_of=headers_of):
            pass
    assert spans.one().attributes["messaging.batch.message_count"] == size


def test_samplers_see_the_attributes(provider_class: Any, clean_environment: None) -> None:
    from nanospan.sampling import ALWAYS_ON, Sampler

    seen: dict[str, Any] = {}

    class Looks(Sampler):
        def should_sample(self, *arguments: Any, attributes: Any = None, **named: Any) -> Any:
            seen.update(attributes or arguments[4])
            return ALWAYS_ON.should_sample(None, 1, "")

        def get_description(self) -> str:
            return "Looks"

    spans = Recorder(provider_class, sampler=Looks())
    run(client("kafka", spans), "process", "process", Destination("orders", template="t"), partition=1)
    assert seen.keys() >= {
        "messaging.system",
        "messaging.operation.name",
        "messaging.operation.type",
        "messaging.destination.name",
        "messaging.destination.template",
        "messaging.destination.partition.id",
        "server.address",
        "server.port",
    }


OLD_KAFKA = {
    "messaging.destination": "orders",
    "messaging.destination_kind": "topic",
    "messaging.operation": "process",
    "messaging.message_id": "m1",
    "messaging.conversation_id": "c",
    "messaging.message_payload_size_bytes": 5,
    "messaging.kafka.partition": 3,
    "messaging.kafka.client_id": "c1",
    "messaging.kafka.consumer_group": "g1",
    "messaging.kafka.message_key": "k",
    "messaging.kafka.tombstone": True,
    "net.peer.name": "broker",
    "net.peer.port": 9092,
}


@pytest.mark.parametrize(
    ("variable", "both"),
    [
        (None, False),
        ("", False),
        ("messaging", False),
        ("http/dup", False),
        ("messaging/dup", True),
        ("http, messaging/dup ,messaging", True),
    ],
)
def test_the_old_names_by_variable(
    spans: Recorder, monkeypatch: pytest.MonkeyPatch, variable: str | None, both: bool
) -> None:
    facts = {"message_id": "m1", "partition": 3, "conversation_id": "c", "body_size": 5}
    own = {"messaging.kafka.message.key": "k", "messaging.kafka.message.tombstone": True}
    run(client("kafka", spans), "process", "process", **facts, attributes=own)
    if variable is not None:
        monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", variable)
    run(client("kafka", spans), "process", "process", **facts, attributes=own)
    new, asked = spans.all()
    assert (asked.name, asked.kind) == (new.name, new.kind), "what has one value is new"
    assert dict(asked.attributes) == dict(new.attributes) | (OLD_KAFKA if both else {})


def test_old_names_of_what_is_added_later(spans: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "messaging/dup")
    with client("rabbitmq", spans).send("q", attributes={"messaging.rabbitmq.destination.routing_key": "r"}) as sending:
        sending.sent(message_id=b"m1")
    attributes = spans.one().attributes
    assert attributes["messaging.message.id"] == attributes["messaging.message_id"] == "m1"
    assert attributes["messaging.rabbitmq.routing_key"] == "r"
    assert attributes["messaging.destination_kind"] == "queue"
    assert "messaging.operation" not in attributes
