"""Waits for an order, sends its invoice, and ends."""

from __future__ import annotations

import os

from confluent_kafka import Consumer
from opentelemetry import trace

from nanospan.messaging.kafka.confluent import wrap_consumer

SETTINGS = {
    "bootstrap.servers": os.environ.get("KAFKA_BROKER", "localhost:9092"),
    "client.id": "billing",
    "group.id": "billing",
    "auto.offset.reset": "earliest",
    "enable.auto.commit": False,
}

consumer = wrap_consumer(Consumer(SETTINGS), config=SETTINGS)
consumer.subscribe(["orders"])
while (message := consumer.poll(1.0)) is None or message.error():
    pass
with consumer.process(message), trace.get_tracer("billing").start_as_current_span("send invoice"):
    print(f"invoice for order {message.key().decode()}: {message.value().decode()}")
consumer.commit(message, asynchronous=False)
consumer.close()
