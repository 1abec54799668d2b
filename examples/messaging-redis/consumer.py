"""Waits for an order, sends its invoice, and ends."""

from __future__ import annotations

import os

from opentelemetry import trace
from redis import Redis, ResponseError

from nanospan.messaging.redis import wrap_client

client = wrap_client(Redis.from_url(os.environ.get("REDIS_URL", "redis://localhost:6379"), decode_responses=True))
try:
    client.xgroup_create("orders", "billing", "0", mkstream=True)
except ResponseError as error:
    if "BUSYGROUP" not in str(error):  # it is there already
        raise
[(stream, [entry])] = client.xreadgroup("billing", "worker-1", {"orders": ">"}, count=1, block=60_000)
with client.process(stream, entry), trace.get_tracer("billing").start_as_current_span("send invoice"):
    print(f"invoice for order {entry[1]['order']}: {entry[1]['what']}")
client.xack(stream, "billing", entry[0])
