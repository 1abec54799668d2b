"""``ddtrace_kombu.py PORT PREFIX SPANS``: messages between kombu, traced by ddtrace, and the clients that nanospan wraps.

Prints the traces that each side finds in the messages of the other one.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from ddtrace import patch

patch(kombu=True)

from clients import MESSAGES, READERS, SENDERS, Came  # noqa: E402
from ddtrace.trace import tracer  # noqa: E402
from kombu import Connection, Consumer, Producer, Queue  # noqa: E402
from opentelemetry import trace  # noqa: E402
from tracings import set_up  # noqa: E402


def sent_by_kombu(connection: Any, queue: str) -> list[str]:
    """The traces in which the messages were published."""
    traces = []
    with connection.channel() as channel:
        declared = Queue(queue, durable=False)(channel)
        declared.declare()
        producer = Producer(channel)
        for _ in range(len(MESSAGES) + 1):
            with tracer.trace("shop") as span:
                producer.publish(b"\x00\xff", routing_key=queue, headers={"a": "1"}, serializer=None, content_type="a/b")
                traces.append(f"{span.trace_id:032x}")
    return traces


def read_by_kombu(connection: Any, queue: str) -> tuple[list[str], list[Any]]:
    """The traces of ddtrace's spans around the callbacks, and what came."""
    traces: list[str] = []
    came: list[Any] = []

    def callback(body: Any, message: Any) -> None:
        current = tracer.current_span()
        traces.append(f"{current.trace_id:032x}" if current else "")
        headers = {k: v for k, v in message.headers.items() if k not in ("traceparent", "tracestate")}
        content = message.body.encode() if isinstance(message.body, str) else bytes(message.body)
        came.append([content.hex(), sorted(headers)])
        message.ack()

    with connection.channel() as channel:
        consumer = Consumer(channel, [Queue(queue, durable=False)], callbacks=[callback], accept=None)
        consumer.auto_declare = False
        with consumer:
            while len(came) < len(MESSAGES) + 1:
                connection.drain_events(timeout=50)
    return traces, came


def main() -> None:
    port, prefix, spans = sys.argv[1:]
    wraps, processor = set_up("nanospan", spans)
    report: dict[str, Any] = {}
    with Connection(f"amqp://guest:guest@127.0.0.1:{port}//") as connection:
        for name, wrap in wraps.items():
            queue = f"{prefix} kombu {name}"
            published = sent_by_kombu(connection, queue)
            came = Came(lambda: processor.open)
            processor.new()
            READERS[name](int(port), queue, "callback", wrap, came)
            linked = [link[:32] for span in processor.new() if span["kind"] == "CONSUMER" for link in span["links"]]
            report[f"kombu to {name}"] = [linked == published, {message[0] for message in came.messages} == {"00ff"}]

            queue = f"{prefix} {name} kombu"
            with trace.get_tracer("shop").start_as_current_span("shop"):
                SENDERS[name](int(port), queue, wrap)
            published = [span["id"][:32] for span in processor.new() if span["kind"] == "PRODUCER"]
            traces, found = read_by_kombu(connection, queue)
            bodies = [[body.hex(), sorted(headers or ())] for body, headers in MESSAGES] + [[b"neither".hex(), []]]
            report[f"{name} to kombu"] = [traces == published, found == bodies]
    print(json.dumps(report))


if __name__ == "__main__":
    main()
