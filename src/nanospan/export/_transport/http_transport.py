"""The transport of OTLP over HTTP: one POST over a kept-alive connection of urllib3, and its reply."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import partial

import urllib3

from nanospan._common.log import one_line
from nanospan.export._delivery.backoff import Deadline
from nanospan.export._delivery.delivery import Body
from nanospan.export._delivery.reply import Reply, Verdict, reply_to_http_status
from nanospan.export._settings.compression import Compression, compress
from nanospan.export._settings.endpoint import HttpEndpoint
from nanospan.export._transport.http_pool import new_pool

__all__ = ["HttpTransport"]

_MAX_BODY = 4 * 1024 * 1024
_MAX_ERROR_BODY = 64 * 1024
_READ_SIZE = 64 * 1024


class HttpTransport:
    """Posts requests over kept-alive connections."""

    def __init__(
        self,
        endpoint: HttpEndpoint,
        headers: dict[str, str],
        compression: Compression,
        context: ssl.SSLContext | None,
    ) -> None:
        self._endpoint = endpoint
        self._compression = compression
        self._headers = headers
        if compression is not Compression.NoCompression:
            self._headers.setdefault("content-encoding", compression.value)
        self._context = context
        self._pool: urllib3.PoolManager | None = None
        self._urlopen: Callable[..., urllib3.BaseHTTPResponse] | None = None

    @property
    def display(self) -> str:
        return self._endpoint.display

    def pack(self, request: memoryview) -> Body:
        return compress(request, self._compression)

    def send(self, body: Body, timeout: float | None) -> Reply:
        urlopen = self._urlopen or self._connect()
        deadline = Deadline(timeout)
        try:
            # A buffer object is sent without a copy, with Content-Length. `Delivery` retries.
            response = urlopen(
                "POST",
                body=body,
                headers=self._headers,
                timeout=urllib3.Timeout(total=timeout),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            try:
                return _reply_to_response(response, deadline)
            finally:
                # A connection with an unread body cannot be reused.
                if response.closed:
                    response.release_conn()
                else:
                    response.close()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return _reply_to_error(error)

    def _connect(self) -> Callable[..., urllib3.BaseHTTPResponse]:
        pool = self._pool = new_pool(self._endpoint, self._context)
        if isinstance(pool, urllib3.ProxyManager):
            self._urlopen = partial(pool.urlopen, url=self._endpoint.url)
        else:
            # With one host, the lookup of the manager is done once instead of per request.
            path = urllib3.util.parse_url(self._endpoint.url).request_uri
            self._urlopen = partial(
                pool.connection_from_url(self._endpoint.url).urlopen, url=path, assert_same_host=False
            )
        return self._urlopen

    def after_fork(self) -> None:
        # Dropping the pool closes the child's descriptors only, without a TCP or TLS shutdown of the parent's connections.
        self._pool = self._urlopen = None

    def close(self) -> None:
        if self._pool is not None:
            self._pool.clear()
        # Release the pool now: at interpreter shutdown its modules may be gone.
        self._urlopen = None


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
        except (urllib3.exceptions.HTTPError, OSError):
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
    # read1 returns the available bytes, so that a slow body cannot exceed the deadline.
    read = getattr(response, "read1", response.read)
    while len(pieces) <= limit:
        if deadline.passed:
            raise TimeoutError("the answer did not end in time")
        piece = read(min(_READ_SIZE, limit + 1 - len(pieces)))
        if not piece:
            return bytes(pieces), True
        pieces += piece
    return bytes(pieces[:limit]), False


def _reply_to_error(error: Exception) -> Reply:
    """The reply for a connection error."""
    kind = type(error).__qualname__
    text = one_line(str(error))
    if _is_permanent(error):
        return Reply(Verdict.REFUSED, error_type=kind, reason=text)
    lost = isinstance(error, urllib3.exceptions.ProtocolError | ConnectionError)
    return Reply(Verdict.RETRY, error_type=kind, reason=text, connection_lost=lost)


def _is_permanent(error: BaseException | None) -> bool:
    """Whether a retry cannot help: an untrusted certificate or an invalid address."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, ssl.SSLCertVerificationError | urllib3.exceptions.LocationValueError):
            return True
        nested = next((arg for arg in error.args if isinstance(arg, BaseException)), None)
        error = nested or error.__cause__ or error.__context__
    return False
