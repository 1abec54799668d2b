"""Takes an order, and hands the invoice over to a worker."""

from __future__ import annotations

from opentelemetry import trace
from tasks import send_invoice

with trace.get_tracer("shop").start_as_current_span("take order"):
    send_invoice.delay(7)
print("sent order 7")
