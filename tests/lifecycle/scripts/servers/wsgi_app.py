"""A WSGI application that gunicorn loads before it forks (``--preload``)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from app import App

app = App(max_queue_size=1 << 16)  # room for every request of a test
app.end_spans("master", 1)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    with app.tracer.start_as_current_span(f"request{environ['PATH_INFO']}"):
        app.tracer.start_span(f"query{environ['PATH_INFO']}").end()
        body = str(os.getpid()).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
