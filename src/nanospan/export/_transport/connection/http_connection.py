"""Connections of the HTTP exporter: urllib3's, with one deadline over everything and a minimum of system calls."""

from __future__ import annotations

import http.client
from typing import Any

import urllib3.connection

from nanospan.export._delivery.backoff import Deadline
from nanospan.export._transport.connection.bounded_socket import BoundedSocket
from nanospan.export._transport.connection.connecting import connect_to_one
from nanospan.export._transport.connection.name_lookup import look_up

__all__ = ["HttpConnection", "HttpsConnection"]

_MAX_HEADER_LINES = 100
_MAX_LINE = 65536
_SWITCHING_PROTOCOLS = 101


class _Response(http.client.HTTPResponse):
    """An answer behind any number of interim ones: http.client skips 100 and takes 103 for the final one."""

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, reason = super()._read_status()  # type: ignore[misc]  # not in typeshed
            if not 100 <= status < 200 or status == _SWITCHING_PROTOCOLS:
                return version, status, reason
            for _ in range(_MAX_HEADER_LINES):
                if self.fp.readline(_MAX_LINE) in (b"\r\n", b"\n", b""):
                    break
            else:
                raise http.client.HTTPException("an interim answer of too many lines")


class _Bounded(urllib3.connection.HTTPConnection):
    """The connection until its end at ``deadline``: look-up, addresses, tunnel, TLS, request, answer.

    Headers and body are sent in one call. ``step`` says what it is about, for the message of a failure.
    """

    response_class = _Response
    deadline: Deadline
    step = ""
    _started = b""
    _head = b""
    _collecting = False

    def open(self, deadline: Deadline) -> None:
        """Connect, through a tunnel and with TLS if they are set."""
        self.deadline = deadline
        self.step = "lookup"
        self.connect()
        if self.sock is None:
            raise ConnectionError("the connection was closed while it was being made")
        self.sock = BoundedSocket(self.sock, deadline)

    def begin(self, deadline: Deadline) -> None:
        """Begin a request on the open connection, to be answered before ``deadline``."""
        self.deadline = deadline
        self.step = "answer"
        self._bounded().begin(deadline)

    @property
    def is_idle(self) -> bool:
        """Whether the connection may carry another request."""
        return self.is_open and self._bounded().is_idle

    @property
    def is_open(self) -> bool:
        """Whether the connection is open, and the last request and its answer went over it to their ends."""
        return isinstance(self.sock, BoundedSocket) and not self.sock.broke_off

    @property
    def started(self) -> bytes:
        """How the answer began."""
        return self.sock.started if isinstance(self.sock, BoundedSocket) else self._started

    def _bounded(self) -> BoundedSocket:
        assert isinstance(self.sock, BoundedSocket)
        return self.sock

    def _new_conn(self) -> Any:
        addresses = look_up(self._dns_host, self.port, self.deadline)
        self.step = "connect"
        sock = connect_to_one(addresses, self.socket_options or (), self.deadline)
        # For the handshake, which CPython bounds as a whole.
        sock.settimeout(self._patience())
        self.step = "tls"
        return sock

    def _patience(self) -> float | None:
        left = self.deadline.remaining()
        if left == 0.0:
            raise TimeoutError("timed out")
        return left

    def _tunnel(self) -> None:
        self.step = "tunnel"
        plain: Any = self.sock
        self.sock = bounded = BoundedSocket(plain, self.deadline)
        try:
            super()._tunnel()
        finally:
            if self.sock is bounded:
                self.sock = plain
        plain.settimeout(self._patience())
        self.step = "tls"

    def endheaders(self, *arguments: Any, **options: Any) -> None:
        self._collecting = True
        try:
            super().endheaders(*arguments, **options)
        finally:
            self._collecting = False

    def send(self, data: Any) -> None:
        if self._collecting:
            self._head += data
            return
        head, self._head = self._head, b""
        if self.sock is None:
            raise ConnectionError("the connection is closed")
        if head:
            self._bounded().sendmsg([head, data])
        else:
            self.sock.sendall(data)

    def close(self) -> None:
        # http.client closes before it raises for an answer that is not HTTP.
        self._started = self.started
        self._head = b""
        super().close()


class HttpConnection(_Bounded):
    """A connection without TLS, to a receiver or to a proxy."""


class HttpsConnection(_Bounded, urllib3.connection.HTTPSConnection):
    """A connection with TLS, direct or through the tunnel of a proxy."""
