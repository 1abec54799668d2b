"""Odd answers over HTTP, in each way of use: nanospan's pipeline, its exporter behind the stock processor, the official one
adopted.

Each kind says what must be delivered, over how many requests; no way may raise, hang, lose count, or log the names of
classes.
"""

from __future__ import annotations

import fcntl
import logging
import select
import socket
import sys
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import pytest
from support.accounting import given_time
from support.receivers import (
    WAIT,
    HttpReceiver,
    Request,
    answer,
    head,
    levels,
    names,
    partial_success,
    raw,
    reset_when_closed,
)
from support.transports import WAYS, Http, Pipeline

from nanospan.export._delivery.backoff import Deadline
from nanospan.export._transport.connection.bounded_socket import BoundedSocket

TIMEOUT = WAIT / 2
SHORT = 0.4
"""The timeout where the kind is that nothing, or no end, comes."""
SLACK = WAIT / 2
"""Seconds that a busy machine may add."""

LARGE = "x" * 4_000_000
"""More than the send buffer of a socket and the receive buffer of its peer hold."""

_SETTINGS_FRAME = bytes.fromhex("000018040000000000") + bytes(24)


class Early:
    """A step that is due before the body has been read: a function of the connection, the receiver and the stream."""

    def __init__(self, act: Callable[[socket.socket, HttpReceiver, BinaryIO], bool]) -> None:
        self.act = act

    def __call__(self, connection: socket.socket, server: HttpReceiver) -> bool:
        raise AssertionError("due before the body has been read")


class OddReceiver(HttpReceiver):
    def serve(self, connection: socket.socket, stream: BinaryIO, request: Request) -> bool:
        step = self._next_step()
        if isinstance(step, Early):
            with self._changed:
                self.requests.append(request)
                self._changed.notify_all()
            return step.act(connection, self, stream)
        return super().serve(connection, stream, request)

    def say(self, text: bytes, close: bool = False) -> None:
        """Write to the connections that are open and idle. What is sent over loopback has arrived when this returns."""
        with self._changed:
            for connection in self._open.values():
                connection.sendall(text)
                if close:
                    connection.shutdown(socket.SHUT_RDWR)


def then(text: bytes, keep: bool = True) -> Any:
    """Send these very bytes; the connection stays open."""
    return lambda connection, server: connection.sendall(text) or keep


def wait_until_full(connection: socket.socket) -> None:
    """Wait until the client cannot send on: nothing more arrives in a while."""
    before, arrived = -1, 0
    while before != arrived or not arrived:
        time.sleep(0.05)
        before, arrived = arrived, int.from_bytes(fcntl.ioctl(connection, termios.FIONREAD, bytes(4)), sys.byteorder)


@Early
def refused_while_it_sends(connection: socket.socket, server: HttpReceiver, stream: BinaryIO) -> bool:
    """413 after a part of the body, and a close, which resets since the rest is unread."""
    stream.read(1000)
    connection.sendall(head(413, 0))
    return False


@Early
def refused_and_left_open(connection: socket.socket, server: HttpReceiver, stream: BinaryIO) -> bool:
    """413 from a receiver that neither reads the rest nor closes."""
    connection.sendall(head(413, 0))
    server.stopping.wait(TIMEOUT)
    return False


