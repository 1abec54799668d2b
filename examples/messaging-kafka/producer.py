"""Takes an order, and hands it over to a topic of Kafka."""

from __future__ import annotations

import os

from confluent_kafka import Producer
from opentelemetry import trace

from nanospan.messaging.kafka.confluent import wrap_producer

SETTINGS = {"bootstrap.servers": os.environ.get("KAFKA_BROKER", "localhost:9092"), "client.id": "shop"}

producer = wrap_producer(Producer(SETTINGS), config=SETTINGS)
with trace.get_tracer("shop").start_as_current_span("take order"):
    producer.produce("orders", b"2 chairs", key=b"7")
producer.flush()
print("sent order 7")
