"""An ASGI application for uvicorn, which after a graceful end gives itself the signal again that ended it.

``ENDING`` says who sees to the last spans then: ``lifespan``, ``handler`` (of SIGTERM, set before uvicorn's) or ``nobody``.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

from app import App

ENDING = os.environ["ENDING"]

app = App(max_queue_size=1 << 16)  # room for every request of a test
if ENDING == "handler":
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    with app.tracer.start_as_current_span(f"request{scope['path']}"):
        await asyncio.gather(*(query(f"query{scope['path']}-{number}") for number in range(2)))
        body = str(os.getpid()).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def query(name: str) -> None:
    with app.tracer.start_as_current_span(name):
        await asyncio.sleep(0)


async def lifespan(receive: Any, send: Any) -> None:
    while (await receive())["type"] == "lifespan.startup":
        await send({"type": "lifespan.startup.complete"})
    if ENDING == "lifespan":
        # In a thread, so that requests which are still under way go on meanwhile.
        await asyncio.to_thread(app.provider.shutdown)
    await send({"type": "lifespan.shutdown.complete"})
