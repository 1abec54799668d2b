"""Takes an order, and hands it over to a queue of RabbitMQ."""

from __future__ import annotations

import os

from opentelemetry import trace
from pika import BlockingConnection, URLParameters

from nanospan.messaging.amqp.pika import wrap_channel

connection = BlockingConnection(URLParameters(os.environ.get("RABBITMQ_URL", "amqp://guest:guest@localhost:5672/")))
channel = wrap_channel(connection.channel())
channel.queue_declare("orders")
with trace.get_tracer("shop").start_as_current_span("take order"):
    channel.basic_publish("", "orders", b"2 chairs")
connection.close()
print("sent an order")
