"""The traced code that is measured: what an application writes, the same for every implementation.

Each function makes ``count`` spans of ``tracer`` in a loop.
"""

from __future__ import annotations

from collections.abc import Callable

from common.contenders import TEN_ATTRIBUTES
from opentelemetry.trace import Tracer

TracedCode = Callable[[Tracer, int], None]

NAME = "GET /users/{id}"


def start_end(tracer: Tracer, count: int) -> None:
    for _ in range(count):
        tracer.start_span(NAME).end()


def current(tracer: Tracer, count: int) -> None:
    for _ in range(count):
        with tracer.start_as_current_span(NAME):
            pass


def current_ten_set(tracer: Tracer, count: int) -> None:
    """Keys are written out, as in an application: a loop over a dict would be measured too."""
    for _ in range(count):
        with tracer.start_as_current_span(NAME) as span:
            span.set_attribute("http.request.method", "GET")
            span.set_attribute("http.route", "/users/{id}")
            span.set_attribute("http.response.status_code", 200)
            span.set_attribute("url.path", "/users/1042")
            span.set_attribute("server.address", "api.example.com")
            span.set_attribute("server.port", 443)
            span.set_attribute("app.cache.hit", False)
            span.set_attribute("app.score", 0.75)
            span.set_attribute("app.tenant", "t-104")
            span.set_attribute("app.region", "eu-1")


def current_ten_at_start(tracer: Tracer, count: int) -> None:
    for _ in range(count):
        with tracer.start_as_current_span(NAME, attributes=TEN_ATTRIBUTES):
            pass


TRACED_CODE: dict[str, TracedCode] = {
    "start_end": start_end,
    "current": current,
    "current_ten_set": current_ten_set,
    "current_ten_at_start": current_ten_at_start,
}
