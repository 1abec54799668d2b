"""``reports.py TRACING BROKER TOPIC SPANS``: what public reports describe, with contrib's instrumentations or nanospan.

The last line is a JSON object: for each report what it is about.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from typing import Any

import confluent_kafka
from clients import CLIENTS, no_change, wrapped
from opentelemetry import trace
from recording import Recording, recording
from tracings import instrument

EarlyProducer = confluent_kafka.Producer
"""Imported by its name before contrib's instrumentation replaces it."""


class Reports:
    def __init__(self, kind: str, broker: str, topic: str, spans: str) -> None:
        self.contrib = kind == "contrib"
        self.broker, self.topic, self._spans = broker, topic, spans
        self.processor: Recording = recording(spans)
        if self.contrib:
            for name in CLIENTS:
                instrument(name)

    def wrap(self, name: str) -> Any:
        return (no_change, no_change) if self.contrib else wrapped(name)

    def spans(self) -> list[dict[str, Any]]:
        with open(self._spans) as file:
            return [json.loads(line) for line in file]

    def new_spans(self, before: int) -> list[dict[str, Any]]:
        return self.spans()[before:]

    def sent(self, name: str, topic: str, count: int = 1, **more: Any) -> list[str]:
        """Send messages; the ids of their spans."""
        before = len(self.spans())
        client = CLIENTS[name](self.broker, self.wrap(name))
        for number in range(count):
            client.send(topic, str(number).encode(), **more)
        client.flush()
        client.close()
        return [span["id"] for span in self.new_spans(before) if span["kind"] == "PRODUCER"]

    def first(self, client: Any, consumer: Any, size: int = 1, at_least: int = 1) -> Any:
        while True:
            result, messages = client.fetch(consumer, size)
            if len(messages) >= at_least:
                return result

    def span_left_open_until_the_next_poll(self) -> dict[str, Any]:
        """contrib #1674: the process span is open, and current, until the next poll."""
        topic = f"{self.topic}.open"
        self.sent("confluent", topic)
        client = CLIENTS["confluent"](self.broker, self.wrap("confluent"))
        consumer = client.consumer("open", [topic])
        message = self.first(client, consumer)
        inside = None
        if not self.contrib:
            with consumer.process(message) as processing:
                inside = trace.get_current_span() is processing.span
        found = {
            "open": self.processor.open,
            "current": trace.get_current_span() is not trace.INVALID_SPAN,
            "inside": inside,
        }
        client.close(consumer)
        return found

    def consume_uses_the_first_records_topic(self) -> dict[str, Any]:
        """contrib #1674: all of a batch of two topics is said to be of the first one."""
        topics = [f"{self.topic}.left", f"{self.topic}.right"]
        for topic in topics:
            self.sent("confluent", topic)
        client = CLIENTS["confluent"](self.broker, self.wrap("confluent"))
        consumer = client.consumer("topics", topics)
        before = len(self.spans())
        messages = consumer.consume(2, 50)
        assert sorted(message.topic() for message in messages) == topics
        if not self.contrib:
            consumer.process(messages).__enter__().__exit__(None, None, None)
        client.close(consumer)
        (span,) = [span for span in self.new_spans(before) if "process" in span["name"]]
        attributes = span["attributes"]
        named = attributes.get("messaging.destination", attributes.get("messaging.destination.name"))
        return {
            "named": named in topics,
            "links": len(span["links"]),
            "of links": sorted(a.get("messaging.destination.name", "") for a in span["link_attributes"]) == topics,
        }

    def imported_before_instrumenting(self) -> dict[str, Any]:
        """contrib #4270: a Producer that was imported before is not traced."""
        before = len(self.spans())
        producer: Any = EarlyProducer({"bootstrap.servers": self.broker})
        producer = self.wrap("confluent")[0](producer)
        producer.produce(f"{self.topic}.early", b"x")
        assert producer.flush(50) == 0
        return {"spans": len(self.new_spans(before))}

    def poll_batches_untraced(self) -> dict[str, Any]:
        """kafka-python: contrib traces iteration alone."""
        topic = f"{self.topic}.batches"
        ids = self.sent("kafka-python", topic, 3)
        client = CLIENTS["kafka-python"](self.broker, self.wrap("kafka-python"))
        consumer = client.consumer("batches", [topic])
        before = len(self.spans())
        self.first(client, consumer, size=10)
        spans = self.new_spans(before)
        client.close(consumer)
        client.close()
        return {"spans": len(spans), "links": bool(spans) and set(spans[0]["links"]) <= set(ids)}

    def parent_instead_of_link(self, name: str) -> dict[str, Any]:
        """kafka-python, aiokafka: the consumer's span is a child of the producer's."""
        topic = f"{self.topic}.parent.{name}"
        (sent,) = self.sent(name, topic)
        client = CLIENTS[name](self.broker, self.wrap(name))
        consumer = client.consumer("parent", [topic])
        before = len(self.spans())
        self.first(client, consumer)
        spans = self.new_spans(before)
        client.close(consumer)
        client.close()
        assert len({span["kind"] for span in spans}) == 1
        return {"parent": spans[-1]["parent"] == sent, "link": spans[-1]["links"] == [sent], "kind": spans[-1]["kind"]}

    def ends_before_the_send_is_awaited(self) -> dict[str, Any]:
        """aiokafka: the span knows nothing of a send that fails."""
        before = len(self.spans())

        async def send() -> None:
            from aiokafka import AIOKafkaProducer
            from aiokafka.errors import MessageSizeTooLargeError

            async with self.wrap("aiokafka")[0](AIOKafkaProducer(bootstrap_servers=self.broker)) as producer:
                with suppress(MessageSizeTooLargeError):
                    await producer.send(f"{self.topic}.large", b"x" * 2_000_000)
                    raise AssertionError("the message was accepted")

        asyncio.run(send())
        (span,) = self.new_spans(before)
        attributes = span["attributes"]
        return {
            "status": span["status"],
            "server": attributes["server.address"],
            "port": attributes.get("server.port"),
        }

    def a_forwarded_message_has_two_traceparents(self, name: str) -> dict[str, Any]:
        """All three: the setter appends, and the getter takes the first, which is the oldest producer's."""
        topic = f"{self.topic}.hop.{name}"
        (first,) = self.sent(name, topic)
        client = CLIENTS[name](self.broker, self.wrap(name))
        consumer = client.consumer("hop", [topic])
        while not (messages := client.fetch(consumer, 1)[1]):
            pass
        client.close(consumer)
        with trace.use_span(trace.INVALID_SPAN):
            (second,) = self.sent(name, f"{topic}.next", headers=list(messages[0].headers))
        consumer = client.consumer("hop next", [f"{topic}.next"])
        before = len(self.spans())
        while not (messages := client.fetch(consumer, 1)[1]):
            pass
        client.close(consumer)
        client.close()
        leads_to = {p for span in self.new_spans(before) for p in (span["parent"], *span["links"])}
        return {
            "traceparents": [header for header, _ in messages[0].headers].count("traceparent"),
            "first": first in leads_to,
            "second": second in leads_to,
        }


def main() -> None:
    reports = Reports(*sys.argv[1:])
    found: dict[str, Any] = {
        "span left open until the next poll": reports.span_left_open_until_the_next_poll(),
        "consume uses the first record's topic": reports.consume_uses_the_first_records_topic(),
        "imported before instrumenting": reports.imported_before_instrumenting(),
        "poll batches untraced": reports.poll_batches_untraced(),
        "ends before the send is awaited": reports.ends_before_the_send_is_awaited(),
    }
    for name in ("aiokafka", "kafka-python"):
        found[f"parent instead of link, {name}"] = reports.parent_instead_of_link(name)
    for name in CLIENTS:
        found[f"two traceparents, {name}"] = reports.a_forwarded_message_has_two_traceparents(name)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
