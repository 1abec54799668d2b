"""``rq_jobs.py <first> <last>`` hands RQ jobs with these numbers; the last one waits."""

from __future__ import annotations

import os
import sys

from redis import Redis
from rq import Queue

if __name__ == "__main__":
    queue = Queue(connection=Redis.from_url(os.environ["BROKER"]))
    first, last = map(int, sys.argv[1:])
    for number in range(first, last + 1):
        queue.enqueue("ledger.work", number, number == last)
