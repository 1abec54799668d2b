"""The load generator of web_service.py, in a process of its own: keep-alive connections in a closed loop.

    python -m web.web_load PORT CONNECTIONS SECONDS

Each connection sends its next request when it has the answer to the last. Prints one line of JSON: the requests answered,
the seconds that took, and each latency in microseconds; and what the service used for them, the export of the spans included
(it is asked for /flush and /stats before and after, when no request is under way).
"""

from __future__ import annotations

import asyncio
import json
import sys
from time import perf_counter

_WORK = b"GET /work HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
_END_OF_HEADERS = b"\r\n\r\n"
_LENGTH = b"content-length:"
TIMEOUT_SECONDS = 60.0


class Connection(asyncio.Protocol):
    """One connection, one request at a time. RuntimeError for an answer that is not 200 with a length."""

    def __init__(self) -> None:
        self._received = b""
        self._answered: asyncio.Future[bytes] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(_END_OF_HEADERS)
        if not found or self._answered is None:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self._fail(RuntimeError(head[:100].decode("latin-1")))
            return
        lengths = [line[len(_LENGTH) :] for line in head.lower().split(b"\r\n") if line.startswith(_LENGTH)]
        if not lengths:
            self._fail(RuntimeError("an answer without a length"))
        elif len(body) >= int(lengths[0]):
            self._received = b""
            self._answered.set_result(body)

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(error or RuntimeError("the service closed the connection"))

    def _fail(self, error: Exception) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(error)

    async def ask(self, request: bytes) -> bytes:
        assert self._transport is not None
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answered


def _get(path: str) -> bytes:
    return b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % path.encode()


async def load(port: int, connections: int, seconds: float) -> dict[str, object]:
    loop = asyncio.get_running_loop()
    opened = [(await loop.create_connection(Connection, "127.0.0.1", port))[1] for _ in range(connections)]
    first = opened[0]
    latencies: list[float] = []

    async def closed_loop(connection: Connection, until: float, kept: list[float]) -> None:
        began = perf_counter()
        while began < until:
            await connection.ask(_WORK)
            ended = perf_counter()
            kept.append((ended - began) * 1e6)
            began = ended

    async def run_for(duration: float, kept: list[float]) -> float:
        began = perf_counter()
        await asyncio.gather(*(closed_loop(connection, began + duration, kept) for connection in opened))
        return perf_counter() - began

    await run_for(min(0.5, seconds / 4), [])
    await first.ask(_get("/flush"))
    before = json.loads(await first.ask(_get("/stats")))
    elapsed = await run_for(seconds, latencies)
    await first.ask(_get("/flush"))
    after = json.loads(await first.ask(_get("/stats")))
    return {
        "requests": len(latencies),
        "seconds": elapsed,
        "latencies_us": [round(latency, 1) for latency in latencies],
        "cpu_ns": after["cpu_ns"] - before["cpu_ns"],
        "served": after["requests"],
    }


if __name__ == "__main__":
    port, connections, seconds = sys.argv[1:]
    loading = load(int(port), int(connections), float(seconds))
    print(json.dumps(asyncio.run(asyncio.wait_for(loading, float(seconds) + TIMEOUT_SECONDS))))
