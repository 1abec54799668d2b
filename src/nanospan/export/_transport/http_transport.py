"""The transport of OTLP over HTTP: one POST over a kept-alive connection, and its reply."""

from __future__ import annotations

import http.client
import ssl
from dataclasses import replace

import urllib3

from nanospan.export._delivery.backoff import Deadline
from nanospan.export._delivery.delivery import Body
from nanospan.export._delivery.reply import Reply, Verdict, reply_to_http_status
from nanospan.export._settings.compression import Compression, compress
from nanospan.export._settings.endpoint import TRACES_PATH, HttpEndpoint
from nanospan.export._settings.watched_files import WatchedFiles
from nanospan.export._transport.connection.http_connection import HttpConnection, HttpsConnection
from nanospan.export._transport.connection.http_pool import HttpPool
from nanospan.export._transport.failure import Peer, explain

__all__ = ["HttpTransport"]

_MAX_BODY = 4 * 1024 * 1024
_MAX_ERROR_BODY = 64 * 1024
_READ_SIZE = 64 * 1024
_REQUEST_TIMEOUT = 408
_NOT_THERE = (404, 405)

_ERRORS = (urllib3.exceptions.HTTPError, http.client.HTTPException, OSError, UnicodeError)
"""What a connection raises. UnicodeError: a host name that IDNA has no form for."""


class HttpTransport:
    """Posts requests over kept-alive connections.

    ``context`` has the TLS context for an https endpoint.
    """

    def __init__(
        self,
        endpoint: HttpEndpoint,
        headers: dict[str, str],
        compression: Compression,
        context: WatchedFiles[ssl.SSLContext] | None,
    ) -> None:
        self._endpoint = endpoint
        self._compression = compression
        self._headers = headers
        if compression is not Compression.NoCompression:
            self._headers.setdefault("content-encoding", compression.value)
        self._context = context
        self._pool: HttpPool | None = None

    @property
    def display(self) -> str:
        return self._endpoint.display

    def pack(self, request: memoryview) -> Body:
        return compress(request, self._compression)

    def send(self, body: Body, timeout: float | None) -> Reply:
        deadline = Deadline(timeout)
        pool = self._pool
        if pool is None:
            pool = self._pool = HttpPool(self._endpoint, self._context)
        connection = pool.take()
        is_kept = connection is not None
        if connection is None:
            connection = pool.new()
        try:
            if not is_kept:
                connection.open(deadline)
            connection.begin(deadline)
            connection.request(
                "POST",
                pool.target,
                body,  # type: ignore[arg-type]  # any buffer is sent as it is, with Content-Length
                self._headers | pool.proxy_headers,
                preload_content=False,
            )
            response = connection.getresponse()
            reply = self._with_hint(_reply_to_response(response, deadline))
        except _ERRORS as error:
            reply = self._reply_to_error(error, connection)
            connection.close()
            return reply
        except BaseException:
            connection.close()
            raise
        if response.closed:
            pool.keep(connection)
        else:
            # A connection with an unread body cannot be used again.
            response.close()
            connection.close()
        if is_kept and reply.status.get("http.response.status_code") == _REQUEST_TIMEOUT:
            # Said of the idle connection while this request was on its way (RFC 9110, 15.5.9): it may be repeated.
            return Reply(Verdict.RETRY, reply.error_type, reply.reason, status=reply.status, connection_lost=True)
        return reply

    def _with_hint(self, reply: Reply) -> Reply:
        """Says the path of OTLP where there is nothing to post to at another one."""
        if reply.status.get("http.response.status_code") not in _NOT_THERE:
            return reply
        url = self._endpoint.display.rstrip("/")
        base = url.removesuffix(TRACES_PATH)
        meant = url + TRACES_PATH if base == url else base
        if base != url and not base.endswith(TRACES_PATH):
            return reply
        return replace(reply, reason=f"{reply.reason}; did you mean {meant}?")

    def _reply_to_error(self, error: Exception, connection: HttpConnection | HttpsConnection) -> Reply:
        """The reply for a connection error."""
        step = connection.step
        if step in ("lookup", "connect") and self._pool is not None:
            peer = self._pool.peer
        else:
            peer = Peer(self._endpoint.scheme, self._endpoint.host, self._endpoint.port)
        failure = explain(error, peer, step, connection.started)
        return Reply(
            Verdict.REFUSED if failure.is_permanent else Verdict.RETRY,
            error_type=type(error).__qualname__,
            reason=failure.reason,
            connection_lost=failure.connection_lost,
        )

    def after_fork(self) -> None:
        # This closes the child's descriptors only, without a TCP or TLS shutdown of the parent's connections.
        self.close()

    def close(self) -> None:
        # Release the pool now: at interpreter shutdown its modules may be gone.
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()


def _reply_to_response(response: urllib3.BaseHTTPResponse, deadline: Deadline) -> Reply:
    body: bytes | None
    if 200 <= response.status < 300:
        # An incomplete body raises: an incomplete acknowledgement is none.
        body, complete = _read_body(response, _MAX_BODY, deadline)
        if not complete:
            body = None
    else:
        try:
            body, _ = _read_body(response, _MAX_ERROR_BODY, deadline)
        except _ERRORS:
            body = b""
    return reply_to_http_status(
        response.status,
        response.reason,
        response.headers.get("retry-after"),
        response.headers.get("location"),
        body,
    )


def _read_body(response: urllib3.BaseHTTPResponse, limit: int, deadline: Deadline) -> tuple[bytes, bool]:
    """The body and True, or its first ``limit`` bytes and False."""
    pieces = bytearray()
    # read1 returns the available bytes; the deadline is that of the socket, and is checked here for what is buffered.
    read = getattr(response, "read1", response.read)
    while len(pieces) <= limit:
        if deadline.passed:
            raise TimeoutError("the answer did not end in time")
        piece = read(min(_READ_SIZE, limit + 1 - len(pieces)))
        if not piece:
            return bytes(pieces), True
        pieces += piece
    return bytes(pieces[:limit]), False
