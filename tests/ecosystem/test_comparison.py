"""The comparison of test_packages.py: what counts as equal, and what does not."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any
from urllib.request import Request, urlopen

import pytest
from ecosystem.packages.backend import Backend
from ecosystem.packages.comparison import equal_records, records
from google.protobuf.json_format import ParseDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

times = count(7)
TRACE, OUTER, INNER = b"t" * 16, b"o" * 8, b"i" * 8
OWN = '  File "/app.py", line 1\n'
STACK = f'Traceback:\n  File "/x/opentelemetry/trace/__init__.py", line 6, in use_span\n    yield span\n{OWN}'


def request() -> Any:
    """A trace of two spans."""
    text = {"attributes": [{"key": "a", "value": {"intValue": 1}}, {"key": "b", "value": {"stringValue": "x"}}]}
    spans = [
        {"name": "outer", **text, "events": [{"name": "noted", "timeUnixNano": 5, **text}], "flags": 0x100},
        {"name": "inner", "links": [text], "status": {"code": 2}, "flags": 0x100, **text},
    ]
    found = ParseDict(
        {"resourceSpans": [{"resource": text, "scopeSpans": [{"scope": {"name": "s", "version": "1"}, "spans": spans}]}]},
        ExportTraceServiceRequest(),
    )
    outer, inner = spans_of(found)
    for span, own in ((outer, OUTER), (inner, INNER)):
        span.trace_id, span.span_id, span.start_time_unix_nano = TRACE, own, next(times)
    inner.parent_span_id, inner.links[0].trace_id, inner.links[0].span_id = OUTER, TRACE, OUTER
    outer.attributes.add(key="stack").value.string_value = STACK
    return found


def spans_of(request: Any) -> Any:
    return request.resource_spans[0].scope_spans[0].spans


def sent(request: Any) -> list[dict[str, Any]]:
    with Backend() as backend:
        headers = {"Content-Type": "application/x-protobuf"}
        urlopen(Request(f"{backend.url}/v1/traces", request.SerializeToString(), headers)).close()
        return records(backend, {"varies": "in this test"})


def swap_ids(request: Any) -> None:
    for span in spans_of(request):
        span.trace_id = b"T" * 16
        span.span_id = span.span_id.upper()
        span.parent_span_id = span.parent_span_id.upper()
        for link in span.links:
            link.trace_id, link.span_id = b"T" * 16, link.span_id.upper()


def reorder(request: Any) -> None:
    spans_of(request).sort(key=lambda span: span.name)
    for span in spans_of(request):
        span.attributes.sort(key=lambda attribute: attribute.key, reverse=True)


def set_stack(request: Any) -> None:
    (stack,) = (one for one in spans_of(request)[0].attributes if one.key == "stack")
    stack.value.string_value = f"Traceback:\n{OWN}"


@pytest.mark.parametrize("change", [swap_ids, reorder, set_stack], ids=lambda change: change.__name__)
def test_what_is_equal(change: Callable[[Any], None]) -> None:
    other = request()
    change(other)
    assert sent(other) == sent(request())


CHANGES: dict[str, Callable[[Any, Any], Any]] = {
    "name": lambda outer, inner: inner.__setattr__("name", "renamed"),
    "kind": lambda outer, inner: inner.__setattr__("kind", 3),
    "type of a value": lambda outer, inner: inner.attributes[0].value.__setattr__("string_value", "1"),
    "parent": lambda outer, inner: inner.ClearField("parent_span_id"),
    "trace": lambda outer, inner: inner.__setattr__("trace_id", b"T" * 16),
    "event": lambda outer, inner: outer.events[0].__setattr__("name", "other"),
    "attribute of an event": lambda outer, inner: outer.events[0].attributes.pop(),
    "target of a link": lambda outer, inner: inner.links[0].__setattr__("span_id", INNER),
    "attribute of a link": lambda outer, inner: inner.links[0].attributes.pop(),
    "status": lambda outer, inner: inner.status.__setattr__("message", "broken"),
    "count of what was dropped": lambda outer, inner: inner.__setattr__("dropped_attributes_count", 1),
    "state": lambda outer, inner: inner.__setattr__("trace_state", "a=b"),
    "frame of the program": lambda outer, inner: outer.attributes[2].value.__setattr__("string_value", STACK + "more"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_differs(name: str) -> None:
    other = request()
    CHANGES[name](*spans_of(other))
    assert equal_records(sent(other), sent(request())) < 2


@pytest.mark.parametrize("part", ["resource", "scope"])
def test_what_differs_for_all_spans(part: str) -> None:
    other = request()
    (resource_spans,) = other.resource_spans
    if part == "resource":
        resource_spans.resource.attributes[0].value.int_value = 2
    else:
        resource_spans.scope_spans[0].scope.version = "2"
    assert equal_records(sent(other), sent(request())) == 0
