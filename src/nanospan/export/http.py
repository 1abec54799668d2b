"""OTLP over HTTP with protobuf bodies, with urllib3."""

from __future__ import annotations

import logging
import math
import os
import sys
from collections.abc import Mapping

import urllib3
from opentelemetry.metrics import MeterProvider

from nanospan._common.arguments import check_integer
from nanospan.export._delivery.delivery import Delivery
from nanospan.export._delivery.exporter import DeliveringExporter, user_agent
from nanospan.export._delivery.metrics import HTTP_COMPONENT, create_exporter_metrics
from nanospan.export._settings.compression import Compression, CompressionText
from nanospan.export._settings.endpoint import HttpEndpoint, resolve_http_endpoint
from nanospan.export._settings.environment import (
    check_header,
    environment_headers,
    resolve_compression,
    resolve_file,
    resolve_timeout,
)
from nanospan.export._settings.tls import TlsFiles, watched_context
from nanospan.export._transport.http_transport import HttpTransport

__all__ = ["Compression", "OTLPSpanExporter"]

logger = logging.getLogger(__name__)

DEFAULT_MAX_REQUEST_SIZE = 64 * 1024 * 1024
"""Bytes before compression."""


class OTLPSpanExporter(DeliveringExporter):
    """Sends spans by OTLP/HTTP, with the arguments, variables and defaults of the official exporter.

    Missing arguments are read from ``OTEL_EXPORTER_OTLP_TRACES_*``, then ``OTEL_EXPORTER_OTLP_*``.

    Args:
        endpoint: URL to post to, without changes. Default ``http://localhost:4318/v1/traces``.
        certificate_file: PEM file (or directory) with trusted CAs, instead of the system's.
        client_key_file: PEM file with the client's private key, for mTLS.
        client_certificate_file: PEM file with the client's certificate chain, for mTLS.
        headers: Headers, added to those of the variables; they take precedence.
        timeout: Seconds for one batch with all its retries; default 10, 0 for no limit.
        compression: ``Compression``, its text, or the official exporter's enum. Default none.
        max_request_size: Bytes of a request before compression; a larger batch is split. Default 64 MiB, 0 for no limit.
        meter_provider: For the exporter's own metrics, if they are enabled; default the global one.

    Each TLS handshake uses what the files hold then. ``HTTP_PROXY``, ``HTTPS_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` are
    honoured, in the forms that requests, curl or Go accept. Redirects are not followed, ``.netrc`` is not read, and cookies
    are not kept.

    Raises ValueError or TypeError for an invalid argument. An invalid variable counts as unset, with a warning.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        certificate_file: str | os.PathLike[str] | None = None,
        client_key_file: str | os.PathLike[str] | None = None,
        client_certificate_file: str | os.PathLike[str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        compression: CompressionText | Compression | None = None,
        *,
        max_request_size: int | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        if max_request_size is None:
            max_request_size = DEFAULT_MAX_REQUEST_SIZE
        # As the official exporter documents, a negative number is no limit too.
        accepted = "an integer, 0 for no limit"
        max_request_size = max(
            0, check_integer("max_request_size", max_request_size, -sys.maxsize, math.inf, accepted=accepted)
        )
        seconds = resolve_timeout(timeout)
        target = resolve_http_endpoint(endpoint)
        transport = HttpTransport(
            target,
            _request_headers(headers, target),
            resolve_compression(compression),
            watched_context(
                TlsFiles(
                    resolve_file(certificate_file, "certificate_file", "CERTIFICATE"),
                    resolve_file(client_key_file, "client_key_file", "CLIENT_KEY"),
                    resolve_file(client_certificate_file, "client_certificate_file", "CLIENT_CERTIFICATE"),
                )
            )
            if target.scheme == "https"
            else None,
        )
        metrics = create_exporter_metrics(HTTP_COMPONENT, target.host, target.port, meter_provider)
        super().__init__(Delivery(transport, metrics, seconds, logger, max_request_size))


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
