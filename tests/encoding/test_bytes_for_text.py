"""bytes where a text belongs: the request is the reference's, and what it refuses costs no more than the field."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from nanospan_testing import encode_report
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans as reference_encode
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, TracerProvider
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, StatusCode
from opentelemetry.trace.span import TraceState

import nanospan


def span_with(**fields: Any) -> ReadableSpan:
    fields = {"name": "name", "context": SpanContext(1, 2, False), "resource": Resource({})} | fields
    return ReadableSpan(**fields)


def scope_with(**fields: Any) -> ReadableSpan:
    return span_with(instrumentation_scope=InstrumentationScope(**{"name": "library"} | fields))


def resource_with(attributes: dict[Any, Any], schema_url: Any = "") -> Resource:
    made = Resource({}, schema_url)
    made._attributes = attributes
    return made


FIELDS: dict[str, Callable[[Any], ReadableSpan]] = {
    "span name": lambda text: span_with(name=text),
    "event name": lambda text: span_with(events=[Event(text, timestamp=3)]),
    "scope name": lambda text: scope_with(name=text),
    "scope version": lambda text: scope_with(version=text),
    "scope schema_url": lambda text: scope_with(schema_url=text),
    "resource schema_url": lambda text: span_with(resource=Resource({}, text)),
    "status description": lambda text: span_with(status=SimpleNamespace(status_code=StatusCode.ERROR, description=text)),
    "span attribute key": lambda text: span_with(attributes={text: 1, "other": [text]}),
    "event attribute key": lambda text: span_with(events=[Event("e", {text: "v"}, timestamp=3)]),
    "link attribute key": lambda text: span_with(links=[Link(SpanContext(3, 4, False), {text: 2.5})]),
    "resource attribute key": lambda text: span_with(resource=resource_with({text: "v"})),
    "key and value of a map": lambda text: span_with(attributes={"map": {text: text}}),
    "trace state": lambda text: span_with(context=SpanContext(1, 2, False, trace_state=state_of({"k": text}))),
}


def state_of(members: dict[str, Any]) -> TraceState:
    state = TraceState()
    state._dict = members  # the constructor takes str only
    return state


class Derived(bytes):
    pass


@pytest.mark.parametrize("text", [b"GET /", "Grüße".encode(), b"", Derived(b"derived"), b"x" * 200], ids=repr)
@pytest.mark.parametrize("field", [field for field in FIELDS if field != "resource attribute key"])
def test_utf8_is_the_text(field: str, text: bytes) -> None:
    span = FIELDS[field](text)
    request, report = encode_report([span])
    expected = reference_encode([span])
    for scope_spans in expected.resource_spans[0].scope_spans:
        for message in scope_spans.spans:
            message.flags |= span.context.trace_flags
    assert request == expected.SerializeToString()
    assert report == {"repaired": 0, "lost": 0, "failed": 0}


@pytest.mark.parametrize("text", [b"a\xffb", b"\xed\xa0\x80", b"\xc3"], ids=repr)
@pytest.mark.parametrize("field", [field for field in FIELDS if field not in ("trace state", "key and value of a map")])
def test_bytes_that_are_no_utf8_are_repaired(field: str, text: bytes) -> None:
    """The reference loses the batch, or the attribute."""
    span = FIELDS[field](text)
    request, report = encode_report([span])
    assert text.decode("utf-8", "replace") in str_fields(ExportTraceServiceRequest.FromString(request))
    assert (report["repaired"], report["lost"], report["failed"]) == (1, 0, 0)


def test_a_resource_with_such_a_key() -> None:
    """The reference cannot hash it, and loses the batch."""
    request, report = encode_report([FIELDS["resource attribute key"](b"key")])
    assert "key" in str_fields(ExportTraceServiceRequest.FromString(request))
    assert report == {"repaired": 0, "lost": 0, "failed": 0}


@pytest.mark.parametrize("text", [bytearray(b"GET /"), memoryview(b"GET /")], ids=lambda text: type(text).__name__)
def test_other_buffers_are_repaired(text: Any) -> None:
    """The reference loses the batch."""
    request, report = encode_report([span_with(name=text)])
    assert "GET /" in str_fields(ExportTraceServiceRequest.FromString(request))
    assert report == {"repaired": 1, "lost": 0, "failed": 0}


def str_fields(message: Any) -> set[str]:
    """Every text in a message."""
    found = set()
    for descriptor, value in message.ListFields():
        values = value if descriptor.is_repeated else [value]
        for one in values:
            found |= {one} if isinstance(one, str) else str_fields(one) if hasattr(one, "ListFields") else set()
    return found


@pytest.mark.parametrize("provider", [nanospan.TracerProvider, TracerProvider])
def test_spans_of_a_tracer(provider: Any) -> None:
    made = provider(shutdown_on_exit=False, resource=Resource({}))
    span = made.get_tracer(b"library", b"1", b"https://example.com").start_span(b"GET /")
    span.add_event(b"sent")
    span.update_name(b"POST /")
    span.end()
    request, report = encode_report([span._readable_span()])
    assert {"library", "1", "https://example.com", "POST /", "sent"} <= str_fields(
        ExportTraceServiceRequest.FromString(request)
    )
    assert report == {"repaired": 0, "lost": 0, "failed": 0}
