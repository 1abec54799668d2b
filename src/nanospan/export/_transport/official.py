"""The official OTLP exporters, adapted to encoded batches.

An application that passes an exporter of the official packages to nanospan's processor keeps its settings, and for HTTP its
transport with the user's ``requests.Session``; the spans are encoded once, natively.
"""

from __future__ import annotations

import logging
import math
from functools import partial
from typing import TYPE_CHECKING, Any

from nanospan._compat.otlp_exporters import GrpcSettings, HttpSettings, Instruments, grpc_settings, http_settings
from nanospan.export import EncodedBatch, EncodedSpanExporter, ExportOutcome
from nanospan.export._delivery.backoff import Deadline
from nanospan.export._delivery.delivery import Body, Delivery, Transport
from nanospan.export._delivery.metrics import ExporterMetrics
from nanospan.export._delivery.reply import Reply, Verdict, reply_to_http_status
from nanospan.export._settings.compression import Compression, compress, compression_from
from nanospan.export._settings.endpoint import parse_http_url
from nanospan.export._transport.connection.bounded_call import BoundedCall

if TYPE_CHECKING:
    from nanospan.export._transport.failure import Failure

__all__ = ["wrap_official"]

logger = logging.getLogger(__name__)

_HTTP_MODULE = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
_GRPC_MODULE = "opentelemetry.exporter.otlp.proto.grpc.trace_exporter"


def wrap_official(exporter: object) -> EncodedSpanExporter | None:
    """An exporter of encoded batches with the settings of ``exporter``, if that is an official OTLP exporter.

    ``exporter`` must be an exact instance of the official ``OTLPSpanExporter`` (HTTP or gRPC). None for any other object,
    such as a subclass or an instance with a replaced ``export``, which may change the spans. None with a warning if the
    settings of the installed release cannot be read. Does not import the official packages.
    """
    if "export" in getattr(exporter, "__dict__", ()):
        return None
    try:
        if _is_official(type(exporter), _HTTP_MODULE):
            return _wrap_http(exporter, http_settings(exporter))
        if _is_official(type(exporter), _GRPC_MODULE):
            return _wrap_grpc(exporter, grpc_settings(exporter))
    except (LookupError, TypeError, ValueError) as error:
        logger.warning(
            "%s.%s is used as it is, which costs more per span: %s",
            type(exporter).__module__,
            type(exporter).__qualname__,
            error,
        )
    return None


def _is_official(cls: type, module: str) -> bool:
    # By its own name: under the module's name an application may have put another class by now.
    return cls.__module__ == module and cls.__qualname__ == "OTLPSpanExporter"


def _wrap_http(exporter: Any, settings: HttpSettings) -> EncodedSpanExporter:
    transport = OfficialHttpTransport(exporter, settings)
    return OfficialExporterAdapter(
        Delivery(transport, _metrics(settings.metrics), settings.timeout, logger, max(settings.max_request_size, 0))
    )


def _wrap_grpc(exporter: Any, settings: GrpcSettings) -> EncodedSpanExporter:
    from nanospan.export._transport.grpc_transport import DEFAULT_RETRYABLE, GrpcTransport

    # The exporter's default codes include RESOURCE_EXHAUSTED, which would prevent the split of a batch that is too large.
    retryable = DEFAULT_RETRYABLE if settings.retryable == settings.default_retryable else settings.retryable
    transport = GrpcTransport(
        settings.target,
        None if settings.insecure else settings.credentials,
        [(name.lower(), value) for name, value in settings.metadata],
        settings.compression,
        settings.options,
        retryable,
    )
    return OfficialExporterAdapter(
        Delivery(_TransportWithOwner(transport, exporter), _metrics(settings.metrics), settings.timeout, logger)
    )


def _metrics(instruments: Instruments | None) -> ExporterMetrics | None:
    """The exporter's own instruments, so that its time series continue."""
    if instruments is None:
        return None
    return ExporterMetrics(instruments.attributes, instruments.inflight, instruments.exported, instruments.duration)


