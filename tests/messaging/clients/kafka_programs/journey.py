"""One leg of the journey of many messages: ``journey.py LEG CLIENT BROKER TOPIC SIZE COUNT SPANS``.

- produce: COUNT messages to TOPIC; each fiftieth by the bare client, with headers that are malformed.
- crash: from TOPIC to TOPIC.next in batches of SIZE, within the handler. In the middle it kills itself within the handler,
  before the batch is committed.
- forward: goes on to the end, and reads its last batch again.
- consume: all of TOPIC.next, with a report of what has come.
"""

from __future__ import annotations

import base64
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

END = b"end"
MALFORMED: list[Any] = [
    [("traceparent", b"00-not-a-parent")],
    [("traceparent", b"\xff\xfe\x00")],
    [("traceparent", b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("traceparent", b"")],
    [("traceparent", b"x" * 4000), ("tracestate", b"a=" + b"b" * 4000), ("baggage", b"\x80" * 20)],
]


def body(number: int) -> bytes:
    return number.to_bytes(4, "big") + bytes(range(256))[: number % 251]


def foreign(number: int) -> list[tuple[str, bytes]]:
    """Headers that are not the trace's, with a name that occurs twice and bytes that are no text."""
    return [("n", str(number).encode()), ("twice", b"\x00\xff"), ("twice", b""), ("Trace-Id", b"mine")]


def produce(client: Any, topic: str, count: int) -> dict[str, Any]:
    for number in range(count):
        bare = number % 50 == 49
        headers: list[Any] = foreign(number)
        if bare:
            headers += MALFORMED[number // 50 % len(MALFORMED)]
        client.send(topic, body(number), str(number).encode(), headers, bare=bare)
    client.flush()
    return {}


def forward(client: Any, topic: str, size: int, count: int, die_at: int, processor: Any) -> dict[str, Any]:
    consumer = client.consumer("forwarders", [topic])
    handled = open_after = not_detached = sizes = 0
    last: list[Message] = []

    def handle(result: Any, messages: list[Message]) -> None:
        nonlocal handled, open_after, not_detached, sizes
        sizes = max(sizes, len(messages))
        with consumer.process(result):
            for message in messages:
                client.send(f"{topic}.next", message.value, message.key, message.headers)
                handled += 1
                if handled == die_at:
                    client.flush()  # what was sent has come: its spans are in the file, too
                    os.kill(os.getpid(), signal.SIGKILL)
        open_after += processor.open
        not_detached += trace.get_current_span() is not trace.INVALID_SPAN

    def is_last(message: Message) -> bool:
        return message.offset == count - 1

    for result, messages in fetches(client, consumer, size, is_last):
        handle(result, messages)
        last = messages
        if size > 1 or handled % 100 == 0:
            client.commit(consumer)
    client.seek(consumer, last[0])
    for result, messages in fetches(client, consumer, size, is_last):
        handle(result, messages)
    client.send(f"{topic}.next", b"", END, None, bare=True)
    client.flush()
    client.close(consumer)
    return {"handled": handled, "open": open_after, "current": not_detached, "largest": sizes}


def consume(client: Any, topic: str, size: int, processor: Any) -> dict[str, Any]:
    consumer = client.consumer("consumers", [f"{topic}.next"])
    seen: dict[int, int] = {}
    changed: list[str] = []
    parents: list[str] = []
    open_after = 0
    for result, messages in fetches(client, consumer, size, lambda message: message.key == END):
        with consumer.process(result):
            for message in messages:
                if message.key == END:
                    continue
                number = int(message.key or b"-1")
                seen[number] = seen.get(number, 0) + 1
                own = [value for name, value in message.headers if name == "traceparent"]
                others = [pair for pair in message.headers if pair[0] not in ("traceparent", "tracestate", "baggage")]
                if message.value != body(number) or others != foreign(number) or len(own) != 1:
                    changed.append(base64.b64encode(repr(message).encode()).decode())
                parents.append((own[-1] or b"").decode())
        open_after += processor.open
    client.close(consumer)
    return {"seen": len(seen), "total": sum(seen.values()), "changed": changed[:3], "parents": parents, "open": open_after}


def main() -> None:
    leg, name, broker, topic, size, count, spans = sys.argv[1:]
    if leg == "crash":
        assert subprocess.run([sys.executable, sys.argv[0], "crashing", *sys.argv[2:]]).returncode == -signal.SIGKILL
        return
    processor = recording(spans)
    client = CLIENTS[name](broker, wrapped(name))
    match leg:
        case "produce":
            report = produce(client, topic, int(count))
        case "crashing" | "forward":
            die_at = int(count) // 2 + 50 if leg == "crashing" else 0
            report = forward(client, topic, int(size), int(count), die_at, processor)
        case _:
            report = consume(client, topic, int(size), processor)
    client.close()
    print(json.dumps(report | {"stats": dict(stats()), "left": processor.open}))


if __name__ == "__main__":
    main()
