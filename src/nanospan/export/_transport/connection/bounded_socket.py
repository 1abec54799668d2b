"""A connected socket whose every operation ends at one deadline, also if data trickles in byte by byte.

A socket's own timeout bounds each system call, not their sum, and costs more of them: with a timeout CPython polls before
each call, and to set one is a call, too. Each releases the interpreter lock, which another, busy thread returns after a
switch interval (5 ms). So the socket does not block, and a request costs one call to send, one to wait, and one to read.
"""

from __future__ import annotations

import io
import re
import socket
import ssl
import struct
from typing import Any

from nanospan.export._delivery.backoff import Deadline
from nanospan.export._transport.connection.connecting import wait_for_io

__all__ = ["BoundedSocket"]

_EXCERPT = 64
_READ_SIZE = 64 * 1024
_INTERIM = re.compile(rb"HTTP/1\.\d 1\d\d[^\n]*\n(?:[^\r\n][^\n]*\n)*\r?\n")
_INTERIM_BEGUN = re.compile(rb"(?=HTTP/1\.\d 1|.{0,9}\Z)", re.DOTALL)

_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

_ESTABLISHED = 1
_TCP_INFO = getattr(socket, "TCP_INFO", None)
_TCP_INFO_SIZE = 136
_BYTES_RECEIVED = struct.Struct("=128xQ")
"""``tcpi_bytes_received`` of Linux's ``struct tcp_info``; the first byte is ``tcpi_state``."""


