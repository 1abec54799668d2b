"""The settings of the official OTLP exporters, read from their private attributes.

These functions raise LookupError when a release moves an attribute. `nanospan.export._transport.official.wrap_official` then
logs a warning and exports through the official exporter itself; tests/export/test_official.py fails.
Written against opentelemetry-exporter-otlp-proto-http and -grpc 1.39 to 1.45. Before 1.45 the HTTP exporter has no
transport, and posts through its session; the gRPC exporter of 1.39 does not keep its compression.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

__all__ = ["NAMES", "GrpcSettings", "HttpSettings", "Instruments", "grpc_settings", "http_settings"]

NAMES = {
    "http": ("_client", "_compression", "_endpoint", "_headers", "_max_request_size", "_metrics", "_timeout", "_transport"),
    "http before 1.45": (
        "_certificate_file",
        "_client_cert",
        "_compression",
        "_endpoint",
        "_headers",
        "_session",
        "_timeout",
    ),
    "grpc": (
        *("_RETRYABLE_ERROR_CODES", "_channel_options", "_compression", "_credentials", "_endpoint", "_headers"),
        *("_insecure", "_timeout"),
    ),
    "metrics": ("_duration", "_exported", "_inflight", "_standard_attrs"),
}
"""The private names of each exporter, and of its metrics, without which its settings cannot be read."""

NO_LIMIT = 0
"""Of the size of a request, in the exporters that have none."""


@dataclass(frozen=True, slots=True)
class Instruments:
    """The metrics of an exporter about itself, and the attributes that identify it."""

    attributes: Mapping[str, Any]
    inflight: Any
    exported: Any
    duration: Any


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """The configuration of the official HTTP exporter."""

    transport: Any
    """Its BaseHTTPTransport, which contains the user's session."""
    endpoint: str
    headers: dict[str, str]
    """The exporter's own dict, so that a renewed token takes effect."""
    timeout: float
    """Seconds."""
    compression: Any
    max_request_size: int
    metrics: Instruments | None


@dataclass(frozen=True, slots=True)
class GrpcSettings:
    """The configuration of the official gRPC exporter."""

    target: str
    insecure: bool
    credentials: Any
    metadata: Sequence[tuple[str, str]]
    timeout: float
    """Seconds."""
    compression: Any
    options: Sequence[tuple[str, Any]]
    retryable: frozenset[Any]
    default_retryable: frozenset[Any]
    """The codes that the exporter retries by default."""
    metrics: Instruments | None


def http_settings(exporter: Any) -> HttpSettings:
    """Settings of the official HTTP span exporter. Raises LookupError if an attribute is missing."""
    try:
        if hasattr(exporter, "_session"):
            return HttpSettings(
                transport=_SessionTransport(exporter),
                endpoint=exporter._endpoint,
                headers=exporter._headers,
                timeout=exporter._timeout,
                compression=exporter._compression,
                max_request_size=NO_LIMIT,
                metrics=_instruments(getattr(exporter, "_metrics", None)),
            )
        client = exporter._client
        return HttpSettings(
            transport=client._transport,
            endpoint=client._endpoint,
            headers=client._headers,
            timeout=client._timeout,
            compression=client._compression,
            max_request_size=exporter._max_request_size,
            metrics=_instruments(exporter._metrics),
        )
    except (AttributeError, ImportError) as error:
        raise LookupError(f"the official HTTP exporter has moved a setting: {error}") from error


def grpc_settings(exporter: Any) -> GrpcSettings:
    """Settings of the official gRPC span exporter. Raises LookupError if an attribute is missing."""
    try:
        from opentelemetry.exporter.otlp.proto.grpc.exporter import _RETRYABLE_ERROR_CODES

        return GrpcSettings(
            target=exporter._endpoint,
            insecure=exporter._insecure,
            credentials=exporter._credentials,
            metadata=exporter._headers,
            timeout=exporter._timeout,
            compression=exporter._compression,
            options=exporter._channel_options,
            retryable=getattr(exporter, "_retryable_error_codes", _RETRYABLE_ERROR_CODES),
            default_retryable=_RETRYABLE_ERROR_CODES,
            metrics=_instruments(getattr(exporter, "_metrics", None)),
        )
    except (AttributeError, ImportError) as error:
        raise LookupError(f"the official gRPC exporter has moved a setting: {error}") from error


def _instruments(metrics: Any) -> Instruments | None:
    if metrics is None or type(metrics).__name__ == "NoOpExporterMetrics":
        return None
    return Instruments(metrics._standard_attrs, metrics._inflight, metrics._exported, metrics._duration)


@dataclass(frozen=True, slots=True)
class _Result:
    """What a request came to, with the names of the newest transport's results."""

    status_code: int | None = None
    reason: str | None = None
    error: Exception | None = None
    response: Any = None

    def content(self) -> bytes:
        return self.response.content or b""

    def headers(self) -> Mapping[str, str]:
        headers: Mapping[str, str] = self.response.headers
        return headers


class _SessionTransport:
    """The session of an exporter before 1.45, with the methods of the newest transport. Redirects are not followed."""

    def __init__(self, exporter: Any) -> None:
        self._session = exporter._session
        self._send = partial(
            exporter._session.request, verify=exporter._certificate_file, cert=exporter._client_cert, allow_redirects=False
        )

    def request(self, method: str, url: str, *, headers: Mapping[str, str], timeout: float | None, data: bytes) -> _Result:
        try:
            response = self._send(method, url, headers=headers, timeout=timeout, data=data)
        except Exception as error:
            return _Result(error=error)
        return _Result(response.status_code, response.reason, response=response)

    def is_connection_error(self, error: Exception | None) -> bool:
        from requests.exceptions import ConnectionError, Timeout

        return isinstance(error, (ConnectionError, Timeout))

    def close(self) -> None:
        self._session.close()
