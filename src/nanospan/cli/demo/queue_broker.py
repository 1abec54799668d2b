"""What carries the orders of ``nanospan demo --queue`` from the producer to the consumer: Redis, or a pipe.

Each end is a program's own connection: the producer's puts messages, the consumer's gives them. A message is its headers and
its body.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Protocol

from nanospan.messaging import REDIS_STREAM, TEXT_MAP, Messaging

__all__ = ["EMBEDDED", "REDIS", "STREAM", "PipeEnd", "QueueEnd", "RedisEnd", "redis_server", "why_no_redis"]

REDIS, EMBEDDED = "redis", "embedded"
STREAM = "orders"
_GROUP = "packing"
_BODY = "order"
_HOST = "127.0.0.1"
_START_SECONDS = 20.0
_POLL_SECONDS = 0.05
_BLOCK_MILLIS = 500

Acknowledge = Callable[[], None]


class QueueEnd(Protocol):
    """The producer's or the consumer's end of the queue."""

    def describe(self, **options: Any) -> Messaging:
        """The description from which the spans of this end are made."""
        ...

    def put(self, headers: dict[str, str], body: str) -> str | None:
        """Hand one message over. Returns its id, if the broker gives one."""
        ...

    def take(self, seconds: float) -> Iterator[tuple[dict[str, str], str, str | None, Acknowledge | None]]:
        """Messages as they come, each with its id and what acknowledges it, until none has come for so many seconds."""
        ...


class RedisEnd:
    """A connection to a stream of a Redis server on this machine."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._package: Any = import_module("redis")
        self._redis: Any = self._package.Redis(_HOST, port, decode_responses=True)

    def describe(self, **options: Any) -> Messaging:
        return Messaging("redis", carrier=REDIS_STREAM, server_address=_HOST, server_port=self._port, **options)

    def put(self, headers: dict[str, str], body: str) -> str | None:
        return str(self._redis.xadd(STREAM, {**headers, _BODY: body}))

    def take(self, seconds: float) -> Iterator[tuple[dict[str, str], str, str | None, Acknowledge | None]]:
        try:
            self._redis.xgroup_create(STREAM, _GROUP, id="0", mkstream=True)
        except self._package.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        last = time.monotonic()
        while time.monotonic() < last + seconds:
            for _, entries in self._redis.xreadgroup(_GROUP, "demo", {STREAM: ">"}, count=10, block=_BLOCK_MILLIS) or ():
                for message_id, fields in entries:
                    last = time.monotonic()
                    yield fields, fields[_BODY], message_id, self._acknowledgement(message_id)

    def _acknowledgement(self, message_id: str) -> Acknowledge:
        def acknowledge() -> None:
            self._redis.xack(STREAM, _GROUP, message_id)

        return acknowledge


class PipeEnd:
    """The standard output of the producer, which is the standard input of the consumer; a message is a line of JSON."""

    def describe(self, **options: Any) -> Messaging:
        return Messaging("nanospan_pipe", carrier=TEXT_MAP, **options)

    def put(self, headers: dict[str, str], body: str) -> str | None:
        print(json.dumps([headers, body]), flush=True)
        return None

    def take(self, seconds: float) -> Iterator[tuple[dict[str, str], str, str | None, Acknowledge | None]]:
        for line in sys.stdin:  # which ends with the producer
            headers, body = json.loads(line)
            yield headers, body, None, None


def why_no_redis() -> str | None:
    """What is missing for Redis, or None."""
    if shutil.which("redis-server") is None:
        return "redis-server is not on the PATH"
    if importlib.util.find_spec("redis") is None:
        return "the Python package redis is not installed"
    return None


@contextmanager
def redis_server() -> Iterator[int]:
    """A Redis server that keeps nothing, and its port. Raises RuntimeError if it does not start."""
    with tempfile.TemporaryDirectory(prefix="nanospan-demo-") as folder, socket.create_server((_HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        listener.close()
        command = ["redis-server", "--port", str(port), "--bind", _HOST, "--save", "", "--appendonly", "no", "--dir", folder]
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,  # Ctrl-C in the terminal is for the demo, which ends it
        )
        try:
            deadline = time.monotonic() + _START_SECONDS
            while not _accepts(port):
                if server.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"redis-server did not start on port {port} (exit code {server.poll()})")
                time.sleep(_POLL_SECONDS)
            yield port
        finally:
            server.kill()
            server.wait()


def _accepts(port: int) -> bool:
    try:
        socket.create_connection((_HOST, port), 1).close()
    except OSError:
        return False
    return True
