"""Endpoints from arguments and variables, parsed once.

(Specification: protocol/exporter.md, "Endpoint URLs for OTLP/HTTP" and the endpoint rules for gRPC.)
"""

from __future__ import annotations

import logging
import re
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from nanospan.export._settings.environment import read, resolve_insecure

__all__ = ["GrpcEndpoint", "HttpEndpoint", "parse_http_url", "resolve_grpc_endpoint", "resolve_http_endpoint"]

logger = logging.getLogger(__name__)

_DEFAULT_HTTP = "http://localhost:4318"
_DEFAULT_GRPC = "localhost:4317"
_TRACES_PATH = "/v1/traces"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_USERINFO = re.compile(r"//[^/?#]*@")
_RESOLVER = re.compile(r"(?:dns|unix|unix-abstract|vsock|ipv4|ipv6|xds|passthrough):", re.IGNORECASE)


class HttpEndpoint(NamedTuple):
    """An OTLP/HTTP endpoint."""

    url: str
    """The URL to post to, without user and password."""
    display: str
    """The URL for logs, without user, password and query."""
    scheme: str
    host: str
    port: int
    basic_auth: str | None
    """``user:password``, if the URL has them."""


class GrpcEndpoint(NamedTuple):
    """An OTLP/gRPC endpoint."""

    target: str
    """The name that grpcio connects to."""
    insecure: bool
    """Whether the connection is made without TLS."""
    address: str | None
    port: int | None


def resolve_http_endpoint(argument: str | None) -> HttpEndpoint:
    """The endpoint of the HTTP exporter, default ``http://localhost:4318/v1/traces``.

    ``/v1/traces`` is appended to the general variable, not to the argument or the variable for traces. Raises ValueError for
    an argument that is not an HTTP URL.
    """
    if argument:
        try:
            return parse_http_url(argument)
        except ValueError as error:
            raise ValueError(f"endpoint {error}") from None
    setting = read("ENDPOINT")
    if setting is not None:
        url = setting.value.removesuffix("/") + _TRACES_PATH if setting.is_general else setting.value
        try:
            return parse_http_url(url)
        except ValueError as error:
            logger.warning("%s %s; using %s", setting.variable, error, _DEFAULT_HTTP + _TRACES_PATH)
    return parse_http_url(_DEFAULT_HTTP + _TRACES_PATH)


def parse_http_url(url: str) -> HttpEndpoint:
    """Parse an OTLP/HTTP URL. Raises ValueError with a message without credentials."""
    if not isinstance(url, str):
        raise ValueError(f"must be a str, not {type(url).__name__}")
    parts, port = _split(url.strip())
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise ValueError(f"must be a URL such as {_DEFAULT_HTTP + _TRACES_PATH}, not {_without_userinfo(url)}")
    netloc = parts.netloc.rpartition("@")[2]
    basic_auth = None
    if parts.username is not None:
        basic_auth = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return HttpEndpoint(
        url=parts._replace(netloc=netloc, fragment="").geturl(),
        display=f"{parts.scheme}://{netloc}{parts.path}",
        scheme=parts.scheme,
        host=parts.hostname,
        port=_DEFAULT_PORTS[parts.scheme] if port is None else port,
        basic_auth=basic_auth,
    )


def _without_userinfo(url: str) -> str:
    return repr(_USERINFO.sub("//", url))


def _split(url: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url)
        return parts, parts.port
    except ValueError:
        raise ValueError(f"must be a URL with a valid host and port, not {_without_userinfo(url)}") from None


def resolve_grpc_endpoint(argument: str | None, insecure: bool | None) -> GrpcEndpoint:
    """The endpoint of the gRPC exporter, default ``localhost:4317`` without TLS.

    A scheme of ``http://`` or ``https://`` decides about TLS; a path after the host is ignored. Without such a scheme the
    ``insecure`` argument decides, then the INSECURE variables, then the default, TLS. ``dns:``, ``unix:`` and grpcio's other
    target schemes are kept. Raises ValueError for an invalid argument.
    """
    without_tls = resolve_insecure(insecure)
    if argument:
        if not isinstance(argument, str):
            raise TypeError(f"endpoint must be a str, not {type(argument).__name__}")
        try:
            return _parse_grpc(argument.strip(), without_tls)
        except ValueError as error:
            raise ValueError(f"endpoint {error}") from None
    if (setting := read("ENDPOINT")) is not None:
        try:
            return _parse_grpc(setting.value, without_tls)
        except ValueError as error:
            logger.warning("%s %s; using %s", setting.variable, error, _DEFAULT_GRPC)
    return _parse_grpc(_DEFAULT_GRPC, True if without_tls is None else without_tls)


def _parse_grpc(text: str, insecure: bool | None) -> GrpcEndpoint:
    if _RESOLVER.match(text):
        resolver, _, rest = text.partition(":")
        if resolver.lower() != "dns":
            return GrpcEndpoint(text, bool(insecure), rest or None, None)
        parts, port = _split("//" + rest.rpartition("/")[2])
        return GrpcEndpoint(text, bool(insecure), parts.hostname, port)
    parts, port = _split(text if "://" in text else "//" + text)
    if parts.scheme not in ("", "http", "https") or not parts.hostname:
        raise ValueError(f"must be host:port or such as http://{_DEFAULT_GRPC}, not {_without_userinfo(text)}")
    if parts.scheme:
        insecure = parts.scheme == "http"
    # grpcio assumes 443 for a target without a port, with and without TLS.
    return GrpcEndpoint(
        parts.netloc.rpartition("@")[2], bool(insecure), parts.hostname, 443 if port is None else port
    )
