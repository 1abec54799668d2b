"""The settings of the official OTLP exporters, read from their private attributes.

The only module that names those attributes. A release that moves one makes these functions raise LookupError,
which `nanospan.export._transport.official.wrap_official` turns into a warning and the slow way; tests/export/test_official.py
fails. Written against opentelemetry-exporter-otlp-proto-http and -grpc 1.45.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["GrpcSettings", "HttpSettings", "Instruments", "grpc_settings", "http_settings"]


@dataclass(frozen=True, slots=True)
class Instruments:
    """The self-metrics of an exporter, with the attributes that name it."""

    attributes: Mapping[str, Any]
    inflight: Any
    exported: Any
    duration: Any


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """What the official HTTP exporter was configured with."""

    transport: Any
    """Its BaseHTTPTransport, which holds the user's session."""
    endpoint: str
    headers: dict[str, str]
    """The exporter's own dict, so that a token renewed in it is seen."""
    timeout: float
    """Seconds."""
    compression: Any
    max_request_size: int
    metrics: Instruments | None


@dataclass(frozen=True, slots=True)
class GrpcSettings:
    """What the official gRPC exporter was configured with."""

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
    """The codes that the exporter retries when nobody has chosen others."""
    metrics: Instruments | None


def http_settings(exporter: Any) -> HttpSettings:
    """Settings of the official HTTP span exporter; LookupError when they are not where they were."""
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
    """Settings of the official gRPC span exporter; LookupError when they are not where they were."""
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
