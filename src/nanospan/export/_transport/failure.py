"""The failure of a connection as a sentence, for logs: host, port and cause instead of the names of classes.

Errors of urllib3 and requests wrap each other, and their texts show objects. The innermost cause says what happened.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from collections.abc import Iterator
from typing import NamedTuple

import urllib3.exceptions

from nanospan._common.log import one_line
from nanospan.export._settings.tls import describe_tls_error

__all__ = ["Failure", "Peer", "explain"]

HTTP_PORT = 4318
GRPC_PORT = 4317

_HTTP2_SETTINGS = 4
_TLS_RECORD = re.compile(rb"[\x14-\x17]\x03[\x00-\x04]", re.DOTALL)
_PRIVATE = re.compile(r"<[^<>]*>|\b(?:\w+\.)*_\w+(?:\.\w+)*\([^()]*\)|(?<![\w])_\w+")
_SPEAKS_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL"})
_NO_COMMON_PROTOCOL = "TLSV1_ALERT_NO_APPLICATION_PROTOCOL"


class Failure(NamedTuple):
    """Why an attempt failed."""

    reason: str
    """One line, without names of classes."""
    is_permanent: bool = False
    """Whether another attempt cannot help: an untrusted certificate, an invalid address, a port of another protocol."""
    connection_lost: bool = False
    """Whether an open connection broke."""


def place_of(host: str, port: int) -> str:
    """``host:port``, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class Peer(NamedTuple):
    """Whom a connection was made to, and how."""

    scheme: str
    """``http`` or ``https``."""
    host: str
    port: int

    @property
    def place(self) -> str:
        return place_of(self.host, self.port)


