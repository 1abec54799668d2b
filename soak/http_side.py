"""The HTTP side of the failing receiver: a raw socket, so that every kind of failure can be played."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import BinaryIO

from faults import Schedule, Strike
from journal import Arrival, Journal
from support.receivers import HttpServer, Request, head, partial_success, reset_when_closed

__all__ = ["HttpSide"]

MAX_HANG = 15.0


@dataclass
class Exchange:
    """One request that has been read, and the connection to answer on."""

    connection: socket.socket
    arrival: Arrival
    strike: Strike
    stopping: threading.Event

    def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.connection.sendall(head(status, len(body), **headers) + body)

    def acknowledge(self, body: bytes = b"", rejected: int = 0) -> bool:
        try:
            self.send(200, body)
        except OSError:
            self.arrival.settle("broken")
            raise
        self.arrival.settle("acknowledged", rejected)
        return True

    def refuse(self, fate: str, status: int, **headers: str) -> bool:
        self.send(status, b"as planned", **headers)
        self.arrival.settle(fate)
        return True

    def reset(self, fate: str) -> bool:
        self.arrival.settle(fate)
        reset_when_closed(self.connection)
        return False


def _slow(exchange: Exchange) -> bool:
    exchange.stopping.wait(exchange.strike.chance.uniform(0.05, 1.0))
    return exchange.acknowledge()


def _late(exchange: Exchange) -> bool:
    exchange.stopping.wait(exchange.strike.chance.uniform(1.0, 6.0))
    return exchange.acknowledge()


def _hang(exchange: Exchange) -> bool:
    exchange.arrival.settle("silent")
    exchange.stopping.wait(MAX_HANG)
    return False


def _reset_in_the_answer(exchange: Exchange) -> bool:
    exchange.connection.sendall(head(200, 1000) + b"half")
    return exchange.reset("broken")


def _stale_connection(exchange: Exchange) -> bool:
    exchange.acknowledge()
    return False


def _drip(exchange: Exchange) -> bool:
    body = partial_success(0, "as planned")
    try:
        for octet in head(200, len(body)) + body:
            exchange.connection.sendall(bytes([octet]))
            exchange.stopping.wait(0.005)
    except OSError:
        exchange.arrival.settle("broken")
        raise
    exchange.arrival.settle("acknowledged")
    return True


def _partial_success(exchange: Exchange) -> bool:
    asked = exchange.strike.chance.randint(1, 20)
    return exchange.acknowledge(partial_success(asked, "as planned"), min(asked, exchange.arrival.spans))


def _garbage(exchange: Exchange) -> bool:
    # Settled first: once the client has read it, its next attempt may be here before this thread runs again.
    exchange.arrival.settle("silent")
    exchange.connection.sendall(bytes(exchange.strike.chance.randbytes(40)).replace(b"HTTP", b"") + b"\r\n\r\n")
    return False


ANSWERS: dict[str, Callable[[Exchange], bool]] = {
    "ok": Exchange.acknowledge,
    "slow": _slow,
    "late": _late,
    "hang": _hang,
    "reset": lambda exchange: exchange.reset("silent"),
    "reset in the answer": _reset_in_the_answer,
    "stale connection": _stale_connection,
    "drip": _drip,
    "400": lambda exchange: exchange.refuse("refused", 400),
    "413": lambda exchange: exchange.refuse("again", 413),
    "429": lambda exchange: exchange.refuse("again", 429, Retry_After="0"),
    "502": lambda exchange: exchange.refuse("again", 502),
    "503 with Retry-After": lambda exchange: exchange.refuse("again", 503, Retry_After="1"),
    "503 with a date": lambda exchange: exchange.refuse("again", 503, Retry_After=formatdate(usegmt=True)),
    "504": lambda exchange: exchange.refuse("again", 504),
    "partial success": _partial_success,
    "garbage": _garbage,
    "garbage body": lambda exchange: exchange.acknowledge(b"\xff\xff\xff"),
}


class HttpSide(HttpServer):
    """Listens on a port of 127.0.0.1, with pauses in which nobody does."""

    def __init__(self, journal: Journal, schedule: Schedule) -> None:
        self._journal = journal
        self._schedule = schedule
        super().__init__()
        self._thread = threading.Thread(target=self._have_outages, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.stopping.set()
        self._thread.join()
        self.close()

    def _have_outages(self) -> None:
        outages = self._schedule.outages("http")
        while outages and not self.stopping.wait(outages.uniform(3, 15)):
            self.stop_listening()
            self._journal.note(outage="http")
            self.stopping.wait(outages.uniform(0.2, 3))
            self.listen()

    def serve(self, connection: socket.socket, stream: BinaryIO, request: Request) -> bool:
        service = request.headers.get("soak-service", "")
        strike = self._schedule.next("http", service)
        if strike.fault == "cut":
            stream.read(request.length // 2)
            reset_when_closed(connection)
            return False
        body = stream.read(request.length)
        if len(body) < request.length:
            self._journal.note(cut_off="http")  # the sender was killed within its request
            return False
        arrival = self._journal.arrive("http", service, strike.fault, body)
        return ANSWERS[strike.fault](Exchange(connection, arrival, strike, self.stopping))
