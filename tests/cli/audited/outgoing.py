"""What each audited application does in a request: it calls another service with each client, and lets secrets slip."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import aiohttp
import httpx
import requests
import urllib3
from opentelemetry import trace


class _Other(BaseHTTPRequestHandler):
    """A service that logs in whom it is asked for."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Set-Cookie", self.headers.get("Cookie", "s=none"))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None: ...


_server = ThreadingHTTPServer(("127.0.0.1", 0), _Other)
threading.Thread(target=_server.serve_forever, daemon=True).start()


def call_all(query: str, headers: Mapping[str, str], body: bytes) -> None:
    """Call the other service as the application's own user, and record what a careless programmer records."""
    given = {name.lower(): value for name, value in headers.items()}
    if "x-api-key" not in given:
        return
    secret = given["x-api-key"]
    sent = {name: given[name] for name in ("authorization", "cookie", "x-api-key", "x-amz-security-token")}
    url = f"http://127.0.0.1:{_server.server_port}/other?{query}"
    with_user = url.replace("//", f"//audit:{secret}@")
    for client in (with_user, url):
        requests.get(client, headers=sent, timeout=30)
        httpx.get(client, headers=sent)
        urllib3.PoolManager().request("GET", client, headers=sent)
        asyncio.run(_with_aiohttp(client, sent))
    tracer = trace.get_tracer("shop")
    with tracer.start_as_current_span(f"login {with_user}") as span:
        span.set_attribute("db.query.text", f"SELECT id FROM users WHERE password = '{secret}' AND active")
        span.set_attribute("shop.settings", [f'{{"client_secret": "{secret}"}}', "keep=ok"])
        span.add_event("login", {"shop.query": query, "shop.body": body.decode()})
        span.add_link(span.get_span_context(), {"shop.target": with_user})
        try:
            raise ValueError(f"login failed: password={secret}")
        except ValueError as error:
            span.record_exception(error)
            span.set_status(trace.StatusCode.ERROR, str(error))


async def _with_aiohttp(url: str, headers: dict[str, str]) -> None:
    # It refuses user and password in the URL beside this header.
    own = {name: value for name, value in headers.items() if "@" not in url or name != "authorization"}
    async with aiohttp.ClientSession() as session, session.get(url, headers=own) as response:
        await response.read()
