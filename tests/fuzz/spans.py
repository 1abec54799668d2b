"""The calls of the tracing API, with anything for arguments, on the SDK's span and on nanospan's: the same is raised, the
same can be read afterwards, and what is encoded is a request."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from fuzz.draw import Draw
from nanospan_testing import encode_report
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from support.parity.portrait import Names, of_span

import nanospan
from nanospan import encode_spans

START = 10**17
LIMITS = [{}, {"max_attributes": 2, "max_events": 1, "max_links": 1, "max_attribute_length": 3}]


def tracers(limits: dict[str, int]) -> tuple[Any, Any]:
    made = (
        kind(sampler=ALWAYS_ON, span_limits=SpanLimits(**limits), shutdown_on_exit=False)
        for kind in (TracerProvider, nanospan.TracerProvider)
    )
    stock, ours = (provider.get_tracer("fuzz", "1.0") for provider in made)
    return stock, ours


TRACERS = [tracers(limits) for limits in LIMITS]


def status(draw: Draw) -> tuple[Any, ...]:
    code = draw.one([StatusCode.OK, StatusCode.ERROR, StatusCode.UNSET])
    if draw.flag():
        return (Status(code, "text" if code is StatusCode.ERROR else None), draw.one([None, draw.text()]))
    return (draw.one([code, None, "ERROR", 2]), draw.one([None, draw.text()]))


def remote(draw: Draw) -> SpanContext:
    return SpanContext(draw.byte(), draw.byte(), draw.flag(), TraceFlags(draw.byte()))


CALLS: dict[str, Callable[[Draw], tuple[Any, ...]]] = {
    "set_attribute": lambda draw: (draw.key(), draw.value(hostile=False)),
    "set_attributes": lambda draw: (draw.attributes(hostile=False),),
    "add_event": lambda draw: (draw.text(), draw.attributes(hostile=False), START + draw.byte()),
    "add_link": lambda draw: (remote(draw), draw.attributes(hostile=False)),
    "update_name": lambda draw: (draw.one([draw.text(), 17, None]),),
    "set_status": status,
    "record_exception": lambda draw: (ValueError("bad"), draw.attributes(hostile=False), START + draw.byte()),
    "end": lambda draw: (START + draw.byte(),),
}


def outcome(call: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
    try:
        return "returned", call(*arguments)
    except Exception as error:
        return "raised", type(error)


def check(data: bytes) -> None:
    draw = Draw(data)
    pair = draw.one(TRACERS)
    name, kind = draw.text(), draw.one(list(SpanKind))
    attributes = draw.attributes(hostile=False)
    links = [Link(remote(draw), {"a": draw.byte()}) for _ in range(draw.byte() % 3)]
    start = {"kind": kind, "attributes": attributes, "start_time": START}
    logging.disable(logging.CRITICAL)
    try:
        spans = [
            tracer.start_span(name, links=[Link(link.context, dict(link.attributes)) for link in links], **start)
            for tracer in pair
        ]
        while draw:
            called = draw.one(list(CALLS))
            arguments = CALLS[called](draw)
            stock, ours = (outcome(getattr(span, called), arguments) for span in spans)
            assert stock == ours, (called, stock, ours)
        for span in spans:
            span.end(START + 1000)
        compare(*spans)
    finally:
        logging.disable(logging.NOTSET)


def compare(stock: Any, ours: Any) -> None:
    expected, got = (of_span(span, Names(rename=True)) for span in (stock, ours))
    assert got == expected, {field: (expected[field], got[field]) for field in expected if got.get(field) != expected[field]}
    body, report = encode_report([ours])
    (source,) = ExportTraceServiceRequest.FromString(body).resource_spans
    assert len(source.scope_spans[0].spans) == 1 and not report["failed"]
    assert encode_spans([ours]) == body
    # A snapshot, which is the SDK's own class, says the same as the span that is still here.
    snapshot = ours._readable_span()
    assert isinstance(snapshot, ReadableSpan) and encode_spans([snapshot]) == body
