"""The far side of every package: an OTLP receiver, a model that answers, and whatever else is posted to, kept as it is."""

from __future__ import annotations

import gzip
import json
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from support.extra_packages import Collector

_USAGE = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}


class Backend:
    """Listens at ``url``. OTLP, at any path that ends in ``/v1/traces``, goes on to ``collector``; a context manager."""

    def __init__(self) -> None:
        self.collector = Collector()
        self.posted: list[tuple[str, bytes]] = []
        """Path and body, decompressed, of all other requests, in their order."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.backend = self  # type: ignore[attr-defined]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Backend:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.collector.stop()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_POST(self) -> None:
        backend: Backend = self.server.backend  # type: ignore[attr-defined]
        path = self.path.partition("?")[0]
        body = self._body()
        if path.endswith("/v1/traces"):
            names = ("Content-Type", "Content-Encoding")
            headers = {name: self.headers[name] for name in names if name in self.headers}
            with urllib.request.urlopen(urllib.request.Request(backend.collector.endpoint_http, body, headers)) as answer:
                self._answer(answer.status, answer.read(), answer.headers["Content-Type"])
            return
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        if path.endswith("/chat/completions"):
            self._complete(json.loads(body))
            return
        backend.posted.append((path, body))
        self._answer_json({"itemsReceived": body.count(b"\n") + 1, "itemsAccepted": body.count(b"\n") + 1, "errors": []})

    def do_GET(self) -> None:
        self._answer_json({})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _complete(self, request: dict[str, Any]) -> None:
        """A chat completion of one word, in a stream if asked for; the model `refused` is."""
        if request["model"] == "refused":
            self._answer_json({"error": {"message": "no such model", "type": "invalid_request_error"}}, 404)
            return
        base = {"id": "c-1", "created": 1, "model": "m"}
        if request.get("stream"):
            choices = [{"index": 0, "delta": {"role": "assistant", "content": "word"}, "finish_reason": None}]
            ends = [{"index": 0, "delta": {}, "finish_reason": "stop"}]
            chunks = [{**base, "object": "chat.completion.chunk", "choices": part} for part in (choices, ends)]
            lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
            self._answer(200, "".join([*lines, "data: [DONE]\n\n"]).encode(), "text/event-stream")
            return
        message = {"index": 0, "message": {"role": "assistant", "content": "word"}, "finish_reason": "stop"}
        self._answer_json({**base, "object": "chat.completion", "choices": [message], "usage": _USAGE})

    def _answer_json(self, content: object, status: int = 200) -> None:
        self._answer(status, json.dumps(content).encode(), "application/json")

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        pass