@Early
def asked_to_go_on(connection: socket.socket, server: HttpReceiver, stream: BinaryIO) -> bool:
    """100 Continue while the client's buffers are full, then the rest is read and accepted."""
    wait_until_full(connection)
    connection.sendall(b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 10")
    connection.sendall(b"0 Continue\r\nX: y\r\n\r\n")
    server.requests[-1].raw = stream.read(server.requests[-1].length)
    connection.sendall(head(200, 0))
    return True


def endless(piece: bytes, start: bytes = b"") -> Any:
    """``start``, then ``piece`` again and again, with a pause that is shorter than any timeout."""

    def step(connection: socket.socket, server: HttpReceiver) -> bool:
        connection.sendall(start)
        while not server.stopping.wait(0.02):
            connection.sendall(piece)
        return False

    return step


@dataclass(frozen=True)
class Kind:
    """A kind of answer. Expectations: the batches that are acknowledged, and the requests made for them."""

    script: list[Any]
    acknowledged: int = 1
    requests: int = 1
    batches: int = 1
    idle: Callable[[OddReceiver], None] | None = None
    """What the receiver does between two batches."""
    large: bool = False
    timeout: float = TIMEOUT
    says: str = ""
    """What a line of the log must hold."""
    adopted: dict[str, int] = field(default_factory=dict)
    """Where requests, over which the official exporter sends, does otherwise."""


OK = answer(200)
EMPTY_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


KINDS: dict[str, Kind] = {
    # Written to a kept connection on which no request is under way.
    "408 and close on the idle connection": Kind(
        [OK], 2, 2, 2, lambda r: r.say(head(408, 0, Connection="close"), close=True)
    ),
    "413 on the idle connection": Kind([OK], 2, 2, 2, lambda r: r.say(head(413, 0))),
    "200 on the idle connection": Kind([OK], 2, 2, 2, lambda r: r.say(EMPTY_OK)),
    "one byte on the idle connection": Kind([OK], 2, 2, 2, lambda r: r.say(b"H")),
    "end of the idle connection": Kind([OK], 2, 2, 2, lambda r: r.say(b"", close=True)),
    "an answer behind the answer": Kind([then(EMPTY_OK + head(413, 0)), OK], 2, 2, 2),
    "half an answer behind the answer": Kind([then(EMPTY_OK + b"HTTP/1.1 4"), OK], 2, 2, 2),
    # Said of the idle connection while the request was under way.
    "408 on the kept connection": Kind(
        [OK, answer(408, close=True), OK], 2, 3, 2, adopted={"acknowledged": 1, "requests": 2}
    ),
    "reset on the kept connection": Kind([OK, lambda c, s: bool(reset_when_closed(c)), OK], 2, 3, 2),
    # Interim answers.
    "100": Kind([then(b"HTTP/1.1 100 Continue\r\n\r\n" + EMPTY_OK)]),
    "103": Kind([then(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + EMPTY_OK)], adopted={"acknowledged": 0}),
    "100, 102, 103": Kind(
        [then(b"".join(b"HTTP/1.1 %d x\r\nA: b\r\n\r\n" % code for code in (100, 102, 103)) + EMPTY_OK)],
        adopted={"acknowledged": 0},
    ),
    "101": Kind([then(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n")], 0),
    "interim answers without end": Kind(
        [endless(b"HTTP/1.1 100 Continue\r\n\r\n")], 0, timeout=SHORT, says="did not answer"
    ),
    "100 while the request is sent": Kind([asked_to_go_on], large=True, adopted={"acknowledged": 0}),
    # Answers before the request has been read.
    "413, then a reset": Kind([refused_while_it_sends], 0, large=True, says="413"),
    "413 and no more reading": Kind([refused_and_left_open], 0, large=True, says="413", timeout=1.5, adopted={"said": 0}),
    # Refusals.
    "400 with a page": Kind(
        [answer(400, b"<html><body><h1>Bad</h1> gateway</body></html>")], 0, says="400 Scripted: Bad gateway"
    ),
    "408": Kind([answer(408)], 0),
    "413": Kind([answer(413)], 0, says="413"),
    "429, then accepted": Kind([answer(429), OK], requests=2),
    "503 with a delay": Kind([answer(503, Retry_After="0"), OK], requests=2),
    "redirect": Kind([answer(308, Location="/elsewhere")], 0, says="redirects are not followed"),
    # Acceptances.
    "204": Kind([answer(204)]),
    "200 of unknown length": Kind([raw(b"HTTP/1.0 200 OK\r\n\r\n")]),
    "200 in chunks, with a trailer": Kind([then(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n\r\n")]),
    "200 with garbage": Kind([answer(200, b"thanks")], says="cannot be read"),
    "200 with a message": Kind([answer(200, partial_success(0, "old"))], says="old"),
    "200 that breaks off": Kind([raw(head(200, 100) + b"half"), OK], requests=2),
    "200 with a cookie": Kind([answer(200, Set_Cookie="a=b"), OK], 2, 2, 2),
    # No answer.
    "closed without an answer": Kind([raw(b""), OK], requests=2),
    "head byte by byte": Kind([endless(b"x", b"HTTP/1.1 200 OK\r\nA: ")], 0, timeout=SHORT, says="did not answer"),
    "body byte by byte": Kind([endless(b"x", head(200, 10**6))], 0, timeout=SHORT, says="did not answer"),
    "silence": Kind([endless(b"")], 0, timeout=SHORT, says="did not answer"),
    # Something else than HTTP/1.
    "a gRPC port": Kind([raw(_SETTINGS_FRAME)], 0, says="looks like a gRPC port", timeout=3),
    "an SSH port, then accepted": Kind([raw(b"SSH-2.0-x\r\n"), OK], requests=2),
    "a TLS port": Kind([raw(b"\x15\x03\x03\x00\x02\x02\x46")], 0, says="https://"),
    "a length that is none": Kind([then(b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", keep=False)]),
    "a chunk that is none": Kind([raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), OK], requests=2),
}


@pytest.mark.parametrize("resets", [False, True])
def test_an_answer_before_the_request_is_read_although_the_peer_is_gone(resets: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        peer, _ = listener.accept()
        peer.sendall(head(413, 0))
        if resets:
            reset_when_closed(peer)
        peer.close()
        over = select.poll()
        over.register(client, select.POLLRDHUP)
        assert over.poll(WAIT * 1000)
    sock = BoundedSocket(client, Deadline(WAIT))
    sock.sendmsg([b"head", LARGE.encode()])
    assert sock.broke_off, "not to be used again"
    assert sock.makefile("rb").read() == head(413, 0)
    sock.close()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_http(kind: str, way: str, no_backoff: list[int], caplog: pytest.LogCaptureFixture) -> None:
    given_time(KINDS[kind].timeout, lambda timeout: check_http(KINDS[kind], timeout, way, caplog))


def check_http(case: Kind, timeout: float, way: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.clear()
    expected = {"acknowledged": case.acknowledged, "requests": case.requests, "said": 1}
    if way == "adopted":
        expected |= case.adopted
    with OddReceiver(list(case.script)) as receiver:
        pipeline = Pipeline(way, Http(), endpoint=receiver.url, timeout=timeout)
        began = time.monotonic()
        for number in range(case.batches):
            if number and case.idle is not None:
                case.idle(receiver)
            pipeline.send(LARGE if case.large else "")
        took = time.monotonic() - began
        requests = list(receiver.requests)
        pipeline.check_account(expected["acknowledged"])
        pipeline.provider.shutdown()
    if way != "adopted":
        assert len(requests) == expected["requests"]
    assert took < timeout + SLACK
    assert not any("cookie" in request.headers for request in requests) or way == "adopted"
    assert not case.large or requests[0].length > len(LARGE)
    if expected["acknowledged"]:
        assert names(requests[-1].raw) == [f"s{pipeline.sent - 1}"]
    if expected["said"]:
        assert case.says in caplog.text
    assert (logging.ERROR in levels(caplog)) == (expected["acknowledged"] < case.batches)
