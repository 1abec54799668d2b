"""A worker's task. The spans of handing it over and of running it come from `instrument`."""

from __future__ import annotations

import os

from celery import Celery
from opentelemetry import trace

from nanospan.messaging.tasks.celery import instrument

app = Celery("tasks", broker=os.environ.get("REDIS_URL", "redis://localhost"))
instrument(app)


@app.task
def send_invoice(order: int) -> None:
    with trace.get_tracer("billing").start_as_current_span("print invoice", attributes={"order": order}):
        print(f"invoice for order {order}")
