"""Dramatiq's actors. ``dramatiq_app.py <first> <last> [malformed] [unknown]`` hands over messages for them."""

from __future__ import annotations

import os
from typing import Any

import dramatiq
import work
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import CurrentMessage

broker = RedisBroker(url=os.environ["BROKER"], heartbeat_timeout=3000, maintenance_chance=100_000)
broker.add_middleware(CurrentMessage())
if work.TRACED:
    from nanospan.messaging.tasks.dramatiq import instrument

    instrument(broker, **work.options())
dramatiq.set_broker(broker)


@dramatiq.actor(actor_name="work", max_retries=1, min_backoff=1, max_backoff=2)
def run(number: int, data: object) -> None:
    message = CurrentMessage.get_current_message()
    work.work(number, data, {name: message.options.get(name) for name in work.OWN})


@dramatiq.actor(actor_name="skipped", max_age=1)
def skipped() -> None:
    work.redis.rpush("bad", "a message that is too old has run")


if __name__ == "__main__":

    def send(number: int, headers: dict[str, Any]) -> str:
        message = run.message_with_options(args=(number, work.payload(number)), **headers)
        delay = 1 if number % 10 == 1 else None
        return str(broker.enqueue(message, delay=delay).message_id)

    def unknown() -> None:
        skipped.send()
        broker.enqueue(dramatiq.Message("default", "nobody", (), {}, {"max_retries": 0}))

    work.hand_over(send, unknown)
