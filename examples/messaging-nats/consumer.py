"""Waits for an order, sends its invoice, and ends."""

from __future__ import annotations

import asyncio
import os

import nats
from opentelemetry import trace

from nanospan.messaging.nats import wrap_client


async def main() -> None:
    async with wrap_client(await nats.connect(os.environ.get("NATS_URL", "nats://localhost:4222"))) as client:
        orders = await client.jetstream().pull_subscribe("orders", durable="billing")
        [message] = await orders.fetch(1, timeout=60)
        with client.process(message), trace.get_tracer("billing").start_as_current_span("send invoice"):
            print(f"invoice for order {message.headers['order']}: {message.data.decode()}")
        await message.ack_sync()


asyncio.run(main())
