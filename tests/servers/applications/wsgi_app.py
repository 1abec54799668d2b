"""A WSGI application with one span for each request, by the API alone. The span has ended when the answer is sent."""

from __future__ import annotations

import os

import witness  # noqa: F401
from opentelemetry import trace

print(f"loaded by {os.getpid()}", flush=True)


def app(environ, start_response):
    with trace.get_tracer("app").start_as_current_span(f"GET {environ['PATH_INFO']}"):
        body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


application = app
