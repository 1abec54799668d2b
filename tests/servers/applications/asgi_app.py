"""An ASGI application with one span for each request, by the API alone. The span has ended when the answer is sent."""

from __future__ import annotations

import os

import witness  # noqa: F401
from opentelemetry import trace

print(f"loaded by {os.getpid()}", flush=True)


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    with trace.get_tracer("app").start_as_current_span(f"GET {scope['path']}"):
        body = str(os.getpid()).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})
