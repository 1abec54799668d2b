"""An ASGI application with one span for each request, by the API alone."""

from __future__ import annotations

from opentelemetry import trace


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    with trace.get_tracer("app").start_as_current_span(f"GET {scope['path']}"):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"fine"})
