"""Celery's tasks. ``celery_app.py <first> <last> [malformed] [unknown]`` hands them over."""

from __future__ import annotations

import os
from typing import Any

import work
from celery import Celery

app = Celery("celery_app", broker=os.environ["BROKER"])
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=4,
    worker_cancel_long_running_tasks_on_connection_loss=True,
    # 20 greenlets acknowledge at once, each with a connection of kombu's pool. With ten, its default, Celery takes the
    # eleventh for a lost broker, cancels the tasks that run, and loses some of them, with spans or without.
    broker_transport_options={"max_connections": 100},
    result_backend=os.environ["BROKER"],
    task_publish_retry=False,
    broker_connection_retry_on_startup=True,
)
FOREIGN = os.environ.get("FOREIGN")
if FOREIGN == "contrib":
    from opentelemetry.instrumentation.celery import CeleryInstrumentor

    CeleryInstrumentor().instrument()
elif FOREIGN == "ddtrace":
    import ddtrace

    ddtrace.patch(celery=True)
elif FOREIGN == "sentry":
    import sentry_sdk
    from sentry_sdk.integrations.celery import CeleryIntegration

    sentry_sdk.init("http://key@127.0.0.1:9/1", traces_sample_rate=1.0, integrations=[CeleryIntegration()])
if work.TRACED:
    from nanospan.messaging.tasks.celery import instrument

    instrument(app, **work.options())


@app.task(bind=True, name="work", max_retries=2)
def run(self: Any, number: int, data: object) -> int:
    own = {name: vars(self.request).get(name) for name in work.OWN}
    try:
        return work.work(number, data, own)
    except ValueError as error:
        raise self.retry(exc=error, countdown=0) from error


if __name__ == "__main__":

    def send(number: int, headers: dict[str, Any]) -> str:
        # Half by a task, half by a name that this process need not know.
        if number % 2:
            return str(run.apply_async((number, work.payload(number)), headers=headers).id)
        return str(app.send_task("work", (number, work.payload(number)), headers=headers).id)

    work.hand_over(send, lambda: app.send_task("nobody.knows", ()))
