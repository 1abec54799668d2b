"""``rq_app.py <first> <last> [malformed] [unknown]`` hands jobs over to RQ."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

import work
from redis import Redis
from rq import Queue, Retry, get_current_job

if work.TRACED:
    from nanospan.messaging.tasks import rq as tracing

    class Job(tracing.TracedJob):
        tracing = tracing.RqTracing(**work.options())


def run(number: int, data: object) -> int:
    job = get_current_job()
    assert job is not None
    extra = job.meta.keys() - work.OWN.keys() - {"traceparent", "tracestate", "baggage"}
    if extra:
        work.redis.rpush("bad", f"{number}: {extra} in meta")
    return work.work(number, data, {name: job.meta.get(name) for name in work.OWN})


if __name__ == "__main__":
    queue = Queue(connection=Redis.from_url(os.environ["BROKER"]))
    if work.TRACED:
        queue = tracing.wrap_queue(queue, **work.options())
    retry = Retry(max=1)

    def send(number: int, headers: dict[str, Any]) -> str:
        given = dict(headers)
        arguments = {"args": (number, work.payload(number)), "meta": headers, "retry": retry}
        if number % 10 == 3:
            job = queue.enqueue_many([Queue.prepare_data("rq_app.run", job_id=f"own-{number}", **arguments)])[0]
        elif number % 10 == 4:
            job = queue.enqueue_in(timedelta(0), "rq_app.run", *arguments.pop("args"), **arguments)
        else:
            job = queue.enqueue_call("rq_app.run", **arguments)
        assert headers == given, "the application's meta has changed"
        return str(job.id)

    work.hand_over(send, lambda: queue.enqueue("nobody.knows"))
