"""AWS Lambda's Runtime API, as far as its runtime interface client for Python uses it, with one function's events.

As Lambda does, the test stops the process with `freeze` when it asks for the next event, and continues it with `thaw`.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue
from typing import Any

from support.accounting import WAIT, wait_until

API = "/2018-06-01/runtime"


class RuntimeApi:
    """Hands out events, and keeps what the function has answered."""

    def __init__(self) -> None:
        self.events: Queue[tuple[dict[str, str], bytes] | None] = Queue()
        self.answers: dict[str, tuple[str, Any]] = {}
        """By the event's id: "response" or "error", and what it says."""
        self.polls = 0
        """How often the runtime has asked for the next event."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": self}))
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.events.put(None)
        self._server.shutdown()
        self._server.server_close()

    def send(self, event: Any, seconds: float = WAIT) -> str:
        """Let the runtime have an event, which it has so long for; its id."""
        number = str(time.monotonic_ns())
        headers = {
            "Lambda-Runtime-Aws-Request-Id": number,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + seconds) * 1e3)),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:eu-central-1:000000000000:function:hosts",
            "Lambda-Runtime-Trace-Id": "Root=1-00000001-000000000000000000000001;Parent=0000000000000001;Sampled=1",
            "Content-Type": "application/json",
        }
        self.events.put((headers, json.dumps(event).encode()))
        return number

    def freeze(self, pid: int, polls: int) -> None:
        """Stop the process as soon as it has asked for an event so often."""
        wait_until(lambda: self.polls >= polls, f"{polls} requests for an event")
        os.kill(pid, signal.SIGSTOP)

    def thaw(self, pid: int) -> None:
        os.kill(pid, signal.SIGCONT)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: RuntimeApi

    def do_GET(self) -> None:
        assert self.path == f"{API}/invocation/next", self.path
        self.api.polls += 1
        event = self.api.events.get()
        self._answer(410, {}, b"") if event is None else self._answer(200, *event)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        *_, number, kind = self.path.split("/")
        self.api.answers[number] = kind, json.loads(body)
        self._answer(202, {}, b"{}")

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def runtime_api() -> Iterator[RuntimeApi]:
    api = RuntimeApi()
    try:
        yield api
    finally:
        api.close()
