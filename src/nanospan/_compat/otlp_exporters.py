"""The settings of the official OTLP exporters, read from their private attributes.

These functions raise LookupError when a release moves an attribute. `nanospan.export._transport.official.wrap_official` then
logs a warning and exports through the official exporter itself; tests/export/test_official.py fails.
Written against opentelemetry-exporter-otlp-proto-http and -grpc 1.45.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["GrpcSettings", "HttpSettings", "Instruments", "grpc_settings", "http_settings"]


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
            retryable=exporter._retryable_error_codes,
            default_retryable=_RETRYABLE_ERROR_CODES,
            metrics=_instruments(exporter._metrics),
        )
    except (AttributeError, ImportError) as error:
        raise LookupError(f"the official gRPC exporter has moved a setting: {error}") from error


def _instruments(metrics: Any) -> Instruments | None:
    from opentelemetry.exporter.otlp.common._exporter_metrics import NoOpExporterMetrics

    if isinstance(metrics, NoOpExporterMetrics):
        return None
    return Instruments(metrics._standard_attrs, metrics._inflight, metrics._exported, metrics._duration)
