"""The demo's web service: a checkout over HTTP that answers from SQLite, one request being 30 spans.

The queries run against a database in memory; sleeps replace the network.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer

__all__ = ["DECLINE_EVERY", "SERVICE_NAME", "SPANS_A_REQUEST", "CheckoutServer"]

SERVICE_NAME = "shop"
CHECKOUT_PATH = "/checkout"
SPANS_A_REQUEST = 30
DECLINE_EVERY = 20
"""One payment in this many is declined, and its trace has an error."""


class PaymentDeclined(Exception):
    """The payment provider declined; recorded in the span of the call."""


@dataclass(frozen=True, slots=True)
class _Step:
    """One piece of work and one span; ``wait_ms`` stands for the network."""

    name: str
    kind: SpanKind = SpanKind.INTERNAL
    wait_ms: float = 0.0
    query: str | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    children: Sequence[_Step] = ()


def _own(name: str, *children: _Step, **facts: str | int | float) -> _Step:
    attributes = {f"shop.{key}": value for key, value in facts.items()}
    attributes |= {"shop.tenant": "t-104", "shop.channel": "web", "shop.currency": "EUR"}
    return _Step(name, attributes=attributes, children=children)


def _db(name: str, query: str, wait_ms: float) -> _Step:
    return _Step(name, SpanKind.CLIENT, wait_ms, query, {"db.system.name": "sqlite", "db.namespace": "shop"})


def _call(method: str, host: str, path: str, wait_ms: float) -> _Step:
    attributes = {
        "http.request.method": method,
        "http.response.status_code": 200,
        "server.address": host,
        "url.path": path,
    }
    return _Step(f"{method} {path}", SpanKind.CLIENT, wait_ms, None, attributes)


_PAY = "POST /charges"

_STEPS = (
    _own(
        "auth.verify_session",
        _db("SELECT session", "SELECT customer FROM session WHERE id = ?", 0.3),
        _own("auth.check_signature", algorithm="HS256"),
        method="cookie",
    ),
    _own(
        "cart.load",
        _db("SELECT cart", "SELECT * FROM cart WHERE id = ?", 0.4),
        _db("SELECT cart_item", "SELECT * FROM cart_item WHERE cart = ?", 0.5),
        _own(
            "cart.price",
            *(_db("SELECT price", "SELECT amount FROM price WHERE id = ?", 0.2) for _ in range(4)),
            price_list="2026-summer",
        ),
        items=4,
    ),
    _own(
        "inventory.reserve",
        *(_db("UPDATE stock", "UPDATE stock SET held = held + 1 WHERE id = ?", 0.2) for _ in range(4)),
        warehouse="north",
    ),
    _own("tax.calculate", _call("GET", "tax.internal", "/rates", 0.7), country="NL"),
    _own(
        "payment.charge",
        _own("fraud.score", _db("SELECT payment", "SELECT * FROM payment WHERE id = ?", 0.3), score=0.07),
        _call("POST", "pay.example.com", "/charges", 1.5),
        _db("INSERT payment", "INSERT OR REPLACE INTO payment VALUES (?, 1)", 0.3),
        amount=129.9,
    ),
    _own(
        "order.create",
        _db("INSERT orders", "INSERT OR REPLACE INTO orders VALUES (?, 1)", 0.4),
        _db("SELECT orders", "SELECT * FROM orders WHERE id = ?", 0.3),
        number_format="yearly",
    ),
    _Step(
        "publish orders",
        SpanKind.PRODUCER,
        0.2,
        attributes={"messaging.destination.name": "orders", "messaging.operation.type": "send"},
    ),
    _own("email.render", template="receipt"),
    _own("response.serialize", body_size=512),
)

_TABLES = ("session", "cart", "cart_item", "price", "stock", "payment", "orders")
_COLUMNS = {"session": "customer", "cart_item": "cart", "price": "amount", "stock": "held"}
_ROWS = 64


class CheckoutServer:
    """Serves ``POST /checkout`` on 127.0.0.1 from construction until `stop`, `SPANS_A_REQUEST` spans each."""

    def __init__(self, tracer: Tracer) -> None:
        self._http = _Http(("127.0.0.1", 0), tracer)
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, name="checkout", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        return self._http.server_address[1]

    @property
    def served(self) -> int:
        """Requests answered so far."""
        return self._http.served

    def stop(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], tracer: Tracer) -> None:
        self.tracer = tracer
        self.served = 0
        self._numbers = iter(range(1, 1 << 62))
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def next_number(self) -> int:
        with self._lock:
            return next(self._numbers)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report what a handler raised, unless the client is gone: Ctrl-C ends it in the middle of a request."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    def count_served(self) -> None:
        with self._lock:
            self.served += 1


class _Handler(BaseHTTPRequestHandler):
    server: _Http
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        # The handler, and so its database, lives as long as its keep-alive connection.
        self._database = _open_database()

    def finish(self) -> None:
        self._database.close()
        super().finish()

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        number = self.server.next_number()
        attributes: dict[str, Any] = {
            "http.request.method": "POST",
            "http.route": CHECKOUT_PATH,
            "url.path": self.path,
            "url.scheme": "http",
            "server.port": self.server.server_address[1],
            "client.address": self.client_address[0],
            "user_agent.original": self.headers.get("User-Agent", ""),
            "network.protocol.version": "1.1",
            "checkout.number": number,
        }
        # The span ends before the response is sent: all spans have ended when the client has read the last response.
        with self.server.tracer.start_as_current_span(
            f"POST {CHECKOUT_PATH}", kind=SpanKind.SERVER, attributes=attributes
        ) as span:
            declined = _run_each(self._run, _STEPS, number)
            status = 200
            if declined is not None:
                status = 402
                span.set_status(Status(StatusCode.ERROR, str(declined)))
            span.set_attribute("http.response.status_code", status)
        self.server.count_served()
        self._answer(status, number)

    def _run(self, step: _Step, number: int) -> PaymentDeclined | None:
        attributes: dict[str, Any] = {
            **step.attributes,
            "shop.customer.tier": "gold",
            "shop.region": "eu-1",
            "shop.release": "2.4.1",
            "shop.retry": False,
            "code.function.name": f"shop.{step.name.replace(' ', '_')}",
            "thread.id": threading.get_ident(),
        }
        if step.query is not None:
            attributes["db.query.text"] = step.query
        declined = None
        with self.server.tracer.start_as_current_span(step.name, kind=step.kind, attributes=attributes) as span:
            if step.query is not None:
                rows = self._database.execute(step.query, (number % _ROWS,)).fetchall()
                span.set_attribute("db.response.returned_rows", len(rows))
            if step.wait_ms:
                time.sleep(step.wait_ms / 1e3)
            else:
                hashlib.sha256(step.name.encode() * 64).digest()
            if step.name == _PAY and number % DECLINE_EVERY == 0:
                declined = PaymentDeclined("card declined by the issuer")
                span.set_attribute("http.response.status_code", 402)
                span.record_exception(declined)
            declined = _run_each(self._run, step.children, number) or declined
            if declined is not None:
                span.set_status(Status(StatusCode.ERROR, str(declined)))
        return declined

    def _answer(self, status: int, number: int) -> None:
        body = json.dumps({"order": number, "paid": status == 200}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _run_each(
    run: Callable[[_Step, int], PaymentDeclined | None], steps: Sequence[_Step], number: int
) -> PaymentDeclined | None:
    """Runs every step, even after a declined payment, so that each request is the same number of spans."""
    declined = None
    for step in steps:
        declined = run(step, number) or declined
    return declined


def _open_database() -> sqlite3.Connection:
    database = sqlite3.connect(":memory:", check_same_thread=False, isolation_level=None)
    for table in _TABLES:
        database.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, {_COLUMNS.get(table, 'state')})")
        database.executemany(f"INSERT INTO {table} VALUES (?, 1)", [(row,) for row in range(_ROWS)])
    return database
