"""The metrics of the conventions: instruments, units, boundaries, values, attributes; and none without a meter provider."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from support.message_spans import Recorder

from nanospan.messaging import Destination, Messaging

CLIENT = {"messaging.system": "kafka", "server.address": "broker", "server.port": 9092}
GROUP = {"messaging.consumer.group.name": "g1"}
ORDERS = {"messaging.destination.name": "orders"}
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)


class Meters:
    def __init__(self) -> None:
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader], shutdown_on_exit=False)

    def read(self) -> dict[str, tuple[str, list[tuple[dict[str, Any], float]]]]:
        """By instrument: its unit, and the attributes of each series with its sum or its number of measurements."""
        data = self.reader.get_metrics_data()
        found = {}
        for metric in data.resource_metrics[0].scope_metrics[0].metrics if data else ():
            points = [(dict(p.attributes), getattr(p, "count", getattr(p, "value", None))) for p in metric.data.data_points]
            found[metric.name] = (metric.unit, points)
            for point in metric.data.data_points:
                assert tuple(getattr(point, "explicit_bounds", BUCKETS)) == BUCKETS
        return found


@pytest.fixture
def meters() -> Meters:
    return Meters()


@pytest.fixture
def kafka(spans: Recorder, meters: Meters) -> Messaging:
    return Messaging(
        "kafka",
        tracer_provider=spans.provider,
        meter_provider=meters.provider,
        server_address="broker",
        server_port=9092,
        client_id="c1",
        consumer_group="g1",
    )


def test_each_operation(kafka: Messaging, meters: Meters) -> None:
    kafka.create("orders")
    with kafka.send("orders") as sending:
        sending.sent(partition=3)
    with kafka.send_batch("orders", [[], []]):
        pass
    with kafka.receive("orders", operation="poll") as receiving:
        receiving.received(headers_of=[[], [], []])
    with kafka.receive("orders", operation="poll"):
        pass
    with kafka.process("orders", []):
        pass
    with kafka.settle("orders", operation="commit"):
        pass

    def operation(name: str, type: str | None = None) -> dict[str, Any]:
        return {"messaging.operation.name": name} | ({"messaging.operation.type": type} if type else {})

    partition = {"messaging.destination.partition.id": "3"}
    assert meters.read() == {
        "messaging.client.operation.duration": (
            "s",
            [
                (CLIENT | ORDERS | operation("send", "send") | partition, 1),
                (CLIENT | ORDERS | operation("send", "send"), 1),
                (CLIENT | ORDERS | GROUP | operation("poll", "receive"), 2),
                (CLIENT | ORDERS | GROUP | operation("commit", "settle"), 1),
            ],
        ),
        "messaging.process.duration": ("s", [(CLIENT | ORDERS | GROUP | operation("process"), 1)]),
        "messaging.client.sent.messages": (
            "{message}",
            [(CLIENT | ORDERS | operation("send") | partition, 1), (CLIENT | ORDERS | operation("send"), 2)],
        ),
        "messaging.client.consumed.messages": ("{message}", [(CLIENT | ORDERS | GROUP | operation("poll"), 3)]),
    }


def test_a_failure_has_its_type_and_counts_as_sent(kafka: Messaging, meters: Meters) -> None:
    with pytest.raises(LookupError), kafka.send("orders"):
        raise LookupError
    found = meters.read()
    for name in ("messaging.client.operation.duration", "messaging.client.sent.messages"):
        ((attributes, number),) = found[name][1]
        assert (attributes["error.type"], number) == ("LookupError", 1)


def test_pushed_messages_are_counted_where_they_are_processed(kafka: Messaging, meters: Meters) -> None:
    with kafka.process("orders", [], push=True):
        pass
    with kafka.process("orders", headers_of=[[], []], push=True):
        pass
    ((_, number),) = meters.read()["messaging.client.consumed.messages"][1]
    assert number == 3


@pytest.mark.parametrize(
    ("destination", "expected"),
    [
        (Destination("/customers/7", template="/customers/{id}"), {"messaging.destination.template": "/customers/{id}"}),
        (Destination("amq.gen-1", temporary=True), {}),
        (Destination("amq.gen-1", anonymous=True), {}),
    ],
)
def test_a_destination_of_many_names(kafka: Messaging, meters: Meters, destination: Any, expected: dict[str, str]) -> None:
    with kafka.send(destination):
        pass
    ((attributes, _),) = meters.read()["messaging.client.sent.messages"][1]
    assert {key: value for key, value in attributes.items() if ".destination." in key} == expected


def test_none_without_a_meter_provider(spans: Recorder) -> None:
    from opentelemetry import metrics

    asked: list[str] = []

    class Global(metrics.NoOpMeterProvider):
        def get_meter(self, name: str, *arguments: Any, **named: Any) -> Any:
            asked.append(name)
            return super().get_meter(name, *arguments, **named)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(metrics, "get_meter_provider", Global)
        with Messaging("kafka", tracer_provider=spans.provider).send("orders"):
            pass
    assert asked == []
