"""What leaves a processor with a contract: as OTLP bytes, and as objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from nanospan import BatchSpanProcessor
from nanospan.export import ExportOutcome

__all__ = ["BytesKept", "Sent", "plain_value", "sent_as_bytes", "sent_as_objects"]


class BytesKept:
    """An exporter that keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []

    def export_encoded(self, batch: Any, timeout: float | None = None) -> ExportOutcome:
        self.requests.append(bytes(memoryview(batch)))
        return ExportOutcome(batch.count, 0, 0)

    def after_fork(self) -> None: ...

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return True

    def shutdown(self) -> None: ...


@dataclass
class Sent:
    """The fields of one span that a contract may change."""

    name: str
    attributes: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    links: list[dict[str, Any]] = field(default_factory=list)
    status: str = ""
    state: str = ""
    resource: dict[str, Any] = field(default_factory=dict)
    scope: tuple[str, str, dict[str, Any]] = ("", "", {})
    raw: str = ""
    """Everything that left, as text."""


def plain_value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return tuple(plain_value(item) for item in value.array_value.values)
    if kind == "kvlist_value":
        return _plain(value.kvlist_value.values)
    return None if kind is None else getattr(value, kind)


def _plain(pairs: Iterable[Any]) -> dict[str, Any]:
    return {pair.key: plain_value(pair.value) for pair in pairs}


def sent_as_bytes(make_spans: Callable[[BatchSpanProcessor], object], **settings: Any) -> list[Sent]:
    """The spans that ``make_spans`` ends in a processor of these settings, as they leave as OTLP."""
    exporter = BytesKept()
    processor = BatchSpanProcessor(exporter, **settings)  # type: ignore[arg-type]
    make_spans(processor)
    processor.shutdown()
    found = []
    for body in exporter.requests:
        for of_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for of_scope in of_resource.scope_spans:
                scope = of_scope.scope
                for span in of_scope.spans:
                    found.append(
                        Sent(
                            span.name,
                            _plain(span.attributes),
                            [(event.name, _plain(event.attributes)) for event in span.events],
                            [_plain(link.attributes) for link in span.links],
                            span.status.message,
                            span.trace_state,
                            _plain(of_resource.resource.attributes),
                            (scope.name, scope.version, _plain(scope.attributes)),
                            repr(body),
                        )
                    )
    return found


def sent_as_objects(make_spans: Callable[[BatchSpanProcessor], object], **settings: Any) -> list[Sent]:
    """The same spans as an exporter of objects gets them."""
    exporter = InMemorySpanExporter()
    processor = BatchSpanProcessor(exporter, **settings)
    make_spans(processor)
    processor.force_flush()
    found = []
    for span in exporter.get_finished_spans():
        scope = span.instrumentation_scope
        found.append(
            Sent(
                span.name,
                dict(span.attributes or {}),
                [(event.name, dict(event.attributes or {})) for event in span.events],
                [dict(link.attributes or {}) for link in span.links],
                span.status.description or "",
                span.context.trace_state.to_header() if span.context else "",
                dict(span.resource.attributes),
                (scope.name, scope.version or "", dict(scope.attributes or {})) if scope else ("", "", {}),
                span.to_json(),
            )
        )
    processor.shutdown()
    return found
