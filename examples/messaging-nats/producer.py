"""Takes an order, and hands it over to a stream of NATS."""

from __future__ import annotations

import asyncio
import os

import nats
from opentelemetry import trace

from nanospan.messaging.nats import wrap_client


async def main() -> None:
    async with wrap_client(await nats.connect(os.environ.get("NATS_URL", "nats://localhost:4222"))) as client:
        stream = client.jetstream()
        await stream.add_stream(name="orders", subjects=["orders"])
        with trace.get_tracer("shop").start_as_current_span("take order"):
            await stream.publish("orders", b"2 chairs", headers={"order": "7"})
    print("sent order 7")


asyncio.run(main())
