"""A WSGI application with one span for each request, by the API alone."""

from __future__ import annotations

from opentelemetry import trace


def app(environ, start_response):
    with trace.get_tracer("app").start_as_current_span(f"GET {environ['PATH_INFO']}"):
        start_response("200 OK", [])
        return [b"fine"]
