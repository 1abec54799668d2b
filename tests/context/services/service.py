"""A service that continues the trace of a request in the requests that it is asked to make, as W3C's test suite wants it.

``service.py asgi|wsgi nanospan|stock`` prints its port. A request's body is a list of ``{"url": ..., "arguments": ...}`` in
JSON: each url gets a POST of its arguments, in a client span of its own. The answer lists the headers that the client spans
inject, also where the url is null and nothing is sent.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import urllib.request
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from opentelemetry import propagate, trace
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware as AsgiMiddleware
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware as WsgiMiddleware

KIND, IMPLEMENTATION = sys.argv[1:]

if IMPLEMENTATION == "nanospan":
    from nanospan import TracerProvider
    from nanospan.propagation import TraceContextTextMapPropagator
else:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

trace.set_tracer_provider(TracerProvider())
propagate.set_global_textmap(TraceContextTextMapPropagator())
tracer = trace.get_tracer("service")


def serve(body: bytes) -> bytes:
    sent = []
    for action in json.loads(body or b"[]"):
        with tracer.start_as_current_span("call", kind=trace.SpanKind.CLIENT):
            headers: dict[str, str] = {}
            propagate.inject(headers)
            sent.append(headers)
            if action["url"] is not None:
                arguments = json.dumps(action.get("arguments") or []).encode()
                request = urllib.request.Request(
                    action["url"], arguments, headers | {"Content-Type": "application/json"}, method="POST"
                )
                urllib.request.urlopen(request, timeout=10).close()
    return json.dumps(sent).encode()


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    answer = serve(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))])
    return [answer]


async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    answer = await asyncio.to_thread(serve, body)
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


if KIND == "wsgi":
    server = make_server("127.0.0.1", 0, WsgiMiddleware(wsgi), handler_class=Quiet)
    print(server.server_port, flush=True)
    server.serve_forever()
else:
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(AsgiMiddleware(asgi), log_level="critical", lifespan="off")
    uvicorn.Server(config).run(sockets=[listener])
