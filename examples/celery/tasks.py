"""A worker's task. The spans of sending and running it come from the instrumentation."""

from __future__ import annotations

from pathlib import Path

from celery import Celery
from opentelemetry import trace

QUEUE = Path("queue")  # a folder in place of a broker
QUEUE.mkdir(exist_ok=True)

app = Celery("tasks", broker="filesystem://")
app.conf.broker_transport_options = {"data_folder_in": str(QUEUE), "data_folder_out": str(QUEUE)}
tracer = trace.get_tracer("tasks")


@app.task
def send_invoice(order: int) -> None:
    with tracer.start_as_current_span("print invoice", attributes={"order": order}):
        print(f"invoice for order {order}")
