"""OTLP over gRPC, with grpcio. Needs the extra ``grpc``: ``pip install nanospan[grpc]``."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from opentelemetry.metrics import MeterProvider

try:
    import grpc
except ImportError as error:
    raise ImportError("nanospan.export.grpc needs grpcio: pip install nanospan[grpc]", name="grpc") from error

from nanospan._common.environment import parsed_variable
from nanospan.export._delivery.delivery import Delivery
from nanospan.export._delivery.exporter import DeliveringExporter, user_agent
from nanospan.export._delivery.metrics import GRPC_COMPONENT, create_exporter_metrics
from nanospan.export._settings.compression import Compression, CompressionText
from nanospan.export._settings.endpoint import resolve_grpc_endpoint
from nanospan.export._settings.environment import (
    check_header,
    environment_headers,
    parse_headers,
    resolve_compression,
    resolve_timeout,
)
from nanospan.export._settings.watched_files import WatchedFiles
from nanospan.export._transport.grpc_credentials import environment_credentials
from nanospan.export._transport.grpc_transport import DEFAULT_RETRYABLE, ChannelOption, GrpcTransport

__all__ = ["Compression", "OTLPSpanExporter"]

logger = logging.getLogger(__name__)

_RETRYABLE_VARIABLE = "OTEL_PYTHON_EXPORTER_OTLP_GRPC_RETRYABLE_ERROR_CODES"
_METADATA_CHARACTERS = frozenset("0123456789abcdefghijklmnopqrstuvwxyz_-.")

Headers = Mapping[str, str] | Sequence[tuple[str, str]] | str

_GRPC_COMPRESSION = {
    Compression.NoCompression: grpc.Compression.NoCompression,
    Compression.Deflate: grpc.Compression.Deflate,
    Compression.Gzip: grpc.Compression.Gzip,
}


class OTLPSpanExporter(DeliveringExporter):
    """Sends spans by OTLP/gRPC, with the arguments, variables and defaults of the official exporter.

    Missing arguments are read from ``OTEL_EXPORTER_OTLP_TRACES_*``, then ``OTEL_EXPORTER_OTLP_*``. The first export opens
    the channel, and so does the first one after a fork.

    Args:
        endpoint: ``host:port``, a URL, or a target of grpcio's such as ``unix:``. Default ``localhost:4317``.
        insecure: Whether to connect without TLS; a scheme of http or https in the endpoint takes precedence.
        credentials: Channel credentials for TLS, instead of the certificate variables, whose files are read again when they
            change.
        headers: Metadata, as a mapping, as pairs, or in the form of the HEADERS variables, which it replaces.
        timeout: Seconds for one batch with all its retries; default 10, 0 for no limit.
        compression: ``Compression``, its text, or ``grpc.Compression``. Default none.
        channel_options: Options of the channel, as pairs; they take precedence over the exporter's own.
        retryable_error_codes: Status codes to retry instead of CANCELLED, DEADLINE_EXCEEDED, ABORTED, OUT_OF_RANGE,
            UNAVAILABLE and DATA_LOSS. RESOURCE_EXHAUSTED, unless listed here, is retried only if the response has a retry
            delay; otherwise the batch counts as too large and is split.
        meter_provider: For the exporter's own metrics, if they are enabled; default the global one.

    Raises ValueError or TypeError for an invalid argument. An invalid variable counts as unset, with a warning.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        insecure: bool | None = None,
        credentials: grpc.ChannelCredentials | WatchedFiles[grpc.ChannelCredentials] | None = None,
        headers: Headers | None = None,
        timeout: float | None = None,
        compression: CompressionText | Compression | grpc.Compression | None = None,
        channel_options: Sequence[ChannelOption] | None = None,
        retryable_error_codes: Iterable[grpc.StatusCode] | None = None,
        *,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        # WatchedFiles: the files of a configuration file, which have no variables.
        if credentials is not None and not isinstance(credentials, (grpc.ChannelCredentials, WatchedFiles)):
            raise TypeError(f"credentials must be grpc.ChannelCredentials, not {type(credentials).__name__}")
        seconds = resolve_timeout(timeout)
        target = resolve_grpc_endpoint(endpoint, insecure)
        if target.insecure:
            if credentials is not None:
                logger.warning("credentials are left aside: %s is reached without TLS", target.target)
            credentials = None
        elif credentials is None:
            credentials = environment_credentials()
        transport = GrpcTransport(
            target.target,
            credentials,
            _metadata(headers),
            _GRPC_COMPRESSION[resolve_compression(compression)],
            _options(channel_options),
            _retryable(retryable_error_codes),
        )
        metrics = create_exporter_metrics(GRPC_COMPONENT, target.address, target.port, meter_provider)
        super().__init__(Delivery(transport, metrics, seconds, logger))


def _options(argument: Sequence[ChannelOption] | None) -> tuple[ChannelOption, ...]:
    try:
        given = tuple((str(name), value) for name, value in argument or ())
    except (TypeError, ValueError):
        raise TypeError("channel_options must be pairs of a name and a value") from None
    if any(name == "grpc.primary_user_agent" for name, _ in given):
        return given
    return (("grpc.primary_user_agent", user_agent()), *given)


def _metadata(argument: Headers | None) -> tuple[tuple[str, str], ...]:
    """The metadata of the calls. Keys are lower-cased: grpcio rejects others."""
    if isinstance(argument, str) and argument:
        return _valid_metadata(parse_headers(argument, "headers"))
    if not argument:
        return _valid_metadata(environment_headers())
    try:
        entries = list(argument.items() if isinstance(argument, Mapping) else argument)
        return tuple(_check_metadata(name, value) for name, value in entries)
    except TypeError:
        raise TypeError("headers must be a mapping of str to str, pairs of str, or text") from None


def _valid_metadata(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    pairs = []
    for name, value in headers.items():
        try:
            pairs.append(_check_metadata(name, value))
        except ValueError as error:
            logger.warning("An entry is left out of the metadata: %s", error)
    return tuple(pairs)


def _check_metadata(name: str, value: str) -> tuple[str, str]:
    name, value = check_header(name, value)
    if not _METADATA_CHARACTERS.issuperset(name):
        raise ValueError(f"headers: {name!r} is not a key of gRPC metadata")
    if name.endswith("-bin") or not (value.isascii() and value.isprintable()):
        raise ValueError(f"headers: the value of {name} must be printable ASCII, and its key not end in -bin")
    return name, value


def _retryable(argument: Iterable[grpc.StatusCode] | None) -> frozenset[grpc.StatusCode]:
    if argument is not None:
        codes: frozenset[object] = frozenset(argument) if isinstance(argument, Iterable) else frozenset((argument,))
        if not all(isinstance(code, grpc.StatusCode) for code in codes):
            raise TypeError("retryable_error_codes must be grpc.StatusCode members")
        return codes
    accepted = "names of gRPC status codes such as UNAVAILABLE, with commas"
    found = parsed_variable(logger, _RETRYABLE_VARIABLE, _status_codes, accepted, "the exporter's own")
    return DEFAULT_RETRYABLE if found is None else found


def _status_codes(text: str) -> frozenset[grpc.StatusCode]:
    try:
        return frozenset(grpc.StatusCode[name.strip().upper()] for name in text.split(",") if name.strip())
    except KeyError as error:
        raise ValueError(f"{error} is not a gRPC status") from error
