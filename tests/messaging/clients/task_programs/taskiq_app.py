"""taskiq's tasks. ``taskiq_app.py <first> <last> [malformed] [unknown]`` hands them over."""

from __future__ import annotations

import asyncio
import os
from typing import Annotated, Any

import work
from taskiq import Context, SimpleRetryMiddleware, TaskiqDepends
from taskiq.kicker import AsyncKicker
from taskiq_redis import RedisStreamBroker

broker = RedisStreamBroker(
    os.environ["BROKER"], idle_timeout=1000, xread_block=100, xread_count=5, consumer_id="0", unacknowledged_lock_timeout=3
).with_middlewares(SimpleRetryMiddleware(default_retry_count=2))
if work.TRACED:
    from nanospan.messaging.tasks.taskiq import instrument

    instrument(broker, **work.options())


@broker.task(task_name="work", retry_on_error=True)
async def run(number: int, data: dict[str, Any], context: Annotated[Context, TaskiqDepends()]) -> None:
    await asyncio.sleep(0)
    work.work(number, data, {name: context.message.labels.get(name) for name in work.OWN})


@broker.task(task_name="plain", retry_on_error=True)
def plain(number: int, data: dict[str, Any]) -> None:
    work.work(number, data)


if __name__ == "__main__":
    loop = asyncio.new_event_loop()
    loop.run_until_complete(broker.startup())

    def send(number: int, headers: dict[str, Any]) -> str:
        kicker: Any = (run if number % 2 else plain).kicker().with_labels(**headers)
        return str(loop.run_until_complete(kicker.kiq(number, work.payload(number))).task_id)

    work.hand_over(send, lambda: loop.run_until_complete(AsyncKicker("nobody", broker, {}).kiq()))
    loop.run_until_complete(broker.shutdown())
