"""Actors of Dramatiq. ``dramatiq_actors.py <first> <last>`` hands them messages with these numbers; the last one waits."""

from __future__ import annotations

import os
import sys

import dramatiq
import ledger
from dramatiq.brokers.redis import RedisBroker

dramatiq.set_broker(RedisBroker(url=os.environ["BROKER"]))


@dramatiq.actor
def work(number: int, waits: bool) -> None:
    ledger.work(number, waits)


if __name__ != "__main__":
    ledger.span("loaded")
else:
    first, last = map(int, sys.argv[1:])
    for number in range(first, last + 1):
        work.send(number, number == last)
