"""Waits for an order, sends its invoice, and ends."""

from __future__ import annotations

import os
from typing import Any

from opentelemetry import trace
from pika import BlockingConnection, URLParameters

from nanospan.messaging.amqp.pika import wrap_channel


def handle(channel: Any, method: Any, properties: Any, body: bytes) -> None:
    with trace.get_tracer("billing").start_as_current_span("send invoice"):
        print(f"invoice for {body.decode()}")
    channel.basic_ack(method.delivery_tag)
    channel.stop_consuming()


connection = BlockingConnection(URLParameters(os.environ.get("RABBITMQ_URL", "amqp://guest:guest@localhost:5672/")))
channel = wrap_channel(connection.channel(), settle=True)
channel.queue_declare("orders")
channel.basic_consume("orders", handle)
channel.start_consuming()
connection.close()
