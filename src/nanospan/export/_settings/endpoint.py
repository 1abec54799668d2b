"""Endpoints from arguments and variables, parsed once.

A variable that names a host with no scheme, or with one of another protocol, means that host, with one warning: spans that
are meant for one host do not go to another.
(Specification: protocol/exporter.md, "Endpoint URLs for OTLP/HTTP" and the endpoint rules for gRPC.)
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from nanospan._common.environment import to_write, warn_ignored, warn_once
from nanospan.export._settings.environment import Setting, resolve_insecure, settings_of

__all__ = ["TRACES_PATH", "GrpcEndpoint", "HttpEndpoint", "parse_http_url", "resolve_grpc_endpoint", "resolve_http_endpoint"]

logger = logging.getLogger(__name__)

_DEFAULT_HTTP = "http://localhost:4318"
_DEFAULT_GRPC = "localhost:4317"
TRACES_PATH = "/v1/traces"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_USERINFO = re.compile(r"(^|//)[^/?#]*@")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_TORN_SCHEME = re.compile(r"(https?)(?!://[^/])(?:[:;]/*|/{2,})(?!/|\d+(?:/|$))", re.IGNORECASE)
_HOST = r"(?:\[[0-9a-f:.%]+\]|\d+\.\d+\.\d+\.\d+|(?=[a-z0-9._-]*[a-z])[a-z0-9](?:[a-z0-9._-]*[a-z0-9.])?)"
_BARE_HOST = re.compile(rf"(?:[^/?#@\s]*@)?{_HOST}(?::\d+)?(?:[/?#].*)?", re.IGNORECASE)
"""An endpoint without a scheme: a host with a letter in it or an IP address, and perhaps user, port and path."""

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
    for setting in settings_of("ENDPOINT"):
        for text in _readings(setting.value, "http://"):
            url = text.removesuffix("/") + TRACES_PATH if setting.is_general else text
            try:
                endpoint = parse_http_url(url)
            except ValueError:
                continue
            if text is not setting.value:
                _warn_other_reading(setting, text)
            elif setting.is_general and text.rstrip("/").endswith(TRACES_PATH):
                base = _public(text.rstrip("/").removesuffix(TRACES_PATH))
                message = f"gets {TRACES_PATH} appended: write {base}, or name the variable for traces"
                warn_once(logger, setting.variable, _public(text), message)
            return endpoint
        _warn_ignored(setting, parse_http_url, f"a URL such as {_DEFAULT_HTTP}", _DEFAULT_HTTP)
    return parse_http_url(_DEFAULT_HTTP + TRACES_PATH)


def _readings(value: str, prefix: str) -> tuple[str, ...]:
    """``value`` as it is, and with ``prefix`` in the place of its scheme or of none, if it names a host.

    A host after a scheme that is not written well, as in ``http:/host``, is not to become a host named ``http``.
    """
    if (torn := _TORN_SCHEME.match(value)) is not None:
        return (f"{torn[1].lower()}://{value[torn.end() :]}",)
    host = _SCHEME.sub("", value).removeprefix("//")
    return (value, prefix + host) if _BARE_HOST.fullmatch(host) else (value,)


def _warn_other_reading(setting: Setting, text: str) -> None:
    warn_once(logger, setting.variable, _public(setting.value), f"is used as {_public(text)}: write that")


def _warn_ignored(setting: Setting, parse: Callable[[str], object], accepted: str, default: str) -> None:
    shown = _public(setting.value)
    warn_ignored(logger, setting.variable, shown, f"{to_write(shown, parse, accepted)} (default {default})")


def parse_http_url(url: str) -> HttpEndpoint:
    """Parse an OTLP/HTTP URL. Raises ValueError with a message without credentials."""
    if not isinstance(url, str):
        raise ValueError(f"must be a str, not {type(url).__name__}")
    parts, port = _split(url.strip())
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or _has_spaces(parts.netloc):
        raise ValueError(f"must be a URL such as {_DEFAULT_HTTP + TRACES_PATH}, not {_public(url)!r}")
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


def _public(url: str) -> str:
    """``url`` without user and password."""
    return _USERINFO.sub(r"\1", url)


def _has_spaces(netloc: str) -> bool:
    return any(character.isspace() for character in netloc)


def _split(url: str) -> tuple[SplitResult, int | None]:
    try:
        parts = urlsplit(url)
        return parts, parts.port
    except ValueError:
        raise ValueError(f"must be a URL with a valid host and port, not {_public(url)!r}") from None


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
    for setting in settings_of("ENDPOINT"):
        for text in _readings(setting.value, ""):
            try:
                endpoint = _parse_grpc(text, without_tls)
            except ValueError:
                continue
            if text != setting.value:
                _warn_other_reading(setting, text)
            return endpoint
        accepted = f"host:port or a URL such as http://{_DEFAULT_GRPC}"
        _warn_ignored(setting, lambda text: _parse_grpc(text, None), accepted, _DEFAULT_GRPC)
    return _parse_grpc(_DEFAULT_GRPC, True if without_tls is None else without_tls)


def _parse_grpc(text: str, insecure: bool | None) -> GrpcEndpoint:
    if _RESOLVER.match(text):
        resolver, _, rest = text.partition(":")
        if resolver.lower() != "dns":
            return GrpcEndpoint(text, bool(insecure), rest or None, None)
        parts, port = _split("//" + rest.rpartition("/")[2])
        return GrpcEndpoint(text, bool(insecure), parts.hostname, port)
    if not _SCHEME.match(text) and not _BARE_HOST.fullmatch(text):
        raise ValueError(f"must be host:port or such as http://{_DEFAULT_GRPC}, not {_public(text)!r}")
    parts, port = _split(text if _SCHEME.match(text) else "//" + text)
    if parts.scheme not in ("", "http", "https") or not parts.hostname or _has_spaces(parts.netloc):
        raise ValueError(f"must be host:port or such as http://{_DEFAULT_GRPC}, not {_public(text)!r}")
    if parts.scheme:
        insecure = parts.scheme == "http"
    # grpcio assumes 443 for a target without a port, with and without TLS.
    return GrpcEndpoint(parts.netloc.rpartition("@")[2], bool(insecure), parts.hostname, 443 if port is None else port)
