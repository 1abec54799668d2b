"""A pre-forking HTTP server: the parent makes provider, processor and socket, the children serve.

Reports its port, serves until SIGTERM, then ends its workers with the same signal and waits for them.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import FrameType

from app import App, report

WORKERS = 3


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def do_GET(self) -> None:
        with app.tracer.start_as_current_span(f"request{self.path}"):
            app.tracer.start_span(f"query{self.path}").end()
            body = str(os.getpid()).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
        # After the span, so that whoever has the answer knows the span to be ended.
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def leave(number: int, frame: FrameType | None) -> None:
    sys.exit(0)


def main() -> None:
    app.end_spans("master", 1)
    server = HTTPServer(("127.0.0.1", 0), Handler)
    signal.signal(signal.SIGTERM, leave)  # before the forks: the signal may meet a worker that has only begun
    workers = []
    for _ in range(WORKERS):
        pid = os.fork()
        if pid == 0:
            server.serve_forever()
        workers.append(pid)
    report(port=server.server_port)
    try:
        while True:
            time.sleep(0.1)  # not pause(): see sigint in exits.py
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGTERM)
        for pid in workers:
            report(child_code=os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


if __name__ == "__main__":
    app = App()
    main()
