"""A collector that answers when the test lets it, and keeps only what a client has lived to see acknowledged."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import BinaryIO

from support.receivers import HttpServer, Request, answer

__all__ = ["PatientCollector"]


class PatientCollector(HttpServer):
    """Calls ``before_answer(body, wait_until)`` when a request has been read, and then answers it.

    ``wait_until(condition)`` returns when the condition holds or when the client has gone. What a client sends that ends
    before it has the answer counts as lost: how much of it the kernel still delivers is a matter of luck.
    """

    def __init__(self, before_answer: Callable[[bytes, Callable[[Callable[[], bool]], None]], None]) -> None:
        self.bodies: list[bytes] = []
        """Of the requests that were answered."""
        self._before_answer = before_answer
        super().__init__()

    def __enter__(self) -> PatientCollector:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def endpoint_http(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/traces"

    def serve(self, connection: socket.socket, stream: BinaryIO, request: Request) -> bool:
        request.raw = stream.read(request.length)

        def wait_until(condition: Callable[[], bool]) -> None:
            while not (condition() or has_left(connection) or self.stopping.is_set()):
                time.sleep(0.005)

        self._before_answer(request.body, wait_until)
        if has_left(connection):
            return False
        self.bodies.append(request.body)
        return answer(200)(connection, self)


def has_left(connection: socket.socket) -> bool:
    """Whether the client, which waits for an answer, has closed the connection."""
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
