"""Calls of the OTLP trace service through a grpcio channel. Import it only where grpcio is installed."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import Any

import grpc

from nanospan.export._delivery import Body
from nanospan.export._reply import Reply, Verdict
from nanospan.export._window import one_line

__all__ = ["DEFAULT_RETRYABLE", "ChannelOption", "GrpcCourier"]

ChannelOption = tuple[str, Any]

EXPORT_METHOD = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

DEFAULT_RETRYABLE = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
"""Codes to retry, by opentelemetry-proto, docs/specification.md. RESOURCE_EXHAUSTED is a case of its own."""

_RETRY_INFO_KEY = "google.rpc.retryinfo-bin"
_STATUS_DETAILS_KEY = "grpc-status-details-bin"

# Channels of a parent process. Closing one in the child would wait for threads that did not survive the fork.
_inherited: list[grpc.Channel] = []


class GrpcCourier:
    """Sends requests as bytes, with neither protobuf nor a stub. ``credentials`` None means no TLS."""

    def __init__(
        self,
        target: str,
        credentials: grpc.ChannelCredentials | None,
        metadata: Sequence[tuple[str, str]],
        compression: grpc.Compression,
        options: Sequence[ChannelOption],
        retryable: Iterable[grpc.StatusCode],
    ) -> None:
        self._target = target
        self._credentials = credentials
        self._metadata = tuple(metadata)
        self._compression = compression
        self._options = tuple(options)
        self._retryable = frozenset(retryable)
        # Any: grpcio carries no types.
        self._channel: Any = None
        self._lock = threading.Lock()

    @property
    def display(self) -> str:
        return self._target

    def pack(self, request: memoryview) -> Body:
        # grpcio takes bytes and nothing else, not even a subclass; it compresses by itself.
        return bytes(request)

    def send(self, body: Body, timeout: float | None) -> Reply:
        channel = self._open()
        try:
            # No serialisers: bytes go in and bytes come out.
            export = channel.unary_unary(EXPORT_METHOD)
            return Reply(Verdict.ACCEPTED, body=export(body, timeout=timeout, metadata=self._metadata))
        except grpc.RpcError as error:
            return self._judge(error, channel)
        except ValueError as error:
            # grpcio raises this for a channel that another thread's failure has closed in between.
            closed = self._channel is not channel
            return Reply(
                Verdict.RETRY if closed else Verdict.REFUSED,
                error_type=type(error).__qualname__,
                reason=one_line(str(error)),
                connection_lost=closed,
            )

    def after_fork(self) -> None:
        self._lock = threading.Lock()
        if self._channel is not None:
            _inherited.append(self._channel)
            self._channel = None

    def close(self) -> None:
        with self._lock:
            channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def _open(self) -> grpc.Channel:
        with self._lock:
            if self._channel is None:
                if self._credentials is None:
                    self._channel = grpc.insecure_channel(
                        self._target, options=self._options, compression=self._compression
                    )
                else:
                    self._channel = grpc.secure_channel(
                        self._target, self._credentials, options=self._options, compression=self._compression
                    )
            return self._channel

    def _judge(self, error: grpc.RpcError, channel: grpc.Channel) -> Reply:
        code: grpc.StatusCode = error.code()
        if code is grpc.StatusCode.UNAVAILABLE:
            # A channel that lost its server backs off for up to two minutes; a new one connects and resolves
            # at once.
            self._discard(channel)
        wait = _retry_delay(error.trailing_metadata() or ())
        if code in self._retryable:
            verdict = Verdict.RETRY
        elif code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            # With a delay it is a quota. Without, it is most often the message size limit of either side.
            verdict = Verdict.SPLIT if wait is None else Verdict.RETRY
        else:
            verdict = Verdict.REFUSED
        return Reply(
            verdict,
            error_type=code.name,
            reason=one_line(f"{code.name}: {error.details() or 'no details'}"),
            status={"rpc.response.status_code": code.name},
            retry_after=wait,
        )

    def _discard(self, channel: Any) -> None:
        with self._lock:
            if self._channel is not channel:
                return
            self._channel = None
        channel.close()


def _retry_delay(trailing: Iterable[tuple[str, str | bytes]]) -> float | None:
    """Seconds to wait by the RetryInfo in the trailing metadata, under either of the keys in use; None
    without one.
    """
    for key, value in trailing:
        if key not in (_RETRY_INFO_KEY, _STATUS_DETAILS_KEY) or not isinstance(value, bytes):
            continue
        try:
            info = _retry_info(key, value)
        except Exception:
            # An unreadable detail, or googleapis-common-protos missing: the backoff will do.
            continue
        if info is not None:
            return max(float(info.retry_delay.seconds + info.retry_delay.nanos / 1e9), 0.0)
    return None


def _retry_info(key: str, value: bytes) -> Any:
    from google.rpc.error_details_pb2 import RetryInfo

    if key == _RETRY_INFO_KEY:
        return RetryInfo.FromString(value)
    from google.rpc.status_pb2 import Status

    for detail in Status.FromString(value).details:
        info = RetryInfo()
        if detail.Unpack(info):
            return info
    return None
