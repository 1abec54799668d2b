"""The HTTP side of the failing receiver: a raw socket, so that every kind of failure can be played."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import BinaryIO

from faults import Schedule, Strike
from journal import Arrival, Journal
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

__all__ = ["HttpSide", "partial_success"]

MAX_HANG = 15.0


def partial_success(rejected: int) -> bytes:
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = rejected
    answer.partial_success.error_message = "as planned"
    return answer.SerializeToString()


@dataclass
class Exchange:
    """One request that has been read, and the connection to answer on."""

    connection: socket.socket
    arrival: Arrival
    strike: Strike
    stopping: threading.Event

    def send(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.connection.sendall(_head(status, len(body), **headers) + body)

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
        _reset(self.connection)
        return False


def _head(status: int, length: int, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} Planned", f"Content-Length: {length}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


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
    exchange.connection.sendall(_head(200, 1000) + b"half")
    return exchange.reset("broken")


def _stale_connection(exchange: Exchange) -> bool:
    exchange.acknowledge()
    return False


def _drip(exchange: Exchange) -> bool:
    body = partial_success(0)
    try:
        for octet in _head(200, len(body))[:-1] + b"\n" + body:
            exchange.connection.sendall(bytes([octet]))
            exchange.stopping.wait(0.005)
    except OSError:
        exchange.arrival.settle("broken")
        raise
    exchange.arrival.settle("acknowledged")
    return True


def _partial_success(exchange: Exchange) -> bool:
    asked = exchange.strike.chance.randint(1, 20)
    return exchange.acknowledge(partial_success(asked), min(asked, exchange.arrival.spans))


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


class HttpSide:
    """Listens on a port of 127.0.0.1, with pauses in which nobody does."""

    def __init__(self, journal: Journal, schedule: Schedule) -> None:
        self._journal = journal
        self._schedule = schedule
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        outages = self._schedule.outages("http")
        while not self._stopping.is_set():
            self._accept_until(time.monotonic() + (outages.uniform(3, 15) if outages else 3600))
            if outages is None or self._stopping.is_set():
                continue
            self._listener.close()
            self._journal.note(outage="http")
            self._stopping.wait(outages.uniform(0.2, 3))
            self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)

    def _accept_until(self, end: float) -> None:
        self._listener.settimeout(0.1)
        while time.monotonic() < end and not self._stopping.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            connection.settimeout(None)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        # A client that breaks off, or was killed, is nothing to report.
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as stream:
            while self._one(connection, stream):
                pass

    def _one(self, connection: socket.socket, stream: BinaryIO) -> bool:
        if not stream.readline():
            return False
        headers: dict[str, str] = {}
        while line := stream.readline().decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        length = int(headers.get("content-length", 0))
        strike = self._schedule.next("http", headers.get("soak-service", ""))
        if strike.fault == "cut":
            stream.read(length // 2)
            _reset(connection)
            return False
        body = stream.read(length)
        if len(body) < length:
            self._journal.note(cut_off="http")  # the sender was killed within its request
            return False
        arrival = self._journal.arrive("http", headers.get("soak-service", ""), strike.fault, body)
        return ANSWERS[strike.fault](Exchange(connection, arrival, strike, self._stopping))
