"""A Flask application with one span for each request, by the API alone. The span has ended when the answer is sent."""

from __future__ import annotations

import os

import witness  # noqa: F401
from flask import Flask
from opentelemetry import trace

print(f"loaded by {os.getpid()}", flush=True)

app = Flask(__name__)


@app.get("/<path>")
def item(path):
    with trace.get_tracer("app").start_as_current_span(f"GET /{path}"):
        return str(os.getpid())
