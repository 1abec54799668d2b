"""nanospan's provider, processor, samplers, ids and exporters for a declarative configuration file."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from nanospan._compat.declarative import file_tracing_built_with
from nanospan.export._settings.environment import TlsFile, parse_headers
from nanospan.export._settings.tls import TlsFiles
from nanospan.ids import RandomIdGenerator
from nanospan.processor import BatchSpanProcessor
from nanospan.sampling import ALWAYS_OFF, ALWAYS_ON, DEFAULT_ON, TraceIdRatioBased
from nanospan.sampling.configuration.nodes import SamplerNodes
from nanospan.trace.provider import TracerProvider

__all__ = ["file_tracing_built_natively"]


def file_tracing_built_natively(*, own_exporters: bool) -> AbstractContextManager[None]:
    """A context in which opentelemetry-configuration instantiates nanospan's classes.

    ``own_exporters`` includes ``otlp_http`` and ``otlp_grpc``. Raises ImportError if the package is not installed, and
    LookupError if its private names have changed; nothing is replaced then.
    """
    return file_tracing_built_with(
        {
            "ALWAYS_OFF": ALWAYS_OFF,
            "ALWAYS_ON": ALWAYS_ON,
            "BatchSpanProcessor": batch_processor,
            "RandomIdGenerator": RandomIdGenerator,
            "TraceIdRatioBased": TraceIdRatioBased,
            "TracerProvider": TracerProvider,
            "_DEFAULT_SAMPLER": DEFAULT_ON,
        },
        lambda model, stock: SamplerNodes(stock).from_model(model, top=True),
        {"otlp_http": http_exporter, "otlp_grpc": grpc_exporter} if own_exporters else {},
    )


def batch_processor(
    exporter: Any,
    *,
    max_queue_size: int | None = None,
    schedule_delay_millis: int | None = None,
    max_export_batch_size: int | None = None,
    export_timeout_millis: int | None = None,
) -> BatchSpanProcessor:
    """A processor with the settings of a ``batch`` node.

    The schema allows no delay, 0, which the constructor refuses as the SDK's does.
    """
    return BatchSpanProcessor(
        exporter,
        max_queue_size=max_queue_size,
        schedule_delay_millis=1 if schedule_delay_millis == 0 else schedule_delay_millis,
        max_export_batch_size=max_export_batch_size,
        export_timeout_millis=export_timeout_millis,
    )


def http_exporter(model: Any) -> Any:
    """nanospan's exporter with the settings of an ``otlp_http`` node."""
    from nanospan.export.http import OTLPSpanExporter

    tls = model.tls
    return OTLPSpanExporter(
        endpoint=model.endpoint,
        certificate_file=tls and tls.ca_file,
        client_key_file=tls and tls.key_file,
        client_certificate_file=tls and tls.cert_file,
        headers=_headers(model),
        timeout=_seconds(model.timeout),
        compression=model.compression,
    )


def grpc_exporter(model: Any) -> Any:
    """nanospan's exporter with the settings of an ``otlp_grpc`` node. Raises ImportError if grpcio is not installed."""
    from nanospan.export._transport.grpc_credentials import file_credentials
    from nanospan.export.grpc import OTLPSpanExporter

    tls = model.tls
    credentials = None
    if tls is not None and (tls.ca_file or tls.key_file or tls.cert_file):
        credentials = file_credentials(
            TlsFiles(
                tls.ca_file and TlsFile(tls.ca_file, "tls.ca_file", True),
                tls.key_file and TlsFile(tls.key_file, "tls.key_file", True),
                tls.cert_file and TlsFile(tls.cert_file, "tls.cert_file", True),
            )
        )
    return OTLPSpanExporter(
        endpoint=model.endpoint,
        insecure=None if tls is None else tls.insecure,
        credentials=credentials,
        headers=_headers(model),
        timeout=_seconds(model.timeout),
        compression=model.compression,
    )


def _headers(model: Any) -> Mapping[str, str] | None:
    """``headers`` over ``headers_list``; None, which selects the environment variables, if neither is given."""
    if model.headers is None and model.headers_list is None:
        return None
    listed = parse_headers(model.headers_list or "", "headers_list")
    return listed | {pair.name.lower(): pair.value or "" for pair in model.headers or ()}


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
