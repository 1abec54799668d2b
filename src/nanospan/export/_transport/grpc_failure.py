"""What grpcio says about a failed call, and what it means where the port speaks another protocol."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from nanospan._common.log import one_line

__all__ = ["failure_reason"]

HTTP_PORT = 4318
GRPC_PORT = 4317

_NOT_HTTP2 = re.compile(r"Failed parsing HTTP/2 \(Expected SETTINGS frame as the first frame, got frame type (\d+)\)")
_HTTP1 = re.compile(r"Trying to connect an http1\.x server")
_FROM_HTTP1 = frozenset({ord("P"), ord("O"), ord("M"), ord("T"), ord("m"), ord("t")})
"""The fourth byte, which grpcio takes for a type of frame, of ``HTTP/1.1``, ``<!DOCTYPE html>`` and ``<html>``."""
_NO_TLS = "WRONG_VERSION_NUMBER"
_CLOSED = re.compile(r"failed to connect to all addresses.*(?:Socket closed|Connection reset)")


def failure_reason(code: str, details: str, target: str) -> str:
    """The failure as one line: status and details of the call, or what they say about the port of ``target``."""
    text = one_line(f"{code}: {details or 'no details'}")
    host, port = _host_and_port(target)
    place = target.rpartition("/")[2]
    other = f"http://{host}:{GRPC_PORT}" if port != GRPC_PORT else f"the OTLP/HTTP exporter with http://{host}:{port}"
    frame = _NOT_HTTP2.search(details)
    if _HTTP1.search(details) or (frame is not None and int(frame[1]) in _FROM_HTTP1):
        return f"{place} looks like an HTTP port: this exporter sends OTLP over gRPC; did you mean {other}? ({text})"
    if frame is not None:
        return f"{place} does not speak gRPC ({text})"
    if _NO_TLS in details:
        return f"{place} does not speak TLS; did you mean http://{place}, or insecure? ({text})"
    if port == HTTP_PORT and _CLOSED.search(details):
        return f"{place} closes connections of gRPC, and 4318 is the port of OTLP over HTTP; did you mean {other}? ({text})"
    return text


def _host_and_port(target: str) -> tuple[str, int | None]:
    try:
        parts = urlsplit("//" + target.rpartition("/")[2])
        host, port = parts.hostname or target, parts.port
    except ValueError:
        return target, None
    return (f"[{host}]" if ":" in host else host), port