def explain(error: BaseException, peer: Peer, step: str = "", started: bytes = b"") -> Failure:
    """The failure that ``error`` stands for, in an exchange with ``peer``.

    ``step`` is the one it happened in: ``lookup``, ``connect``, ``tunnel``, ``tls``, ``answer``, or empty if that is not
    known. ``started`` is how the answer began.
    """
    for cause in reversed(list(_causes(error))):
        if (found := _explain_one(cause, peer, step, started)) is not None:
            return found
    return Failure(_public(str(error)) or f"the exchange with {peer.place} failed")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """``error`` and the errors that it wraps, the innermost last."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        nested = next((arg for arg in current.args if isinstance(arg, BaseException)), None)
        reason = getattr(current, "reason", None)
        if nested is None and isinstance(reason, BaseException):
            nested = reason
        current = nested or current.__cause__ or current.__context__


def _explain_one(error: BaseException, peer: Peer, step: str, started: bytes) -> Failure | None:
    place, host = peer.place, peer.host
    if isinstance(error, socket.gaierror):
        return Failure(f"the name {host} cannot be resolved: {error.strerror or 'no answer'}")
    if isinstance(error, UnicodeError | urllib3.exceptions.LocationValueError):
        return Failure(f"{host!r} is not a valid host name", is_permanent=True)
    if isinstance(error, ssl.SSLError):
        return _tls_failure(error, peer)
    if isinstance(error, http.client.RemoteDisconnected):
        hint = f"; 4317 is the port of gRPC, did you mean {_http_port(peer)}?" if peer.port == GRPC_PORT else ""
        return Failure(f"{place} closed the connection without an answer{hint}", connection_lost=True)
    if isinstance(error, http.client.BadStatusLine):
        # What requests read has gone no other way; http.client keeps the line as text.
        return not_http(peer, started or str(getattr(error, "line", "")).encode("latin-1", "replace"))
    if isinstance(error, http.client.UnknownProtocol):
        return not_http(peer, started)
    if isinstance(error, http.client.IncompleteRead | urllib3.exceptions.IncompleteRead):
        return Failure(f"{place} broke off its answer", connection_lost=True)
    if isinstance(error, http.client.HTTPException | urllib3.exceptions.DecodeError):
        return Failure(f"{place} gave an answer that breaks the rules of HTTP ({_public(str(error)) or 'no details'})")
    if isinstance(error, TimeoutError | urllib3.exceptions.TimeoutError):
        return Failure(_timed_out(host, place, step))
    if isinstance(error, OSError) and error.errno is not None:
        return _broken(error, place, step)
    if isinstance(error, OSError) and step == "tunnel":
        # http.client: "Tunnel connection failed: 407 Proxy Authentication Required"
        text = _public(str(error)).removeprefix("Tunnel connection failed: ")
        return Failure(f"the proxy did not connect to {place}: {text}")
    return None


def _timed_out(host: str, place: str, step: str) -> str:
    if step == "lookup":
        return f"the name {host} was not resolved within the time"
    if step == "connect":
        return f"no connection to {place} within the time"
    if step == "tunnel":
        return f"the proxy made no connection to {place} within the time"
    if step == "tls":
        return f"{place} did not agree on TLS within the time"
    return f"{place} did not answer within the time"


def _broken(error: OSError, place: str, step: str) -> Failure:
    what = one_line(error.strerror or "")
    if isinstance(error, ConnectionResetError | BrokenPipeError | ConnectionAbortedError):
        return Failure(f"{place} broke the connection: {what}", connection_lost=True)
    if step in ("", "connect") or isinstance(error, ConnectionRefusedError):
        return Failure(f"no connection to {place}: {what}", connection_lost=isinstance(error, ConnectionError))
    return Failure(f"the connection to {place} failed: {what}")


def _tls_failure(error: ssl.SSLError, peer: Peer) -> Failure:
    text, place = describe_tls_error(error), peer.place
    if isinstance(error, ssl.SSLCertVerificationError):
        return Failure(f"the certificate of {place} is not accepted: {text}", is_permanent=True)
    if error.reason in _SPEAKS_NO_TLS:
        hint = f"{place} does not speak TLS; did you mean http://{place}?"
        return Failure(f"{hint} ({text})")
    if error.reason == _NO_COMMON_PROTOCOL:
        return Failure(f"{_grpc_port(peer)} ({text})", is_permanent=True)
    lost = isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError)
    return Failure(f"TLS with {place} failed: {text}", connection_lost=lost)


def not_http(peer: Peer, started: bytes) -> Failure:
    """The failure for an answer that began with ``started`` instead of a status line of HTTP/1."""
    place = peer.place
    if _is_http2(started):
        return Failure(_grpc_port(peer), is_permanent=True)
    if _TLS_RECORD.match(started):
        return Failure(f"{place} speaks TLS; did you mean https://{place}?", is_permanent=True)
    if excerpt := one_line(started, 40):
        return Failure(f"the answer of {place} is not HTTP/1.1: it begins with {excerpt!r}", connection_lost=True)
    return Failure(f"{place} did not answer in HTTP/1.1", connection_lost=True)


def _is_http2(started: bytes) -> bool:
    """Whether the bytes are the SETTINGS frame that an HTTP/2 server sends first (RFC 9113, 3.4 and 6.5)."""
    return (
        len(started) >= 9
        and started[3] == _HTTP2_SETTINGS
        and started[5:9] == bytes(4)
        and int.from_bytes(started[:3], "big") % 6 == 0
    )


def _grpc_port(peer: Peer) -> str:
    """What to say about a port that speaks HTTP/2 only."""
    hint = f"did you mean {_http_port(peer)}?"
    return f"{peer.place} looks like a gRPC port: this exporter sends OTLP over HTTP/1.1; {hint}"


def _http_port(peer: Peer) -> str:
    return f"{peer.scheme}://{place_of(peer.host, HTTP_PORT)}"


def _public(text: str) -> str:
    """``text`` as one line without the texts of objects and names that begin with an underscore."""
    return one_line(_PRIVATE.sub("", text)).strip(" :,")
