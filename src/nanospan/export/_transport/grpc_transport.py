"""Calls of the OTLP trace service through a grpcio channel. Import it only where grpcio is installed."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Sequence
from typing import Any

import grpc

from nanospan._common.log import one_line
from nanospan.export._delivery.backoff import Deadline
from nanospan.export._delivery.delivery import Body
from nanospan.export._delivery.reply import Reply, Verdict
from nanospan.export._settings.watched_files import WatchedFiles
from nanospan.export._transport.grpc_failure import failure_reason
from nanospan.export._transport.grpc_fork_gate import InFlightCall, fork_gate

__all__ = ["DEFAULT_RETRYABLE", "ChannelOption", "GrpcTransport"]

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
"""Codes to retry (opentelemetry-proto, docs/specification.md). RESOURCE_EXHAUSTED is handled separately."""

_RETRY_INFO_KEY = "google.rpc.retryinfo-bin"
_STATUS_DETAILS_KEY = "grpc-status-details-bin"

_CLOSE_TIMEOUT_SECONDS = 1.0
"""Longest time that close() waits for a fork of another thread."""

# Channels of the parent process. Closing one in the child would wait for threads that do not exist there.
_inherited: list[grpc.Channel] = []

# A channel that is never used. After the last channel is closed, grpcio shuts its engine down in its own threads; a child
# forked meanwhile hangs when it opens a channel.
_anchor: grpc.Channel | None = None
_anchor_process = 0

_INTERRUPTED = Reply(
    Verdict.RETRY,
    error_type="CANCELLED",
    reason="interrupted by a fork of the process",
    status={"rpc.response.status_code": "CANCELLED"},
    interrupted=True,
)
_FORKING = Reply(Verdict.REFUSED, error_type="TimeoutError", reason="a fork of the process took all the time")
_UNUSABLE = Reply(
    Verdict.REFUSED,
    error_type="grpc_fork_support_disabled",
    reason="with GRPC_ENABLE_FORK_SUPPORT=0 gRPC hangs in the child of a process that has used it",
)


# If unset, it is on in grpcio's core and off in its Python part, which handles in-flight calls at a fork.
FORK_SUPPORT = os.environ.get("GRPC_ENABLE_FORK_SUPPORT", "").lower() not in ("0", "false", "f", "no", "n")


class GrpcTransport:
    """Sends requests as bytes, without protobuf or a stub.

    ``credentials`` None means no TLS. Of files, they are made anew when the files change, and the channel with them.
    """

    def __init__(
        self,
        target: str,
        credentials: grpc.ChannelCredentials | WatchedFiles[grpc.ChannelCredentials] | None,
        metadata: Sequence[tuple[str, str]],
        compression: grpc.Compression,
        options: Sequence[ChannelOption],
        retryable: Iterable[grpc.StatusCode],
    ) -> None:
        self._target = target
        self._credentials = credentials
        # The credentials of the channel. Any: grpcio has no types.
        self._used: Any = None
        self._metadata = tuple(metadata)
        self._compression = compression
        self._options = tuple(options)
        self._retryable = frozenset(retryable)
        # Any: grpcio has no types.
        self._channel: Any = None
        self._interruptions = 0  # consecutive interruptions by forks
        self._last: InFlightCall | None = None
        self._lock = threading.Lock()

    @property
    def display(self) -> str:
        return self._target

    def pack(self, request: memoryview) -> Body:
        # grpcio accepts exact bytes only; it compresses by itself.
        return bytes(request)

    def send(self, body: Body, timeout: float | None) -> Reply:
        if not FORK_SUPPORT and _anchor_process not in (0, os.getpid()):
            return _UNUSABLE
        deadline = Deadline(timeout)
        call = fork_gate.begin_call(timeout, self._interruptions)
        if call is None:
            return _FORKING
        try:
            self._renew_channel()
            self._last = call
            reply = self._call(body, deadline, call)
        finally:
            fork_gate.end_call(call)
        self._interruptions = self._interruptions + 1 if reply.interrupted else 0
        return reply

    def _call(self, body: Body, deadline: Deadline, call: InFlightCall) -> Reply:
        channel = self._open()
        try:
            # Another thread can cancel a blocking call only by closing its channel. A non-blocking call uses a thread of
            # grpcio, which a fork would have to wait for as well.
            if not call.begin(channel.close):
                return _INTERRUPTED
            # Without serialisers, request and response are bytes.
            export = channel.unary_unary(EXPORT_METHOD)
            answer = export(body, timeout=deadline.remaining(), metadata=self._metadata)
            return Reply(Verdict.ACCEPTED, body=answer)
        except grpc.RpcError as error:
            if call.interrupted and error.code() is grpc.StatusCode.CANCELLED:
                return _INTERRUPTED
            return self._reply_to_error(error, channel)
        except ValueError as error:
            if call.interrupted:
                return _INTERRUPTED
            # grpcio raises ValueError for a channel that another thread has closed after a failure.
            closed = self._channel is not channel
            return Reply(
                Verdict.RETRY if closed else Verdict.REFUSED,
                error_type=type(error).__qualname__,
                reason=one_line(str(error)),
                connection_lost=closed,
            )
        finally:
            if call.interrupted:
                self._discard(channel)

    def _renew_channel(self) -> None:
        """Drop a channel that a fork closed just after the call had ended by itself, or whose certificates are renewed.

        grpcio connects again by itself, with the credentials that the channel was made with.
        """
        last, self._last = self._last, None
        credentials = self._credentials.current() if isinstance(self._credentials, WatchedFiles) else self._credentials
        if (last is not None and last.interrupted) or credentials is not self._used:
            self._close_channel()
            self._used = credentials

    def _close_channel(self) -> None:
        with self._lock:
            channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def after_fork(self) -> None:
        fork_gate.notice_fork()
        self._lock = threading.Lock()
        self._last = None
        self._interruptions = 0
        if self._channel is not None:
            _inherited.append(self._channel)
            self._channel = None

    def close(self) -> None:
        call = fork_gate.begin_call(_CLOSE_TIMEOUT_SECONDS)
        try:
            self._close_channel()
        finally:
            if call is not None:
                fork_gate.end_call(call)

    def _open(self) -> grpc.Channel:
        with self._lock:
            _keep_anchor()
            if self._channel is None:
                # Channels with equal options share connections; without this a child would use its parent's.
                options = (*self._options, ("nanospan.process", os.getpid()))
                if self._used is None:
                    self._channel = grpc.insecure_channel(self._target, options, self._compression)
                else:
                    self._channel = grpc.secure_channel(self._target, self._used, options, self._compression)
            return self._channel

    def _reply_to_error(self, error: grpc.RpcError, channel: grpc.Channel) -> Reply:
        code: grpc.StatusCode = error.code()
        if code is grpc.StatusCode.UNAVAILABLE:
            # A channel that lost its server backs off for up to two minutes; a new one resolves and connects at once.
            self._discard(channel)
        wait = _retry_delay(error.trailing_metadata() or ())
        if code in self._retryable:
            verdict = Verdict.RETRY
        elif code is grpc.StatusCode.RESOURCE_EXHAUSTED:
            # With a delay it is a quota; without one it is usually a message size limit.
            verdict = Verdict.SPLIT if wait is None else Verdict.RETRY
        else:
            verdict = Verdict.REFUSED
        return Reply(
            verdict,
            error_type=code.name,
            reason=failure_reason(code.name, error.details() or "", self._target),
            status={"rpc.response.status_code": code.name},
            retry_after=wait,
        )

    def _discard(self, channel: Any) -> None:
        with self._lock:
            if self._channel is not channel:
                return
            self._channel = None
        channel.close()


def _keep_anchor() -> None:
    global _anchor, _anchor_process
    if _anchor is None:
        _anchor = grpc.insecure_channel("127.0.0.1:1")
        _anchor_process = os.getpid()


def _retry_delay(trailing: Iterable[tuple[str, str | bytes]]) -> float | None:
    """The delay in seconds of the RetryInfo in the trailing metadata, under either key; None without one."""
    for key, value in trailing:
        if key not in (_RETRY_INFO_KEY, _STATUS_DETAILS_KEY) or not isinstance(value, bytes):
            continue
        try:
            info = _retry_info(key, value)
        except Exception:
            # An invalid detail, or googleapis-common-protos is missing: use the backoff.
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


if FORK_SUPPORT:
    # At import: before-hooks run in reverse order, so that hooks registered later can flush before the gate closes.
    os.register_at_fork(
        before=fork_gate.before_fork,
        after_in_parent=fork_gate.after_fork_in_parent,
        after_in_child=fork_gate.notice_fork,
    )
