"""``reports.py TRACING PORT PREFIX SPANS``: what users report of contrib's instrumentations, tried with a tracing.

Prints what is found, by report. The numbers are those of issues of opentelemetry-python-contrib.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from opentelemetry import context, trace
from recording import own
from tracings import set_up

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CREATION = PARENT[3:-3]


class Bench:
    """The clients of one program, and the spans that each report makes."""

    def __init__(self, kind: str, port: int, prefix: str, spans: str) -> None:
        self.ours = kind == "nanospan"
        self.port = port
        self.prefix = prefix
        self.wraps, self.recording = set_up(kind, spans)

    def pika(self, queue: str) -> Any:
        import pika

        connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", self.port))
        channel = self.wraps["pika"](connection.channel())
        channel.queue_declare(self.prefix + queue)
        return channel

    def given(self, queue: str, headers: dict[str, Any]) -> None:
        """Publish as a client that is not traced does."""
        from pika import BasicProperties, BlockingConnection, ConnectionParameters
        from pika.channel import Channel

        with BlockingConnection(ConnectionParameters("127.0.0.1", self.port)) as connection:
            channel = connection.channel()
            properties = BasicProperties(headers=headers)
            Channel.basic_publish(channel._impl, "", self.prefix + queue, b"x", properties)

    def consumed(self, queue: str) -> bool:
        """Whether the callback of pika is called with a message that is there."""
        channel = self.pika(queue)
        called: list[bool] = []

        def callback(ch: Any, method: Any, properties: Any, body: bytes) -> None:
            called.append(True)
            channel.stop_consuming()

        channel.basic_consume(self.prefix + queue, callback, auto_ack=True)
        with suppress(TypeError):
            channel.start_consuming()
        channel.connection.close()
        return bool(called)

    def in_aio_pika(self, queue: str, work: Callable[[Any, Any, str], Awaitable[Any]]) -> Any:
        import aio_pika

        async def main() -> Any:
            connection = await aio_pika.connect(f"amqp://guest:guest@127.0.0.1:{self.port}/")
            async with connection:
                channel = self.wraps["aio-pika"](await connection.channel())
                name = self.prefix + queue
                return await work(channel, await channel.declare_queue(name), name)

        return asyncio.run(main())

    def last(self, kind: str) -> dict[str, Any]:
        return [span for span in self.recording.new() if span["kind"] == kind][-1]


def generator(bench: Bench) -> dict[str, Any]:
    channel = bench.pika("generator")
    bench.given("generator", {"traceparent": PARENT})
    queue = f"{bench.prefix}generator"
    found: dict[str, Any] = {}
    for message in channel.consume(queue, auto_ack=True):
        if bench.ours:
            with channel.process(message, queue=queue):
                found["recording inside"] = trace.get_current_span().is_recording()
        else:
            found["recording inside"] = trace.get_current_span().is_recording()
        break
    channel.cancel()
    found["current after"] = trace.get_current_span() is not trace.INVALID_SPAN
    channel.connection.close()
    context.attach(context.Context())
    span = bench.last("CONSUMER")
    return found | {"link": CREATION in span["links"], "parent": span["parent"] == CREATION}


def basic_get(bench: Bench) -> dict[str, Any]:
    channel = bench.pika("get")
    bench.given("get", {"traceparent": PARENT})
    bench.recording.new()
    while channel.basic_get(f"{bench.prefix}get", auto_ack=True)[0] is None:
        pass
    channel.connection.close()
    return {"links": [span["links"] == [CREATION] for span in bench.recording.new()]}


def attributes(bench: Bench) -> dict[str, Any]:
    channel = bench.pika("attributes")
    channel.exchange_declare("orders", "topic")
    queue = f"{bench.prefix}attributes"
    channel.queue_bind(queue, "orders", "new.*")
    channel.basic_publish("orders", "new.chair", b"x")
    channel.connection.close()
    assert bench.consumed("attributes")
    values = list(bench.last("CONSUMER")["attributes"].values())
    texts = [str(value) for value in values]
    return {name: any(name in text for text in texts) for name in ("orders", "new.chair", "attributes")}


def conventions(bench: Bench) -> dict[str, Any]:
    async def work(channel: Any, queue: Any, name: str) -> None:
        import aio_pika

        await channel.default_exchange.publish(aio_pika.Message(b"x"), name)

    bench.recording.new()
    bench.in_aio_pika("conventions", work)
    span = bench.recording.one()
    return {
        "operation": span["attributes"].get("messaging.operation.name"),
        "destination": span["attributes"].get("messaging.destination.name") == f"{bench.prefix}conventions",
        "name": span["name"].replace(bench.prefix, ""),
    }


def iterator(bench: Bench) -> dict[str, Any]:
    async def work(channel: Any, queue: Any, name: str) -> Any:
        bench.given("iterator", {"traceparent": PARENT})
        async with queue.iterator() as messages:
            async for message in messages:
                async with message.process():
                    return own(trace.get_current_span().get_span_context())

    current = bench.in_aio_pika("iterator", work)
    spans = [span for span in bench.recording.new() if span["id"] == current]
    return {"handler in a span": bool(spans), "link": [CREATION in span["links"] for span in spans]}


def bytes_in_pika(bench: Bench) -> dict[str, Any]:
    bench.given("bytes", {"traceparent": PARENT.encode()})
    handled = bench.consumed("bytes")
    spans = bench.recording.new()
    return {"handled": handled, "link": any(CREATION in span["links"] for span in spans)}


def malformed_in_pika(bench: Bench) -> dict[str, Any]:
    bench.given("malformed", {"traceparent": 5})
    return {"handled": bench.consumed("malformed")}


def bytes_in_aio_pika(bench: Bench) -> dict[str, Any]:
    async def work(channel: Any, queue: Any, name: str) -> bool:
        handled = asyncio.Event()
        ended = asyncio.Event()
        asyncio.get_running_loop().set_exception_handler(lambda *_: ended.set())

        async def callback(message: Any) -> None:
            handled.set()
            ended.set()

        bench.given("aio bytes", {"traceparent": PARENT.encode()})
        await queue.consume(callback, no_ack=True)
        await ended.wait()
        return handled.is_set()

    return {"handled": bench.in_aio_pika("aio bytes", work)}


def headers_of_the_caller(bench: Bench) -> dict[str, Any]:
    import aio_pika
    from pika import BasicProperties

    none, some = BasicProperties(), BasicProperties(headers={"a": "1"})
    message = aio_pika.Message(b"x", headers={"a": "1"})
    channel = bench.pika("caller")
    for properties in (none, some):
        channel.basic_publish("", f"{bench.prefix}caller", b"x", properties)
    channel.connection.close()

    async def work(channel: Any, queue: Any, name: str) -> None:
        await channel.default_exchange.publish(message, name)

    bench.in_aio_pika("caller", work)
    return {
        "None stays": none.headers is None,
        "pika": some.headers == {"a": "1"},
        "aio-pika": message.headers == {"a": "1"},
    }


def parent_instead_of_link(bench: Bench) -> dict[str, Any]:
    bench.given("parent", {"traceparent": PARENT})
    bench.recording.new()
    assert bench.consumed("parent")
    span = bench.last("CONSUMER")
    return {"parent": span["parent"] == CREATION, "link": span["links"] == [CREATION]}


def main() -> None:
    kind, port, prefix, spans = sys.argv[1:]
    bench = Bench(kind, int(port), prefix, spans)
    reports = {
        "#1432 consume() ends the span at once and leaves it attached": generator,
        "basic_get is not traced": basic_get,
        "#2052 exchange, routing key and queue": attributes,
        "#1638 conventions in aio-pika": conventions,
        "#1993 #2892 iterators lose context": iterator,
        "bytes as values in pika": bytes_in_pika,
        "bytes as values in aio-pika": bytes_in_aio_pika,
        "a malformed value in pika": malformed_in_pika,
        "headers of the caller change": headers_of_the_caller,
        "parent instead of link": parent_instead_of_link,
    }
    for queue in ("generator", "get", "bytes", "malformed", "parent", "attributes"):
        bench.pika(queue).connection.close()
    print(json.dumps({name: report(bench) for name, report in reports.items()}))


if __name__ == "__main__":
    main()
