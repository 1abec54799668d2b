"""``behaviour.py CLIENT BROKER TOPIC SPANS``: a client that is wrapped behaves as before. Fails at the first difference."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from clients import CLIENTS, wrapped
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from recording import recording

from nanospan.messaging import stats


class Spans:
    def __init__(self, path: str) -> None:
        self.processor = recording(path)
        self._path = path
        self._read = 0

    def new(self) -> list[dict[str, Any]]:
        with open(self._path) as file:
            lines = file.readlines()
        found, self._read = lines[self._read :], len(lines)
        return [json.loads(line) for line in found]

    def one(self) -> dict[str, Any]:
        found = self.new()
        assert len(found) == 1, [span["name"] for span in found]
        return found[0]


def raises(error: type[BaseException], text: str, call: Callable[[], Any]) -> None:
    try:
        call()
    except error as raised:
        assert text in str(raised), raised
    else:
        raise AssertionError(f"{error.__name__} was not raised")


def refused(name: str, client: Any) -> None:
    producer, consumer = wrapped(name)
    raises(TypeError, "producer must be a", lambda: producer(object()))
    raises(TypeError, "consumer must be a", lambda: consumer(object()))
    raises(TypeError, "not wrapped yet", lambda: producer(client.producer))
    raises(TypeError, "'relation'", lambda: producer(client.bare, relation="link"))
    raises(ValueError, "creation must be 'send' or", lambda: producer(client.bare, creation="x"))
    raises(ValueError, "server_port", lambda: producer(client.bare, server_port=-1))


def batches(client: Any, name: str, topic: str, spans: Spans) -> None:
    """A batch with more links than a span keeps; an empty poll; the metrics."""
    for number in range(200):
        client.send(topic, b"x", str(number).encode())
    client.flush()
    made = spans.new()
    assert {(span["name"], span["kind"]) for span in made} == {(f"send {topic}", "PRODUCER")}
    assert made[3]["attributes"]["messaging.kafka.message.key"] == "3"
    assert made[3]["attributes"]["messaging.client.id"] == "shop"
    reader = InMemoryMetricReader()
    wrap = wrapped(name, meter_provider=MeterProvider([reader]))
    second = CLIENTS[name](client._broker, wrap)
    consumer = second.consumer("batches", [topic])
    while len(found := second.fetch(consumer, 500)) and not found[1]:
        assert spans.new() == []
    result, messages = found
    while len(messages) < 200:  # what came was not all of it: read it again, now that it is here
        second.seek(consumer, messages[0])
        result, messages = second.fetch(consumer, 500)
    spans.new()
    with consumer.process(result) as processing:
        assert trace.get_current_span() is processing.span
    with consumer.process(messages[3].native, relation="parent"):
        pass
    batch, single = spans.new()
    attributes = batch["attributes"]
    assert (batch["name"], batch["kind"], len(batch["links"])) == (f"process {topic}", "CONSUMER", 128)
    assert (attributes["messaging.batch.message_count"], attributes["nanospan.messaging.links_left_out"]) == (200, 72)
    assert attributes["messaging.consumer.group.name"] == f"batches of {topic}"
    assert attributes["messaging.destination.partition.id"] == "0"
    assert f"{attributes['server.address']}:{attributes['server.port']}" == client._broker
    assert batch["link_attributes"][0] == {"messaging.kafka.offset": 0}
    assert (single["parent"], single["attributes"]["messaging.kafka.offset"]) == (made[3]["id"], 3)
    second.commit(consumer)
    committed = spans.one()
    assert (committed["name"].split()[0], committed["kind"]) == ("commit", "CLIENT")
    second.close(consumer)
    second.close()
    data: Any = reader.get_metrics_data()
    metrics = {m.name: m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics}
    assert sum(point.value for point in metrics["messaging.client.consumed.messages"].data.data_points) >= 200


def confluent(client: Any, topic: str, spans: Spans) -> None:
    from confluent_kafka import Consumer, KafkaException, Producer, SerializingProducer
    from confluent_kafka.aio import AIOConsumer, AIOProducer

    from nanospan.messaging.kafka.confluent import wrap_async_consumer

    wrap_producer, wrap_consumer = wrapped("confluent")
    producer, broker = client.producer, client._broker
    assert isinstance(producer, Producer) and bool(producer) and len(producer) == 0
    assert set(dir(Producer)) <= set(dir(producer))
    delivered: list[Any] = []
    headers: Any = {"a": b"1"}
    pairs: Any = [("a", b"1")]
    producer.produce(topic, b"0", on_delivery=lambda error, message: delivered.append(message.value()), headers=headers)
    producer.produce(topic, b"1", b"k", 0, None, None, 0, pairs)
    assert producer.flush(50) == 0
    assert (headers, pairs, delivered) == ({"a": b"1"}, [("a", b"1")], [b"0"])
    raises(TypeError, "", lambda: producer.produce(topic, object()))
    raises(KafkaException, "MSG_SIZE_TOO_LARGE", lambda: producer.produce(topic, b"x" * 2_000_000))
    assert [span["status"] for span in spans.new()] == ["UNSET", "UNSET", "ERROR", "ERROR"]
    assert producer.produce_batch(topic, [{"value": b"2"}, {"value": b"3"}]) == 2
    assert producer.flush(50) == 0
    assert spans.one()["attributes"]["messaging.batch.message_count"] == 2
    serializing = wrap_producer(SerializingProducer({"bootstrap.servers": broker}))
    pairs = [("a", b"1"), ("none", None)]
    serializing.produce(topic, b"k", b"4", 0, None, 0, pairs)
    assert serializing.flush(50) == 0
    sent = spans.one()
    assert (len(pairs), sent["attributes"]["messaging.kafka.message.key"]) == (2, "k")
    assert "server.address" not in sent["attributes"]

    settings = {"bootstrap.servers": broker, "group.id": f"other {topic}", "auto.offset.reset": "earliest"}
    settings |= {"enable.partition.eof": True, "enable.auto.commit": False}
    assigned: list[Any] = []
    with wrap_consumer(Consumer(settings), config=settings, empty_polls=True) as consumer:
        assert isinstance(consumer, Consumer)
        consumer.subscribe([topic], on_assign=lambda c, partitions: assigned.extend(partitions))
        messages: list[Any] = []
        while not messages or messages[-1].error() is None:
            if (message := consumer.poll(1.0)) is not None:
                messages.append(message)
        assert [m.value() for m in messages[:-1]] == [b"0", b"1", b"2", b"3", b"4"]
        assert messages[4].headers()[:2] == pairs
        assert assigned
        polls = spans.new()
        assert [span["status"] for span in polls] == ["UNSET"] * len(polls)
        assert [span["links"] for span in polls if span["links"]][-1] == [sent["id"]]
        consumer.commit(messages[4], asynchronous=False)
        committed = spans.one()
        assert (committed["name"], committed["links"]) == (f"commit {topic}", [sent["id"]])
        raises(KafkaException, "_NO_OFFSET", lambda: consumer.commit(asynchronous=False))
        assert spans.one()["status"] == "ERROR"
        for odd in (None, [], messages[-1], [messages[-1], object()], object()):
            with consumer.process(odd):
                pass
        spans.new()

    async def asynchronous() -> None:
        raises(TypeError, "not an AIOProducer", lambda: wrap_producer(AIOProducer({"bootstrap.servers": broker})))
        own = settings | {"group.id": f"asynchronous {topic}", "enable.partition.eof": False}
        bare = AIOConsumer(own)
        raises(TypeError, "consumer must be a confluent_kafka.Consumer, not", lambda: wrap_consumer(bare))
        consumer = wrap_async_consumer(bare, config=own)
        await consumer.subscribe([topic])
        while (message := await consumer.poll(1.0)) is None:
            pass
        while not (rest := await consumer.consume(10, 1.0)):
            pass
        await consumer.commit(message=message, asynchronous=False)
        await consumer.close()
        first, second, committed = spans.new()
        assert (first["name"], second["name"], committed["name"]) == (f"poll {topic}", f"poll {topic}", f"commit {topic}")
        assert (len(first["links"]), second["attributes"]["messaging.batch.message_count"]) == (1, len(rest))

    asyncio.run(asynchronous())


def kafka_python(client: Any, topic: str, spans: Spans) -> None:
    from kafka import KafkaConsumer, KafkaProducer, TopicPartition

    wrap_consumer = wrapped("kafka-python")[1]
    assert isinstance(client.producer, KafkaProducer)
    pairs = [("a", b"1")]
    found = client.producer.send(topic, b"0", b"k", pairs, 0).get(50)
    assert (found.offset, pairs) == (0, [("a", b"1")])
    raises(TypeError, "", lambda: client.producer.send(topic, b"0", headers="text"))
    raises(Exception, "larger than", lambda: client.producer.send(topic, b"x" * 2_000_000))
    assert [span["status"] for span in spans.new()] == ["UNSET", "ERROR", "ERROR"]
    consumer = wrap_consumer(
        KafkaConsumer(bootstrap_servers=client._broker, consumer_timeout_ms=500, auto_offset_reset="earliest"),
        incoming="ignore",
    )
    assert isinstance(consumer, KafkaConsumer) and iter(consumer) is consumer
    consumer.assign([TopicPartition(topic, 0)])
    records: list[Any] = []
    while not records:
        records += list(consumer)
    assert records[0].headers[0] == ("a", b"1")
    assert spans.one()["links"] == []  # the end of the iteration has no span
    with suppress(LookupError), consumer.process(records[0]):
        raise LookupError
    assert (spans.one()["status"], records[0].value) == ("ERROR", b"0")
    consumer.close()


def aiokafka(client: Any, topic: str, spans: Spans) -> None:
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

    wrap_producer, wrap_consumer = wrapped("aiokafka")

    async def main() -> None:
        async with wrap_producer(AIOKafkaProducer(bootstrap_servers=client._broker)) as producer:
            assert isinstance(producer, AIOKafkaProducer)
            pairs = [("a", b"1")]
            metadata = await producer.send_and_wait(topic, b"0", b"k", 0, None, pairs)
            assert metadata.offset == 0
            await producer.send_and_wait(topic, b"1", headers=())  # as of a record without headers
            first, _ = spans.new()
            batch = producer.create_batch()
            for number in range(3):
                assert batch.append(key=None, value=b"%d" % number, timestamp=None, headers=pairs) is not None
            batch.close()
            assert batch.append(key=None, value=b"x", timestamp=None) is None
            made = [span["id"] for span in spans.new()][:3]
            await (await producer.send_batch(batch, topic, partition=0))
            sent = spans.one()
            assert (sent["links"], sent["kind"], sent["name"]) == (made, "CLIENT", f"send {topic}")
        consumer = AIOKafkaConsumer(topic, bootstrap_servers=client._broker, auto_offset_reset="earliest")
        async with wrap_consumer(consumer) as consumer:
            assert isinstance(consumer, AIOKafkaConsumer)
            came: list[Any] = []
            async for record in consumer:
                with consumer.process(record):
                    came.append(record)
                if len(came) == 5:
                    break
            names = [[name for name, _ in record.headers] for record in came]
            assert names == [["a", "traceparent"], ["traceparent"], *[["a", "traceparent"]] * 3]
            assert pairs == [("a", b"1")]
            found = spans.new()
            assert [span["name"].split()[0] for span in found] == ["poll", "process"] * 5
            links = [span["links"] for span in found[1::2]]
            assert (links[0], links[2:]) == ([first["id"]], [[one] for one in made])
            with suppress(TimeoutError):
                await asyncio.wait_for(consumer.getone(), 0.05)
                raise AssertionError("there is no sixth message")
            assert await consumer.getmany() == {}
            assert spans.new() == []
        assert [record async for record in _until_stopped(consumer)] == []

    client.run(main())


async def _until_stopped(consumer: Any) -> Any:
    try:
        async for record in consumer:
            yield record
    except Exception as error:
        assert type(error).__name__ == "ConsumerStoppedError", error


def main() -> None:
    name, broker, topic, path = sys.argv[1:]
    spans = Spans(path)
    client = CLIENTS[name](broker, wrapped(name))
    refused(name, client)
    batches(client, name, f"{topic}.batches", spans)
    {"confluent": confluent, "kafka-python": kafka_python, "aiokafka": aiokafka}[name](client, topic, spans)
    client.close()
    counted = dict(stats())
    refused_headers = 1 if name == "kafka-python" else 0  # a text, which the client refuses too
    assert (counted["failures"], counted["foreign_detach"], spans.processor.open) == (refused_headers, 0, 0), counted
    assert trace.get_current_span() is trace.INVALID_SPAN


if __name__ == "__main__":
    main()
