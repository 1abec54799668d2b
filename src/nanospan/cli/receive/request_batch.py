"""A received request as a batch of spans that can be halved: for a receiver, or a file, that takes smaller ones only."""

from __future__ import annotations

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

__all__ = ["RequestBatch"]


class RequestBatch(bytes):
    """A serialised request with the interface of `nanospan.export.EncodedBatch`.

    Derived from bytes for the buffer protocol, which Python code can provide only from 3.12 on.
    """

    count: int  # type: ignore[assignment]  # in place of the method of bytes

    @classmethod
    def of(cls, body: bytes, count: int) -> RequestBatch:
        batch = cls(body)
        batch.count = count
        return batch

    def split(self) -> tuple[RequestBatch, RequestBatch]:  # type: ignore[override]  # likewise
        half = self.count // 2
        return self._part(0, half), self._part(half, self.count)

    def _part(self, first: int, last: int) -> RequestBatch:
        request = ExportTraceServiceRequest.FromString(self)
        number = 0
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                end = number + len(scope.spans)
                del scope.spans[max(0, last - number) :]
                del scope.spans[: max(0, first - number)]
                number = end
        return RequestBatch.of(request.SerializeToString(), last - first)
