"""The state of a receiver: exact counts, and the newest traces within limits."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import asdict, dataclass, field
from typing import NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2

from nanospan._common.log import counted
from nanospan.receiver.decode import Span, decode_span, service_name

__all__ = ["ReceiverStats", "TraceStore", "TraceSummary"]

DEFAULT_MAX_TRACES = 1000
DEFAULT_MAX_BYTES = 64 << 20

# Approximate overhead of a kept span: a bytes header, a tuple and a dict slot.
SPAN_OVERHEAD_BYTES = 300

_STATUS_ERROR = trace_pb2.Status.STATUS_CODE_ERROR


@dataclass(slots=True)
class ReceiverStats:
    """Counts since the start; every span that arrived is counted, repeats too."""

    spans: int = 0
    batches: int = 0
    """Requests that were accepted."""
    http_batches: int = 0
    grpc_batches: int = 0
    bytes: int = 0
    """Request bodies after decompression, in bytes."""
    wire_bytes: int = 0
    """Bytes of the HTTP bodies before decompression; of gRPC messages after decompression."""
    refused: int = 0
    """Requests that were answered with an error, those of ``wrong_protocol`` included."""
    wrong_protocol: int = 0
    """Connections to the HTTP port that spoke gRPC (HTTP/2) or TLS."""
    traces: int = 0
    """Traces kept now; 0 when only counting."""
    evicted: int = 0
    """Traces dropped to stay within the limits."""
    not_kept: int = 0
    """Spans counted but not kept, because their trace alone filled the store."""
    rejected: int = 0
    """Spans of accepted requests that were left out, and reported to the client as rejected; not among ``spans``."""
    first_unix_nano: int = 0
    """When the first batch arrived; 0 before."""
    last_unix_nano: int = 0
    """When the latest batch arrived; 0 before."""

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


class TraceSummary(NamedTuple):
    """The properties of a kept trace that need no decoding of its spans."""

    trace_id: str
    spans: int
    """Distinct span ids."""
    errors: int
    has_root: bool
    name: str
    """The root's name; without a root, the name of the first span that arrived."""
    services: tuple[str, ...]


class _KeptSpan(NamedTuple):
    encoded: bytes
    service: str
    scope: str
    error: bool


@dataclass(slots=True)
class _KeptTrace:
    # Encoded: the limit in bytes is exact, and a span that is never read costs one copy.
    spans: dict[bytes, _KeptSpan] = field(default_factory=dict)
    size: int = 0
    has_root: bool = False
    name: str = ""


