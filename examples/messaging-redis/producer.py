"""Takes an order, and adds it to a stream of Redis."""

from __future__ import annotations

import os

from opentelemetry import trace
from redis import Redis

from nanospan.messaging.redis import wrap_client

client = wrap_client(Redis.from_url(os.environ.get("REDIS_URL", "redis://localhost:6379")))
with trace.get_tracer("shop").start_as_current_span("take order"):
    client.xadd("orders", {"order": 7, "what": "2 chairs"})
print("sent order 7")
