"""Places an order, whose invoice the worker sends."""

from __future__ import annotations

from opentelemetry import trace
from tasks import send_invoice

with trace.get_tracer("order").start_as_current_span("order"):
    send_invoice.delay(7)
