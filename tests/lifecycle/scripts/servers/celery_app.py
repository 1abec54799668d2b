"""A Celery application whose worker forks (``-P prefork``); ``celery_app.py <count>`` hands it as many tasks.

``QUEUE`` is the folder of its messages and results. With ``FLUSH=1`` the worker processes flush when they end, as Celery's
own signal allows: Celery ends them past the exit handlers.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from app import App, report
from celery import Celery
from celery.signals import worker_process_shutdown

folder = Path(os.environ["QUEUE"])
for name in ("messages", "control", "results"):
    (folder / name).mkdir(exist_ok=True)

app = Celery("celery_app", broker="filesystem://", backend=f"file://{folder / 'results'}")
app.conf.broker_transport_options = {
    "data_folder_in": str(folder / "messages"),
    "data_folder_out": str(folder / "messages"),
    "control_folder": str(folder / "control"),
}

tracing = App()
if os.environ.get("FLUSH") == "1":

    @worker_process_shutdown.connect(weak=False)
    def flush(**_: object) -> None:
        tracing.provider.force_flush()
        report(at_end=tracing.processor.stats())


@app.task(name="work")
def work(number: int) -> int:
    with tracing.tracer.start_as_current_span(f"task-{number}"):
        tracing.tracer.start_span(f"query-{number}").end()
    return os.getpid()


if __name__ == "__main__":
    sent = [work.delay(number) for number in range(int(sys.argv[1]))]
    report(workers=sorted({result.get(timeout=60) for result in sent}))
