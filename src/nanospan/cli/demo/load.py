"""The demo's client, run in a process of its own: ``python -m nanospan.cli.demo.load --port P --requests N``.

Sends requests over a few keep-alive connections, each as soon as the one before is answered, and prints one
line of JSON at the end: ``{"answered": n, "failed": n, "seconds": s}``.
"""

from __future__ import annotations

import argparse
import http.client
import json
import threading
import time

from nanospan.cli.demo.checkout_service import CHECKOUT_PATH

TIMEOUT_SECONDS = 30.0


class _Load:
    """The state that the client threads share: remaining requests and results."""

    def __init__(self, port: int, requests: int, seconds: float) -> None:
        self.answered = 0
        self.failed = 0
        self._port = port
        self._left = requests
        self._deadline = time.monotonic() + seconds
        self._lock = threading.Lock()

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_SECONDS)
        while self._take():
            try:
                connection.request("POST", CHECKOUT_PATH, b'{"cart": 1}', {"Content-Type": "application/json"})
                connection.getresponse().read()
            except (OSError, http.client.HTTPException):
                connection.close()
                self._note(ok=False)
            else:
                self._note(ok=True)
        connection.close()

    def _take(self) -> bool:
        with self._lock:
            if self._left == 0 or time.monotonic() >= self._deadline:
                return False
            self._left -= 1
            return True

    def _note(self, *, ok: bool) -> None:
        with self._lock:
            self.answered += ok
            self.failed += not ok


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m nanospan.cli.demo.load")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--requests", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--threads", type=int, default=3)
    arguments = parser.parse_args()
    load = _Load(arguments.port, arguments.requests, arguments.seconds)
    started = time.monotonic()
    threads = [threading.Thread(target=load.run) for _ in range(arguments.threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - started
    print(json.dumps({"answered": load.answered, "failed": load.failed, "seconds": seconds}))


if __name__ == "__main__":
    main()
