"""A Celery application. ``celery_tasks.py <first> <last>`` hands it tasks with these numbers; the last one waits."""

from __future__ import annotations

import os
import sys

import ledger
from celery import Celery

app = Celery("celery_tasks", broker=os.environ["BROKER"])


@app.task
def work(number: int, waits: bool) -> None:
    ledger.work(number, waits)


if __name__ != "__main__":
    ledger.span("loaded")
else:
    first, last = map(int, sys.argv[1:])
    for number in range(first, last + 1):
        work.delay(number, number == last)
