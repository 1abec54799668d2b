"""``behaviour_redis.py SOCKET SPANS``: a wrapped client behaves as before, and its spans are as told."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import redis
import redis.asyncio
from recording import Spans, recording, refused

from nanospan.messaging import redis_stream, stats
from nanospan.messaging.redis import AsyncTracedClient, TracedClient, wrap_client


def text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else value


async def done(result: Any) -> Any:
    return await result if hasattr(result, "__await__") else result


async def streams(client: Any, bare: Any, spans: Spans, prefix: str) -> None:
    """Of each kind of client."""
    await done(bare.flushall())
    await done(client.xgroup_create("orders", "billing", "0", mkstream=True))
    fields = {"id": 7, b"raw": b"bytes", f"{prefix}traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
    before = fields.copy()
    identifier = await done(client.xadd("orders", fields, maxlen=100))
    assert fields == before
    (sent,) = spans.new()
    assert (sent["name"], sent["kind"]) == ("xadd orders", "PRODUCER")
    assert sent["attributes"]["messaging.message.id"] == text(identifier)
    (stored,) = await done(bare.xrange("orders"))
    names = [text(name) for name in stored[1]]
    assert sorted(names) == sorted(["id", "raw", f"{prefix}traceparent"])
    # Every way to read: what the client returns, the wrapper returns.
    reads: dict[str, Any] = {
        "xread": lambda c: c.xread({"orders": "0"}, count=10),
        "xreadgroup": lambda c: c.xreadgroup("billing", "me", {"orders": ">" if c is client else "0"}),
        "xclaim": lambda c: c.xclaim("orders", "billing", "me", 0, [identifier]),
        "xautoclaim": lambda c: c.xautoclaim("orders", "billing", "me", 0, count=5),
    }
    for operation, read in reads.items():
        came = await done(read(client))
        assert came == await done(read(bare)), operation
        (received,) = spans.new()
        assert (received["name"], received["kind"]) == (f"{operation} orders", "CLIENT")
        assert received["links"] == [sent["id"]], operation
        assert received["link_attributes"][0]["messaging.message.id"] == text(identifier)
        group = received["attributes"].get("messaging.consumer.group.name")
        assert group == (None if operation == "xread" else "billing")
    entry = came[1][0]
    with client.process("orders", entry) as processing:
        assert await done(client.xack("orders", "billing", entry[0])) == 1
    settled, handled = spans.new()
    assert (settled["name"], settled["kind"], settled["parent"]) == ("xack orders", "CLIENT", handled["id"])
    assert (handled["name"], handled["links"]) == ("process orders", [sent["id"]])
    assert processing.creation is not None
    await done(client.xadd("other", {"a": 1}))
    both = await done(client.xread({"orders": "0", "other": "0"}))
    assert both == await done(bare.xread({"orders": "0", "other": "0"}))
    received = spans.new()[-1]
    assert (received["name"].split()[0], len(received["links"])) == ("xread", 2)
    assert [link["messaging.destination.name"] for link in received["link_attributes"]] == ["orders", "other"]
    # An entry that was deleted, and one of a client that is not traced.
    await done(bare.xdel("orders", identifier))
    await done(bare.xadd("orders", {"a": "\xff", "traceparent": "nonsense"}))
    came = await done(client.xreadgroup("billing", "me", {"orders": ">"}))
    assert [span["links"] for span in spans.new()] == [[]]
    assert not await done(client.xreadgroup("billing", "me", {"orders": ">"}))
    assert not await done(client.xread({"none": "0"}))
    assert spans.new() == []
    # What is refused stays refused, and what is no command of a stream goes through.
    for wrong in (bare, client):
        await refused(lambda wrong=wrong: wrong.xadd("orders", {}), redis.DataError)
        await refused(lambda wrong=wrong: wrong.xadd("orders", None), redis.DataError)
        await refused(lambda wrong=wrong: wrong.xreadgroup("no group", "me", {"orders": ">"}), redis.ResponseError)
    assert [span["status"] for span in spans.new()] == ["ERROR"] * 3
    assert await done(client.set("key", "value"))
    assert text(await done(client.get("key"))) == "value"
    pipeline = client.pipeline()
    pipeline.xadd("piped", {"a": 1})
    pipeline.xlen("piped")
    assert (await done(pipeline.execute()))[1] == 1
    assert spans.new() == []
    assert [len(entry[1]) for entry in await done(bare.xrange("piped"))] == [1]


class Refusing(redis.Redis):
    """Keeps the commands that a server of the tests may be too old for."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        raise redis.ResponseError(args)


async def repetitions() -> None:
    """An entry that the server knows again by its content keeps it."""
    client = wrap_client(Refusing())
    for arguments in ({"idmpauto": "me"}, {"idmp": ("me", b"1")}):
        try:
            client.xadd("orders", {"a": 1}, **arguments)
        except redis.ResponseError as error:
            assert ("traceparent" in error.args[0]) == ("idmp" in arguments), error.args
        except TypeError:
            assert "idmpauto" not in redis.Redis.xadd.__code__.co_varnames


async def main(address: str, path: str) -> None:
    processor = recording(path)
    spans = Spans(path)
    for wrong in (None, object(), wrap_client(redis.Redis())):
        await refused(lambda wrong=wrong: wrap_client(wrong), TypeError)
    await refused(lambda: wrap_client(redis.Redis(), carrier="x-"), TypeError)
    await refused(lambda: wrap_client(redis.Redis(), empty_polls=1), TypeError)
    for module, kind in ((redis, TracedClient), (redis.asyncio, AsyncTracedClient)):
        for options in ({}, {"decode_responses": True}, {"protocol": 3}):
            for prefix in ("", "otel-"):
                bare: Any = module.Redis(unix_socket_path=address, **options)
                client = wrap_client(bare, carrier=redis_stream(prefix) if prefix else None)
                assert type(client) is kind and isinstance(client, module.Redis)
                await streams(client, bare, spans, prefix)
                await done(client.aclose() if kind is AsyncTracedClient else client.close())
    await repetitions()
    spans.new()
    with wrap_client(redis.Redis(unix_socket_path=address)) as client:
        client["a"] = "b"
        assert client["a"] == b"b" and "a" in client
        del client["a"]
        assert client.get("a") is None
    async with wrap_client(redis.asyncio.Redis(unix_socket_path=address)) as client:
        assert await client.ping()
    client = wrap_client(redis.asyncio.Redis(unix_socket_path=address), empty_polls=True)
    reading = asyncio.create_task(client.xread({"none": "$"}, block=0))
    await client.ping()
    while not any(other["cmd"] == "xread" for other in await client.client_list()):
        await asyncio.sleep(0.005)
    reading.cancel()
    await refused(lambda: reading, asyncio.CancelledError)
    assert [span["status"] for span in spans.new()] == ["UNSET"]
    await client.aclose()
    counted = stats()
    assert (counted["failures"], counted["foreign_detach"], processor.open) == (0, 0, 0), counted


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
