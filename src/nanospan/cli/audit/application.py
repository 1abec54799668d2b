"""Serves an ASGI or WSGI application on a free port of this machine until standard input ends; a process of its own.

It needs no other server: what is audited is the application and its instrumentations. The first line of standard output is
a JSON object with the port and the kind, or with the problem; a second line is written when all has been sent.
"""

from __future__ import annotations

import asyncio
import importlib
import inspect
import json
import logging
import os
import socketserver
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, NoReturn, TextIO
from urllib.parse import unquote
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from opentelemetry import trace

__all__ = ["main"]

logger = logging.getLogger(__name__)

_HOST = "127.0.0.1"
_ANSWER_SECONDS = 60.0
LOGGERS = ("nanospan", "opentelemetry")


def load(target: str) -> Any:
    """The object that ``module:attribute`` names. Raises ImportError and AttributeError, and what the module raises."""
    module, _, attribute = target.partition(":")
    found: Any = importlib.import_module(module)
    for name in (attribute or "app").split("."):
        found = getattr(found, name)
    return found


def is_asgi(application: Any) -> bool:
    """Whether calling it makes a coroutine, as ASGI 3 has it."""
    if inspect.isclass(application) or inspect.iscoroutinefunction(application):
        return inspect.iscoroutinefunction(application)
    return inspect.iscoroutinefunction(getattr(application, "__call__", None))  # noqa: B004 - which method it is matters


class _LocalServer(socketserver.ThreadingMixIn, HTTPServer):
    daemon_threads = False  # requests under way are answered before the process ends

    def server_bind(self) -> None:
        # HTTPServer asks a name server for the name of the machine.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = _HOST, self.server_address[1]


class _WsgiServer(_LocalServer, WSGIServer):
    def server_bind(self) -> None:
        _LocalServer.server_bind(self)
        self.setup_environ()


class _WsgiHandler(WSGIRequestHandler):
    def get_environ(self) -> dict[str, Any]:
        return super().get_environ() | {"RAW_URI": self.path, "REQUEST_URI": self.path}  # as gunicorn and uWSGI do

    def log_message(self, format: str, *args: Any) -> None: ...


class _AsgiServer(_LocalServer):
    def __init__(self, application: Any) -> None:
        self.application = application
        self.loop = asyncio.new_event_loop()
        self.state: dict[str, Any] = {}
        self._to_lifespan: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self._lifespan = asyncio.run_coroutine_threadsafe(self._start(), self.loop).result(_ANSWER_SECONDS)
        super().__init__((_HOST, 0), _AsgiHandler)

    async def _start(self) -> asyncio.Task[Any]:
        started = asyncio.Event()

        async def send(message: dict[str, Any]) -> None:
            started.set()

        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        await self._to_lifespan.put({"type": "lifespan.startup"})

        async def live() -> None:
            await self.application(scope, self._to_lifespan.get, send)

        task = asyncio.ensure_future(live())
        # An application without a lifespan raises.
        await asyncio.wait([task, asyncio.ensure_future(started.wait())], return_when=asyncio.FIRST_COMPLETED)
        return task

    async def _end(self) -> None:
        await self._to_lifespan.put({"type": "lifespan.shutdown"})
        await asyncio.wait([self._lifespan], timeout=_ANSWER_SECONDS)
        if self._lifespan.done() and not self._lifespan.cancelled():
            self._lifespan.exception()

    def server_close(self) -> None:
        super().server_close()
        asyncio.run_coroutine_threadsafe(self._end(), self.loop).result(_ANSWER_SECONDS)


class _AsgiHandler(BaseHTTPRequestHandler):
    server: _AsgiServer

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": self.command,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode("latin-1"),
            "query_string": query.encode("latin-1"),
            "root_path": "",
            "headers": [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in self.headers.items()],
            "client": self.client_address[:2],
            "server": (_HOST, self.server.server_port),
            "state": dict(self.server.state),
        }
        done = asyncio.run_coroutine_threadsafe(self._answer(scope, body), self.server.loop)
        status, headers, content = done.result(_ANSWER_SECONDS)
        self.send_response(status)
        for name, value in headers:
            self.send_header(name.decode("latin-1"), value.decode("latin-1"))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = _serve

    async def _answer(self, scope: dict[str, Any], body: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        status, headers, content = 500, [], b""
        incoming = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            if not incoming:
                await asyncio.Event().wait()  # the client does not disconnect
            return incoming.pop()

        async def send(message: dict[str, Any]) -> None:
            nonlocal status, headers, content
            if message["type"] == "http.response.start":
                status, headers = message["status"], list(message.get("headers", ()))
            elif message["type"] == "http.response.body":
                content += message.get("body", b"")

        try:
            await self.server.application(scope, receive, send)
        except Exception:  # as a server does: logged, and answered with 500
            logger.exception("the application raised")
        return status, headers, content

    def log_message(self, format: str, *args: Any) -> None: ...


def _refuse(answers: TextIO, problem: str) -> NoReturn:
    print(json.dumps({"problem": problem}), file=answers, flush=True)
    sys.exit(1)


def main(target: str, kind: str, log: str) -> None:
    """Serve ``target``; what tracing itself logs is appended to the file ``log`` too."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the application prints is searched with standard error
    for name in LOGGERS:
        logging.getLogger(name).addHandler(logging.FileHandler(log, delay=True))
    try:
        application = load(target)
    except Exception as error:
        _refuse(answers, f"{target} cannot be loaded: {type(error).__name__}: {error}")
    if not callable(application):
        _refuse(answers, f"{target} must be an ASGI or WSGI application, not {type(application).__name__}")
    found = ("asgi" if is_asgi(application) else "wsgi") if kind == "detect" else kind
    server: _LocalServer
    if found == "asgi":
        server = _AsgiServer(application)
    else:
        server = _WsgiServer((_HOST, 0), _WsgiHandler)
        server.set_app(application)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    print(json.dumps({"port": server.server_port, "kind": found}), file=answers, flush=True)
    sys.stdin.read()
    server.shutdown()
    server.server_close()
    # Handlers of the exit send too, but not while a thread of the application runs on.
    if (flush := getattr(trace.get_tracer_provider(), "force_flush", None)) is not None:
        flush()
    print(file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
