"""``foreign.py LEG TRACING BROKER TOPIC SPANS``: messages between clients that are traced in different ways.

- produce: each client sends some messages to a topic of its own.
- consume: each client reads the topic of another one; a report of what has come.
"""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from typing import Any

from clients import CLIENTS, Message, fetches
from opentelemetry import trace
from tracings import set_up

from nanospan.messaging import stats

MESSAGES: list[tuple[bytes | None, bytes, Any]] = [
    (b"no headers", b"0", None),
    (b"\x00\xff", b"1", [("mine", b"\xff\x00"), ("mine", b"")]),
    (bytes(range(256)), b"\xfe", []),
    (b"", b"3", [("a", b"1")]),
    (b"x" * 100_000, b"4", [("a", b"y" * 1000)]),
    (None, b"5", [("a", b"1")]),
]


def consume(name: str, source: str, wrap: Any, broker: str, topic: str, kind: str, processor: Any) -> dict[str, Any]:
    client = CLIENTS[name](broker, wrap)
    consumer = client.consumer(f"readers {kind}", [f"{topic}.{source}"])
    came: list[Message] = []
    left_open = current = 0

    def is_third(message: Message) -> bool:
        return message.offset == 2

    def is_last(message: Message) -> bool:
        return message.offset == 5

    for size, until in ((1, is_third), (10, is_last)):  # one by one, and then the rest at once
        for result, messages in fetches(client, consumer, size, until):
            with consumer.process(result) if hasattr(consumer, "process") else nullcontext():
                came += messages
            left_open += processor.open
            current += trace.get_current_span() is not trace.INVALID_SPAN
    client.commit(consumer)
    client.close(consumer)
    client.close()
    listed = [
        [
            None if m.value is None else m.value.hex(),
            (m.key or b"").hex(),
            [[key, (value or b"").hex()] for key, value in m.headers],
        ]
        for m in came
    ]
    extracted = [extracted_by_ddtrace(message) for message in came] if kind == "ddtrace" else []
    return {"messages": listed, "open": left_open, "current": current, "extracted": extracted}


def extracted_by_ddtrace(message: Message) -> str:
    """The trace that ddtrace reads from the headers."""
    from ddtrace.propagation.http import HTTPPropagator

    texts = {name: value.decode() for name, value in message.headers if name == "traceparent" and value is not None}
    return f"{HTTPPropagator.extract(texts).trace_id:032x}"


def main() -> None:
    leg, kind, broker, topic, spans = sys.argv[1:]
    wrap_of, processor = set_up(kind, spans)
    names = list(CLIENTS)
    report: dict[str, Any] = {}
    for index, name in enumerate(names):
        if leg == "produce":
            client = CLIENTS[name](broker, wrap_of(name))
            for value, key, headers in MESSAGES:
                # Contrib writes into the list that it is given; ddtrace fails for a list with confluent-kafka.
                as_taken = dict if (kind, name) == ("ddtrace", "confluent") else list
                client.send(f"{topic}.{name}", value, key, None if headers is None else as_taken(headers))
            client.flush()
            client.close()
        else:
            source = names[(index + 1) % len(names)]
            report[name] = consume(name, source, wrap_of(name), broker, topic, kind, processor)
    print(json.dumps(report | {"stats": dict(stats())}))


if __name__ == "__main__":
    main()