class TraceStore:
    """Thread-safe. Keeps the most recently touched traces: at most ``max_traces``, about ``max_bytes`` bytes.

    ``count_only`` parses every request (so that garbage is refused) and counts its spans, and keeps none of
    them. Raises ValueError for bounds below 1.
    """

    def __init__(
        self,
        *,
        max_traces: int = DEFAULT_MAX_TRACES,
        max_bytes: int = DEFAULT_MAX_BYTES,
        count_only: bool = False,
    ) -> None:
        if max_traces < 1:
            raise ValueError(f"max_traces must be at least 1, not {max_traces}")
        if max_bytes < 1:
            raise ValueError(f"max_bytes must be at least 1, not {max_bytes}")
        self.count_only = count_only
        self._max_traces = max_traces
        self._max_bytes = max_bytes
        self._changed = threading.Condition()
        self._stats = ReceiverStats()
        self._traces: OrderedDict[bytes, _KeptTrace] = OrderedDict()
        self._kept_bytes = 0
        # A dict for its order; never longer than the traces kept.
        self._touched: dict[bytes, None] = {}

    def __repr__(self) -> str:
        stats = self.stats()
        return f"<nanospan.receiver.TraceStore: {counted(stats.spans, 'span')}, {counted(len(self._traces), 'trace')} kept>"

    def add(self, body: bytes, *, transport: str, wire_bytes: int | None = None, rejected: int = 0) -> int:
        """Take one serialised ``ExportTraceServiceRequest`` and return how many spans it held.

        ``transport`` is ``"http"``, ``"grpc"`` or ``"file"``; ``rejected`` spans were taken out of the request.
        Raises google.protobuf.message.DecodeError when the body is none.
        """
        request = ExportTraceServiceRequest.FromString(body)
        wire_bytes = len(body) if wire_bytes is None else wire_bytes
        return self.add_request(request, size=len(body), transport=transport, wire_bytes=wire_bytes, rejected=rejected)

    def add_request(
        self, request: ExportTraceServiceRequest, *, size: int, transport: str, wire_bytes: int, rejected: int = 0
    ) -> int:
        """Take one request whose body was ``size`` bytes, without the ``rejected`` spans of it; return how many it holds."""
        count = sum(len(scope.spans) for resource in request.resource_spans for scope in resource.scope_spans)
        now = time.time_ns()
        with self._changed:
            stats = self._stats
            stats.spans += count
            stats.batches += 1
            if transport == "grpc":
                stats.grpc_batches += 1
            elif transport == "http":
                stats.http_batches += 1
            stats.bytes += size
            stats.wire_bytes += wire_bytes
            stats.rejected += rejected
            stats.first_unix_nano = stats.first_unix_nano or now
            stats.last_unix_nano = now
            if not self.count_only:
                self._keep(request)
            self._changed.notify_all()
        return count

    def add_refused(self, *, wrong_protocol: bool = False) -> None:
        """Count a request that was answered with an error. ``wrong_protocol``: the connection was meant for another port."""
        with self._changed:
            self._stats.refused += 1
            self._stats.wrong_protocol += wrong_protocol

    def stats(self) -> ReceiverStats:
        """A consistent copy of the counts."""
        with self._changed:
            return ReceiverStats(**(self._stats.as_dict() | {"traces": len(self._traces)}))

    def wait_for_spans(self, count: int, timeout: float) -> bool:
        """Wait until ``count`` spans have arrived in all; False when ``timeout`` seconds pass first."""
        with self._changed:
            return self._changed.wait_for(lambda: self._stats.spans >= count, timeout)

    def wait_for_changes(self, timeout: float) -> list[TraceSummary]:
        """The kept traces touched since the last call; waits up to ``timeout`` seconds. For one caller."""
        with self._changed:
            self._changed.wait_for(lambda: self._touched, timeout)
            touched, self._touched = self._touched, {}
            return [self._summary(trace_id) for trace_id in touched]

    def summaries(self) -> list[TraceSummary]:
        """All kept traces, the most recently touched last."""
        with self._changed:
            return [self._summary(trace_id) for trace_id in self._traces]

    def trace(self, trace_id: str) -> list[Span]:
        """The spans of a trace in the order of arrival, a repeated span once; empty when it is not kept.

        ``trace_id`` is hexadecimal; anything else counts as a trace that is not kept.
        """
        try:
            key = bytes.fromhex(trace_id)
        except ValueError:
            return []
        with self._changed:
            trace = self._traces.get(key)
            kept = [] if trace is None else list(trace.spans.values())
        return [decode_span(trace_pb2.Span.FromString(k.encoded), k.service, k.scope) for k in kept]

    def _keep(self, request: ExportTraceServiceRequest) -> None:
        for resource_spans in request.resource_spans:
            service = service_name(resource_spans.resource.attributes)
            for scope_spans in resource_spans.scope_spans:
                scope = scope_spans.scope.name
                for span in scope_spans.spans:
                    self._keep_span(span, service, scope)

    def _keep_span(self, span: trace_pb2.Span, service: str, scope: str) -> None:
        trace_id = span.trace_id
        trace = self._traces.get(trace_id)
        if trace is None:
            trace = self._traces[trace_id] = _KeptTrace()
        else:
            self._traces.move_to_end(trace_id)
        # A span without an id cannot be a repeat.
        span_id = span.span_id or b"without id %d" % len(trace.spans)
        if span_id not in trace.spans:
            encoded = span.SerializeToString()
            size = len(encoded) + SPAN_OVERHEAD_BYTES
            if trace.size + size > self._max_bytes:
                self._stats.not_kept += 1
            else:
                trace.spans[span_id] = _KeptSpan(encoded, service, scope, span.status.code == _STATUS_ERROR)
                trace.size += size
                self._kept_bytes += size
                is_root = not span.parent_span_id
                if not trace.name or (is_root and not trace.has_root):
                    trace.name = span.name
                trace.has_root = trace.has_root or is_root
        self._touched[trace_id] = None
        while len(self._traces) > self._max_traces or self._kept_bytes > self._max_bytes:
            self._evict_oldest()

    def _evict_oldest(self) -> None:
        trace_id, trace = self._traces.popitem(last=False)
        self._kept_bytes -= trace.size
        self._stats.evicted += 1
        self._touched.pop(trace_id, None)

    def _summary(self, trace_id: bytes) -> TraceSummary:
        trace = self._traces[trace_id]
        return TraceSummary(
            trace_id=trace_id.hex(),
            spans=len(trace.spans),
            errors=sum(span.error for span in trace.spans.values()),
            has_root=trace.has_root,
            name=trace.name,
            services=tuple(dict.fromkeys(span.service for span in trace.spans.values())),
        )
