"""One leg of the journey of many messages: ``journey.py LEG CLIENT ADDRESS TOPIC SIZE COUNT SPANS``.

- produce: COUNT messages to TOPIC; each fiftieth by the bare client, with headers that are malformed.
- crash: from TOPIC to TOPIC-next in batches of SIZE, within the handler. In the middle it kills itself within the handler,
  before the batch is acknowledged.
- forward: goes on to the end; its first batch is delivered again.
- consume: all of TOPIC-next, with a report of what has come.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import Any

from clients import CLIENTS, Message, fetches, wrapped
from opentelemetry import trace
from recording import recording

from nanospan.messaging import stats

MALFORMED: list[dict[str, Any]] = [
    {"traceparent": "00-not-a-parent"},
    {"traceparent": "00-00000000000000000000000000000000-b7ad6b7169203331-01"},
    {"traceparent": "x" * 4000, "tracestate": "a=" + "b" * 4000, "baggage": ";;;" * 20},
]
OWN = ("traceparent", "tracestate", "baggage")


def body(number: int) -> bytes:
    return number.to_bytes(4, "big") + bytes(range(256))[: number % 251]


def foreign(number: int) -> dict[str, Any]:
    """Headers that are not the trace's."""
    return {"n": str(number), "Trace-Id": "mine"}


def as_texts(headers: dict[str, Any]) -> dict[str, str]:
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in headers.items()}


def produce(client: Any, topic: str, size: int, count: int) -> dict[str, Any]:
    client.create(topic)
    client.create(f"{topic}-next")
    together: list[tuple[bytes, Any]] = []
    for number in range(count):
        if number % 50 == 49:
            client.send(topic, body(number), foreign(number) | MALFORMED[number // 50 % len(MALFORMED)], bare=True)
        elif size == 1:
            client.send(topic, body(number), foreign(number))
        else:
            together.append((body(number), foreign(number)))
        if together and (len(together) == size or number == count - 1):
            client.send_all(topic, together)
            together = []
    if together:
        client.send_all(topic, together)
    return {}


def forward(client: Any, topic: str, size: int, die_at: int, processor: Any) -> dict[str, Any]:
    consumer = client.consumer(topic)
    handled = open_after = not_detached = largest = 0
    again = die_at == 0
    for result, messages in fetches(client, consumer, size):
        largest = max(largest, len(messages))
        with client.process(consumer, result):
            for message in messages:
                client.forward(f"{topic}-next", message.value, as_texts(message.headers))
                handled += 1
                if handled == die_at:
                    os.kill(os.getpid(), signal.SIGKILL)
        open_after += processor.open
        not_detached += trace.get_current_span() is not trace.INVALID_SPAN
        if again:
            client.again(consumer, messages)
            again = False
        else:
            client.acknowledge(consumer, messages)
    return {"handled": handled, "open": open_after, "current": not_detached, "largest": largest}


def consume(client: Any, topic: str, size: int, processor: Any) -> dict[str, Any]:
    consumer = client.consumer(f"{topic}-next")
    seen: dict[int, int] = {}
    changed: list[str] = []
    parents: list[str] = []
    open_after = 0
    for result, messages in fetches(client, consumer, size):
        with client.process(consumer, result):
            for message in messages:
                _check(message, seen, changed, parents)
        open_after += processor.open
        client.acknowledge(consumer, messages)
    return {"seen": len(seen), "total": sum(seen.values()), "changed": changed[:3], "parents": parents, "open": open_after}


def _check(message: Message, seen: dict[int, int], changed: list[str], parents: list[str]) -> None:
    number = int.from_bytes(message.value[:4], "big")
    seen[number] = seen.get(number, 0) + 1
    headers = as_texts(message.headers)
    others = {name: value for name, value in headers.items() if name not in OWN}
    if message.value != body(number) or others != foreign(number) or "traceparent" not in headers:
        changed.append(repr(message))
    parents.append(headers.get("traceparent", ""))


def main() -> None:
    leg, name, address, topic, size, count, spans = sys.argv[1:]
    if leg == "crash":
        assert subprocess.run([sys.executable, sys.argv[0], "crashing", *sys.argv[2:]]).returncode == -signal.SIGKILL
        return
    processor = recording(spans)
    client = CLIENTS[name](address, wrapped(name))
    match leg:
        case "produce":
            report = produce(client, topic, int(size), int(count))
        case "crashing" | "forward":
            die_at = int(count) // 2 + int(size) // 2 if leg == "crashing" else 0
            report = forward(client, topic, int(size), die_at, processor)
        case _:
            report = consume(client, topic, int(size), processor)
    client.close()
    print(json.dumps(report | {"stats": dict(stats()), "left": processor.open}))


if __name__ == "__main__":
    main()