class BoundedSocket:
    """What http.client and urllib3 use of a socket, over a plain or TLS one.

    ``deadline`` bounds the operations and is replaced for each request. Raises TimeoutError when it has passed.
    """

    def __init__(self, sock: Any, deadline: Deadline) -> None:
        self._sock = sock
        self.deadline = deadline
        # TLS within the TLS of a proxy (urllib3's SSLTransport) loses data if it does not block.
        self._blocks = not isinstance(sock, (socket.socket, ssl.SSLSocket))
        self._is_plain = not self._blocks and not isinstance(sock, ssl.SSLSocket)
        if not self._blocks:
            sock.settimeout(0.0)
        self._early = b""
        self._received = 0
        self._reader: _Reader | None = None
        self._closing = False
        self.started = b""
        """The first bytes of the answer, to say what it is if it is not HTTP."""
        self.broke_off = False
        """Whether the last request was not sent to its end, since the answer came earlier or the peer went away."""

    def begin(self, deadline: Deadline) -> None:
        """Begin a request."""
        self.deadline = deadline
        self.started = b""
        self.broke_off = False

    @property
    def is_idle(self) -> bool:
        """Whether the connection is open and holds nothing unread, as one that waits for its next request must.

        Without a system call that releases the interpreter lock where the kernel's count of received bytes is at hand: it
        equals what was read, unless bytes arrived that nobody asked for, or the end of the stream.
        """
        if self._is_plain and self._received and self._kernel_says_idle():
            return True
        try:
            if self._sock_pending():
                return False
            wait_for_io(self._sock.fileno(), True, False, 0.0)
        except TimeoutError:
            return True
        except (OSError, ValueError):
            return False
        return False

    def _kernel_says_idle(self) -> bool:
        if _TCP_INFO is None:
            return False
        try:
            info = self._sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _TCP_INFO_SIZE)
        except OSError:
            return False
        if len(info) < _TCP_INFO_SIZE or info[0] != _ESTABLISHED:
            return False
        return bool(_BYTES_RECEIVED.unpack_from(info)[0] == self._received)

    def _sock_pending(self) -> int:
        pending = getattr(self._sock, "pending", None)
        return 0 if pending is None else int(pending())

    # --- sending ------------------------------------------------------------------------------------------------------

    def sendmsg(self, buffers: list[Any]) -> None:
        """Send all of ``buffers``, or up to where the peer answers before the end, or breaks the connection.

        After a broken connection its answer may be readable still: a receiver that refuses a request for its size does not
        wait for its end.
        """
        views = [memoryview(buffer).cast("B") for buffer in buffers]
        try:
            if self._is_plain:
                self._send_plain(views)
            else:
                # One record instead of two; the encryption copies anyway.
                self._send_tls(views[0] if len(views) == 1 else memoryview(b"".join(views)))
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            self.broke_off = True

    def sendall(self, data: Any) -> None:
        self.sendmsg([data])

    def _send_plain(self, views: list[memoryview]) -> None:
        while views:
            try:
                sent = self._sock.sendmsg(views)
            except BlockingIOError:
                if self._answered_while_full():
                    return
                continue
            while views and sent >= len(views[0]):
                sent -= len(views.pop(0))
            if views:
                views[0] = views[0][sent:]

    def _send_tls(self, data: memoryview) -> None:
        while data:
            if self._blocks:
                self._set_timeout()
            try:
                data = data[self._sock.send(data) :]
            except ssl.SSLWantReadError:
                wait_for_io(self._sock.fileno(), True, False, self._patience())
            except ssl.SSLWantWriteError:
                if self._answered_while_full():
                    return

    def _answered_while_full(self) -> bool:
        """Wait for room in the send buffer. True if a final answer has begun instead, or the peer has closed."""
        if not wait_for_io(self._sock.fileno(), True, True, self._patience()):
            return False
        try:
            piece = self._sock.recv(_READ_SIZE)
        except _WOULD_BLOCK:
            return False  # a record of TLS that holds no data
        self._received += len(piece)
        self._early += piece
        while interim := _INTERIM.match(self._early):
            self._early = self._early[interim.end() :]
        # An interim answer, such as 100 Continue, asks to go on.
        if piece and _INTERIM_BEGUN.match(self._early):
            return False
        self.broke_off = True
        return True

    # --- reading ------------------------------------------------------------------------------------------------------

    def recv_into(self, buffer: Any) -> int:
        """Read what is there, at least one byte; 0 at the end of the stream."""
        view = memoryview(buffer).cast("B")
        if self._early:
            count = min(len(view), len(self._early))
            view[:count], self._early = self._early[:count], self._early[count:]
        else:
            count = self._receive(view)
            self._received += count
        if len(self.started) < _EXCERPT:
            self.started += bytes(view[: min(count, _EXCERPT - len(self.started))])
        return count

    def _receive(self, view: memoryview) -> int:
        if self._blocks:
            self._set_timeout()
            return int(self._sock.recv_into(view))
        write = False
        while True:
            patience = self._patience()
            if write or not self._sock_pending():
                wait_for_io(self._sock.fileno(), not write, write, patience)
            try:
                return int(self._sock.recv_into(view))
            except (BlockingIOError, ssl.SSLWantReadError):
                write = False
            except ssl.SSLWantWriteError:
                write = True

    def _patience(self) -> float | None:
        left = self.deadline.remaining()
        if left == 0.0:
            raise TimeoutError("timed out")
        return left

    def _set_timeout(self) -> None:
        self._sock.settimeout(self._patience())

    # --- the rest of a socket -----------------------------------------------------------------------------------------

    def makefile(self, mode: str, *arguments: Any, **options: Any) -> io.BufferedReader:
        self._reader = _Reader(self)
        return _CheckedReader(self._reader)

    def settimeout(self, timeout: float | None) -> None:
        """Nothing: the deadline decides."""

    def fileno(self) -> int:
        return int(self._sock.fileno())

    def shutdown(self, how: int) -> None:
        self._sock.shutdown(how)

    def close(self) -> None:
        """Close the socket, now or when the answer has been read, as a socket does that has a file."""
        self._closing = True
        if self._reader is None:
            self._sock.close()

    def reader_closed(self, left_over: bool) -> None:
        """The answer has been read. ``left_over``: bytes followed it, so that no answer after it can be trusted."""
        self._reader = None  # it refers to this socket, and only the collector of cycles would free the two
        if left_over:
            self.broke_off = True
        if self._closing:
            self._sock.close()


class _Reader(io.RawIOBase):
    """The stream of the socket, for one answer."""

    def __init__(self, sock: BoundedSocket) -> None:
        self._sock = sock
        self.finished = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return 0 if self.finished else self._sock.recv_into(buffer)


class _CheckedReader(io.BufferedReader):
    """Tells the socket what is left in the buffer when the answer has been read."""

    def __init__(self, raw: _Reader) -> None:
        super().__init__(raw)
        self._stream = raw

    def close(self) -> None:
        if not self.closed:
            self._stream.finished = True  # a look into the buffer must not read
            left_over = bool(self.peek(1))
            super().close()
            self._stream._sock.reader_closed(left_over)
