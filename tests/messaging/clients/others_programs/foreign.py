"""``foreign.py LEG TRACING TOPIC SPANS CLIENT=ADDRESS...``: messages between clients that are traced in different ways.

- produce: each client sends some messages to a topic, one by one and together.
- consume: each client reads the topic; a report of what has come.
"""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from typing import Any

from clients import CLIENTS, fetches
from opentelemetry import trace
from tracings import set_up

from nanospan.messaging import stats

MESSAGES: list[tuple[bytes, Any]] = [
    (b"no headers", None),
    (b"\x00\xff", {"n": "1"}),
    (bytes(range(256)), {}),
    (b"x" * 10_000, {"n": "y" * 1000, "Trace-Id": "mine"}),
]


def produce(client: Any, topic: str) -> None:
    client.create(topic)
    for value, headers in MESSAGES:
        client.send(topic, value, headers)
    client.send_all(topic, MESSAGES)


def consume(client: Any, topic: str, processor: Any) -> dict[str, Any]:
    consumer = client.consumer(topic)
    came: list[Any] = []
    left_open = current = 0
    for size in (1, 10):
        for result, messages in fetches(client, consumer, size):
            with client.process(consumer, result) if hasattr(client.client, "process") else nullcontext():
                for message in messages:
                    pairs = message.headers.items()
                    headers = {name: v.decode() if isinstance(v, bytes) else v for name, v in pairs}
                    came.append([message.value.hex(), headers])
            left_open += processor.open
            current += trace.get_current_span() is not trace.INVALID_SPAN
            client.acknowledge(consumer, messages)
            if size == 1 and len(came) >= len(MESSAGES):
                break
    return {"messages": came, "open": left_open, "current": current}


def main() -> None:
    leg, kind, topic, spans, *addresses = sys.argv[1:]
    wrapper, processor = set_up(kind, spans)
    report: dict[str, Any] = {}
    for pair in addresses:
        name, _, address = pair.partition("=")
        client = CLIENTS[name](address, wrapper(name))
        if leg == "produce":
            produce(client, f"{topic}-{name}")
        else:
            report[name] = consume(client, f"{topic}-{name}", processor)
        client.close()
    print(json.dumps({"clients": report, "stats": dict(stats())}))


if __name__ == "__main__":
    main()
