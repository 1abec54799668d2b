"""Spans with anything in any field, encoded: nothing is raised, what comes out is a request, and no span goes missing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from fuzz.draw import Draw
from nanospan_testing import encode_report
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans as reference_encode
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from nanospan import encode_spans

RESOURCES = [Resource({"service.name": "fuzz"}), Resource({})]
SCOPES = [InstrumentationScope("fuzz", "1.0"), InstrumentationScope("other"), None]
STATES = [None, TraceState(), TraceState([("a", "b"), ("ot", "th:8")])]


class RaisingField:
    """A span of which one field cannot be read."""

    def __init__(self, span: ReadableSpan, field: str) -> None:
        self._span = span
        self._field = field

    def __getattr__(self, name: str) -> Any:
        if name == self._field:
            raise RuntimeError("asked")
        return getattr(self._span, name)


def context(draw: Draw) -> Any:
    if draw.byte() % 16 == 15:
        return tuple.__new__(SpanContext, tuple(draw.value() for _ in range(6)))
    return SpanContext(1 + draw.byte(), 1 + draw.byte(), draw.flag(), TraceFlags(draw.byte()), draw.one(STATES))


def legal_span(draw: Draw) -> ReadableSpan:
    values = [draw.text(), 1 + draw.byte(), draw.byte(), draw.flag(), 1.5, [1, 2], ["a", draw.text()], b"x"]
    return ReadableSpan(
        name=draw.text(),
        context=SpanContext(1 + draw.byte(), 1 + draw.byte(), False, TraceFlags(1), draw.one(STATES)),
        kind=draw.one(list(SpanKind)),
        resource=draw.one(RESOURCES),
        instrumentation_scope=draw.one(SCOPES),
        attributes={f"key.{index}": draw.one(values) for index in range(draw.byte() % 6)},
        status=draw.one([Status(), Status(StatusCode.OK), Status(StatusCode.ERROR, draw.text())]),
        start_time=10**18,
        end_time=10**18 + draw.byte(),
    )


def event(draw: Draw) -> Any:
    if draw.byte() % 8 == 7:
        return draw.value()
    return (
        SimpleNamespace(
            name=draw.value(),
            timestamp=draw.one([1, None, draw.integer(), draw.value()]),
            attributes=draw.attributes(),
            dropped_attributes=draw.one([0, draw.integer(), draw.value()]),
        )
        if draw.flag()
        else Event(draw.text(), {}, draw.byte())
    )


def link(draw: Draw) -> Any:
    if draw.byte() % 8 == 7:
        return draw.value()
    return (
        SimpleNamespace(
            context=context(draw),
            attributes=draw.attributes(),
            dropped_attributes=draw.one([0, draw.integer(), draw.value()]),
        )
        if draw.flag()
        else Link(context(draw), {})
    )


FIELDS = {
    "name": Draw.value,
    "context": context,
    "parent": context,
    "kind": Draw.value,
    "status": lambda draw: draw.one(
        [
            None,
            Status(StatusCode.ERROR, "x"),
            SimpleNamespace(status_code=draw.value(), description=draw.value()),
            draw.value(),
        ]
    ),
    "attributes": Draw.attributes,
    "events": lambda draw: [event(draw) for _ in range(draw.byte() % 4)] if draw.byte() % 8 else draw.value(),
    "links": lambda draw: [link(draw) for _ in range(draw.byte() % 4)] if draw.byte() % 8 else draw.value(),
    "start_time": Draw.value,
    "end_time": Draw.value,
    "dropped_attributes": Draw.value,
    "dropped_events": Draw.value,
    "dropped_links": Draw.value,
    "resource": Draw.value,
    "instrumentation_scope": Draw.value,
}


def hostile_span(draw: Draw) -> Any:
    """A legal one with up to three fields replaced by anything."""
    base = legal_span(draw)
    fields = {name: getattr(base, name) for name in FIELDS} | {"get_span_context": base.get_span_context}
    for _ in range(1 + draw.byte() % 3):
        name = draw.one(list(FIELDS))
        fields[name] = FIELDS[name](draw)
    return SimpleNamespace(**fields)


def any_span(draw: Draw) -> Any:
    choice = draw.byte() % 8
    if choice < 3:
        return legal_span(draw)
    if choice == 7:
        return draw.value()
    if choice == 6:
        return RaisingField(legal_span(draw), draw.one(list(FIELDS)))
    return hostile_span(draw)


def check(data: bytes) -> None:
    draw = Draw(data)
    spans = [any_span(draw) for _ in range(1 + draw.byte() % 4)]
    body, report = encode_report(spans)
    request = ExportTraceServiceRequest.FromString(body)
    decoded = [span for source in request.resource_spans for scope in source.scope_spans for span in scope.spans]
    assert len(decoded) == len(spans) - report["failed"], (len(decoded), len(spans), report)
    assert all(len(span.trace_id) == 16 and len(span.span_id) == 8 for span in decoded)
    assert min(report.values()) >= 0
    if any(report.values()) or not all(isinstance(span, ReadableSpan) for span in spans):
        return
    try:
        reference = reference_encode(spans)
    except Exception:
        return
    for span in (span for source in reference.resource_spans for scope in source.scope_spans for span in scope.spans):
        span.flags |= 1  # the span's own flags, which the reference leaves out
    assert encode_spans(spans) == body == reference.SerializeToString()
