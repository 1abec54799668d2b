"""The service of web_service.py: one variant in a process of its own, on one core.

    python -m web.web_app VARIANT ENDPOINT CORE ITERATIONS

A request to /work counts through ITERATIONS turns of a loop, so that every variant does the same work whatever the clock
says, in 30 steps, each inside a span of five attributes (one server span around 29). /flush exports what is queued; /stats
answers what the process has used and counted. The port is printed first, as a line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from common.null_tracing import NullProvider

SPANS = 30
SERVICE = "web"
FLUSH_MILLIS = 30_000

Handler = Callable[[], None]
Receive = Callable[[], Awaitable[dict]]
Send = Callable[[dict], Awaitable[None]]


def work(iterations: int) -> int:
    """Nothing but a count of turns: no clock, no memory, no I/O."""
    total = 0
    for number in range(iterations):
        total += number & 7
    return total


def plain_handler(iterations: int) -> Handler:
    """The same work and not one call of tracing."""
    share = iterations // SPANS

    def handle() -> None:
        work(share)
        for _ in range(SPANS - 1):
            work(share)

    return handle


def traced_handler(tracer: Any, iterations: int) -> Handler:
    share = iterations // SPANS

    def handle() -> None:
        with tracer.start_as_current_span("GET /work") as span:
            span.set_attribute("http.request.method", "GET")
            span.set_attribute("http.route", "/work")
            span.set_attribute("http.response.status_code", 200)
            span.set_attribute("server.address", "127.0.0.1")
            span.set_attribute("url.scheme", "http")
            work(share)
            for _ in range(SPANS - 1):
                with tracer.start_as_current_span("SELECT users") as step:
                    step.set_attribute("db.system.name", "postgresql")
                    step.set_attribute("db.namespace", "shop")
                    step.set_attribute("db.operation.name", "SELECT")
                    step.set_attribute("db.response.returned_rows", 12)
                    step.set_attribute("app.cache.hit", False)
                    work(share)

    return handle


def _api_only(endpoint: str) -> Any:
    from opentelemetry import trace

    return trace.get_tracer_provider()


def _stock(endpoint: str, ratio: float = 1.0) -> Any:
    return _with_sdk("stock", endpoint, ratio)


def _native(endpoint: str, ratio: float = 1.0) -> Any:
    return _with_sdk("nanospan", endpoint, ratio)


def _with_sdk(name: str, endpoint: str, ratio: float) -> Any:
    from common.contenders import IMPLEMENTATIONS
    from opentelemetry.sdk.trace.sampling import DEFAULT_ON, ParentBased, TraceIdRatioBased

    implementation = IMPLEMENTATIONS[name]
    sampler = DEFAULT_ON if ratio == 1 else ParentBased(TraceIdRatioBased(ratio))
    return implementation.provider(implementation.processor(endpoint), sampler=sampler)


def _behind_stock(name: str, endpoint: str) -> Any:
    from common.contenders import CONTENDERS, provider_with

    return provider_with(CONTENDERS[name](endpoint))


VARIANTS: dict[str, Callable[[str], Any] | None] = {
    "null": lambda endpoint: NullProvider(),
    "plain": None,
    "api": _api_only,
    "stock": _stock,
    "stock_5": lambda endpoint: _stock(endpoint, 0.05),
    "fastotel": lambda endpoint: _behind_stock("fastotel", endpoint),
    "nanospan": _native,
    "nanospan_5": lambda endpoint: _native(endpoint, 0.05),
}
"""Each makes a provider; "plain" has no use for one. Queues and schedules are at their defaults."""


class Service:
    """The ASGI application."""

    def __init__(self, variant: str, endpoint: str, iterations: int) -> None:
        make = VARIANTS[variant]
        self._provider = NullProvider() if make is None else make(endpoint)
        tracer = self._provider.get_tracer("benchmark", "1.0")
        self._handle = plain_handler(iterations) if make is None else traced_handler(tracer, iterations)
        self._requests = 0

    async def __call__(self, scope: dict, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = b"done"
        if scope["path"] == "/work":
            self._requests += 1
            self._handle()
        elif scope["path"] == "/flush":
            # The API's own provider has nothing to flush.
            getattr(self._provider, "force_flush", lambda millis: True)(FLUSH_MILLIS)
        elif scope["path"] == "/stats":
            body = json.dumps({"cpu_ns": time.process_time_ns(), "requests": self._requests}).encode()
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def serve(variant: str, endpoint: str, iterations: int) -> None:
    # With the protocol named, or asyncio leaves Nagle's algorithm on and an answer waits 40 ms for its last segment.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        Service(variant, endpoint, iterations),
        loop="none",
        lifespan="off",
        ws="none",
        access_log=False,
        log_level="warning",
        timeout_keep_alive=3600,
    )
    print(json.dumps({"port": listening.getsockname()[1]}), flush=True)
    await uvicorn.Server(config).serve(sockets=[listening])


if __name__ == "__main__":
    variant, endpoint, core, iterations = sys.argv[1:]
    os.sched_setaffinity(0, {int(core)})
    asyncio.run(serve(variant, endpoint, int(iterations)))
