"""OTLP over HTTP with protobuf bodies, by urllib3."""

from __future__ import annotations

import logging
import os
import ssl
from collections.abc import Callable, Mapping
from functools import partial

import urllib3
from opentelemetry.metrics import MeterProvider

from nanospan._shown import shown
from nanospan.export._compression import Compression, compress
from nanospan.export._delivery import Body, Delivery
from nanospan.export._endpoint import HttpEndpoint, resolve_http_endpoint
from nanospan.export._environment import (
    check_header,
    environment_headers,
    resolve_compression,
    resolve_file,
    resolve_timeout,
)
from nanospan.export._exporter import DeliveringExporter, user_agent
from nanospan.export._http_pool import new_pool, tls_context
from nanospan.export._metrics import HTTP_COMPONENT, create_exporter_metrics
from nanospan.export._reply import Reply, Verdict, reply_to_http_status
from nanospan.export._retry import Deadline
from nanospan.export._window import one_line

__all__ = ["Compression", "OTLPSpanExporter"]

logger = logging.getLogger(__name__)

DEFAULT_MAX_REQUEST_SIZE = 64 * 1024 * 1024
"""Bytes before compression."""

_MAX_ANSWER = 4 * 1024 * 1024
_MAX_ERROR_BODY = 64 * 1024
_READ_SIZE = 64 * 1024


class OTLPSpanExporter(DeliveringExporter):
    """Sends spans by OTLP/HTTP, with the arguments, variables and defaults of the official exporter.

    What is left out is read from ``OTEL_EXPORTER_OTLP_TRACES_*``, then ``OTEL_EXPORTER_OTLP_*``.

    Args:
        endpoint: URL to post to, taken as it is. Default ``http://localhost:4318/v1/traces``.
        certificate_file: PEM file (or directory) with the CAs to trust instead of the system's.
        client_key_file: PEM file with the client's private key, for mTLS.
        client_certificate_file: PEM file with the client's certificate chain, for mTLS.
        headers: Headers to add to those of the variables and, where names are equal, to prefer.
        timeout: Seconds for one batch with all its retries; default 10, 0 for no limit.
        compression: ``Compression``, its text, or the official exporter's enum. Default none.
        max_request_size: Bytes of a request before compression; a larger batch is split. Default 64 MiB, 0 for no limit.
        meter_provider: Where the exporter's own metrics go, if they are switched on; default the global one.

    ``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY`` are honoured. Redirects are not followed.

    Raises ValueError or TypeError for a wrong argument; a wrong variable is warned about and left aside.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        certificate_file: str | os.PathLike[str] | None = None,
        client_key_file: str | os.PathLike[str] | None = None,
        client_certificate_file: str | os.PathLike[str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        compression: Compression | str | None = None,
        *,
        max_request_size: int | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        if max_request_size is None:
            max_request_size = DEFAULT_MAX_REQUEST_SIZE
        elif isinstance(max_request_size, bool) or not isinstance(max_request_size, int):
            raise TypeError(f"max_request_size must be an int, not {type(max_request_size).__name__}")
        elif max_request_size < 0:
            raise ValueError(f"max_request_size must be 0 (no limit) or more, not {shown(max_request_size)}")
        seconds = resolve_timeout(timeout)
        target = resolve_http_endpoint(endpoint)
        courier = HttpCourier(
            target,
            _request_headers(headers, target),
            resolve_compression(compression),
            tls_context(
                resolve_file(certificate_file, "certificate_file", "CERTIFICATE"),
                resolve_file(client_key_file, "client_key_file", "CLIENT_KEY"),
                resolve_file(client_certificate_file, "client_certificate_file", "CLIENT_CERTIFICATE"),
            )
            if target.scheme == "https"
            else None,
        )
        metrics = create_exporter_metrics(HTTP_COMPONENT, target.host, target.port, meter_provider)
        super().__init__(Delivery(courier, metrics, seconds, logger, max_request_size))


def _request_headers(argument: Mapping[str, str] | None, endpoint: HttpEndpoint) -> dict[str, str]:
    headers = {"content-type": "application/x-protobuf", "user-agent": user_agent()}
    if endpoint.basic_auth is not None:
        headers.update(urllib3.make_headers(basic_auth=endpoint.basic_auth))
    headers.update(environment_headers())
    if argument is not None:
        if not isinstance(argument, Mapping):
            raise TypeError(f"headers must be a mapping of str to str, not {type(argument).__name__}")
        headers.update(check_header(name, value) for name, value in argument.items())
    return headers


class HttpCourier:
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
            # A buffer object goes out with Content-Length, uncopied. Retrying is the delivery's task (see
            # _retry).
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
                return _judge(response, deadline)
            finally:
                # A connection whose body was not read to its end is of no further use.
                if response.closed:
                    response.release_conn()
                else:
                    response.close()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return _broken(error)

    def _connect(self) -> Callable[..., urllib3.BaseHTTPResponse]:
        pool = self._pool = new_pool(self._endpoint, self._context)
        if isinstance(pool, urllib3.ProxyManager):
            self._urlopen = partial(pool.urlopen, url=self._endpoint.url)
        else:
            # One host: what the manager does for every request, it is asked once.
            path = urllib3.util.parse_url(self._endpoint.url).request_uri
            self._urlopen = partial(
                pool.connection_from_url(self._endpoint.url).urlopen, url=path, assert_same_host=False
            )
        return self._urlopen

    def after_fork(self) -> None:
        # Dropping closes the child's descriptors and nothing more: neither TCP nor TLS says goodbye for the
        # parent.
        self._pool = self._urlopen = None

    def close(self) -> None:
        if self._pool is not None:
            self._pool.clear()
        # What is left of the pool must go now: at the end of the interpreter it would find its modules gone.
        self._urlopen = None


def _judge(response: urllib3.BaseHTTPResponse, deadline: Deadline) -> Reply:
    body: bytes | None
    if 200 <= response.status < 300:
        # An acceptance that breaks off raises: half an acknowledgement is none.
        body, complete = _read_body(response, _MAX_ANSWER, deadline)
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
    # read1 returns what has arrived, so that a body that drips cannot outlast the deadline.
    read = getattr(response, "read1", response.read)
    while len(pieces) <= limit:
        if deadline.passed:
            raise TimeoutError("the answer did not end in time")
        piece = read(min(_READ_SIZE, limit + 1 - len(pieces)))
        if not piece:
            return bytes(pieces), True
        pieces += piece
    return bytes(pieces[:limit]), False


def _broken(error: Exception) -> Reply:
    """The reply that a failure of the connection amounts to."""
    kind = type(error).__qualname__
    text = one_line(str(error))
    if _is_for_good(error):
        return Reply(Verdict.REFUSED, error_type=kind, reason=text)
    lost = isinstance(error, urllib3.exceptions.ProtocolError | ConnectionError)
    return Reply(Verdict.RETRY, error_type=kind, reason=text, connection_lost=lost)


def _is_for_good(error: BaseException | None) -> bool:
    """Whether repeating cannot help: a certificate that does not verify, an address that cannot be."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, ssl.SSLCertVerificationError | urllib3.exceptions.LocationValueError):
            return True
        nested = next((arg for arg in error.args if isinstance(arg, BaseException)), None)
        error = nested or error.__cause__ or error.__context__
    return False