class OfficialExporterAdapter:
    """An `EncodedSpanExporter` that replaces an official exporter."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    def export_encoded(self, batch: EncodedBatch, timeout: float | None = None) -> ExportOutcome:
        return self._delivery.deliver(batch, timeout)

    def after_fork(self) -> None:
        self._delivery.after_fork()

    def shutdown(self) -> None:
        self._delivery.shutdown()


class OfficialHttpTransport:
    """Posts through the transport object of an official exporter; `close` shuts that exporter down."""

    def __init__(self, exporter: Any, settings: HttpSettings) -> None:
        self._exporter = exporter
        self._settings = settings
        self._compression: Compression = compression_from(settings.compression)
        self._endpoint = parse_http_url(settings.endpoint)
        self._answered = False
        self._call: BoundedCall[Any] | None = None

    @property
    def display(self) -> str:
        return self._endpoint.display

    def pack(self, request: memoryview) -> Body:
        # The interface of transports, and of user adapters that sign or log the body, is bytes.
        return bytes(compress(request, self._compression))

    def send(self, body: Body, timeout: float | None) -> Reply:
        try:
            result = self._request_in_time(body, Deadline(timeout))
        except Exception as error:
            timed_out = isinstance(error, TimeoutError)
            return Reply(
                Verdict.RETRY if timed_out else Verdict.REFUSED,
                error_type=type(error).__qualname__,
                reason=self._explain(error).reason,
            )
        if result.status_code is None:
            return self._reply_to_error(result.error)
        self._answered = True
        headers, content = _headers_and_body(result)
        return reply_to_http_status(
            result.status_code, result.reason, headers.get("retry-after"), headers.get("location"), content
        )

    def _request_in_time(self, body: Body, deadline: Deadline) -> Any:
        """The result of the transport. Raises TimeoutError at the deadline.

        The transport applies a timeout to each address, and none to a look-up. The first request, and one after a failure,
        go from a thread that is left behind at the deadline; the next request waits for it. Others go over the connection
        that the last one made.
        """
        answered, self._answered = self._answered, False
        last, self._call = self._call, None
        if last is not None and last.is_fresh(math.inf) and not last.wait(deadline.remaining()):
            self._call = last
            raise TimeoutError("the request before has not ended")
        request = partial(self._request, body, deadline.remaining())
        if answered or deadline.remaining() is None:
            return request()
        call = BoundedCall(request, "nanospan-request")
        if not call.wait(deadline.remaining()):
            self._call = call
            raise TimeoutError("the request has not ended")
        return call.result()

    def _request(self, body: Body, timeout: float | None) -> Any:
        settings = self._settings
        return settings.transport.request("POST", settings.endpoint, headers=settings.headers, data=body, timeout=timeout)

    def _reply_to_error(self, error: Exception | None) -> Reply:
        transient = self._settings.transport.is_connection_error(error)
        failure = None if error is None else self._explain(error)
        if failure is not None:
            # An answer that breaks off is no acknowledgement; requests has a class for it that is no connection error.
            transient = (transient or failure.connection_lost) and not failure.is_permanent
        return Reply(
            Verdict.RETRY if transient else Verdict.REFUSED,
            error_type=type(error).__qualname__,
            reason="the transport gave no reason" if failure is None else failure.reason,
            connection_lost=transient and not isinstance(error, TimeoutError),
        )

    def _explain(self, error: Exception) -> Failure:
        # Imported here: it imports urllib3, which a process without this transport may never need.
        from nanospan.export._transport.failure import Peer, explain

        return explain(error, Peer(self._endpoint.scheme, self._endpoint.host, self._endpoint.port))

    def after_fork(self) -> None:
        self._answered = False
        self._call = None
        # A transport is usable after close. In the child this closes its descriptors, not the parent's connections.
        try:
            self._settings.transport.close()
        except Exception:
            logger.warning("The transport of the official exporter could not be reset after a fork", exc_info=True)

    def close(self) -> None:
        self._exporter.shutdown()


def _headers_and_body(result: Any) -> tuple[Any, bytes]:
    try:
        return result.headers(), result.content()
    except Exception:
        # Both may raise for a malformed response; the status is still valid.
        return {}, b""


class _TransportWithOwner:
    """A transport that also shuts an official exporter down on `close`."""

    def __init__(self, transport: Transport, exporter: Any) -> None:
        self._transport = transport
        self._exporter = exporter
        self.pack = transport.pack
        self.send = transport.send
        self.after_fork = transport.after_fork

    @property
    def display(self) -> str:
        return self._transport.display

    def close(self) -> None:
        try:
            self._transport.close()
        finally:
            self._exporter.shutdown()
