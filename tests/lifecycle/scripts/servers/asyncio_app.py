"""``asyncio_app.py <scenario> [uvloop]``: tasks whose spans interleave, and the ends of an event loop."""

from __future__ import annotations

import asyncio
import signal
import sys

from app import App, report

TASKS = 10


async def work(app: App, number: int) -> None:
    with app.tracer.start_as_current_span(f"task-{number}"):
        await asyncio.sleep(0)
        with app.tracer.start_as_current_span(f"step-{number}"):
            await asyncio.sleep(0)


async def to_the_end(app: App) -> None:
    await asyncio.gather(*(work(app, number) for number in range(TASKS)))


async def sigterm(app: App) -> None:
    """Ends as servers do: the handler asks the loop to stop."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await to_the_end(app)
    report(ready=True)
    await stop.wait()


async def sigint(app: App) -> None:
    """Ctrl-C cancels the tasks, each inside a span."""

    async def wait_inside(number: int) -> None:
        with app.tracer.start_as_current_span(f"task-{number}"):
            started.append(number)
            await asyncio.sleep(3600)

    started: list[int] = []
    tasks = [asyncio.create_task(wait_inside(number)) for number in range(TASKS)]
    while len(started) < TASKS:
        await asyncio.sleep(0)
    report(ready=True)
    await asyncio.gather(*tasks)


async def child_process(app: App) -> None:
    """The event loop's own way to start another program."""
    await to_the_end(app)
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", "")
    report(child_code=await child.wait(), queued=app.processor.stats()["queued"])


if __name__ == "__main__":
    # Whoever starts the tests in the background has them, and this, ignore the signal.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    scenario = globals()[sys.argv[1]]
    if sys.argv[2:] == ["uvloop"]:
        import uvloop

        uvloop.run(scenario(App()))
    else:
        asyncio.run(scenario(App()))
