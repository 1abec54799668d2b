"""What applications assign to private fields of spans."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, SpanLimits
from opentelemetry.sdk.util import BoundedList
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags

OTHER_CONTEXT = SpanContext(0xC << 64, 0xD, True, TraceFlags(1))

PRIVATE_VALUES: dict[str, list[Callable[[], Any]]] = {
    "_attributes": [lambda: BoundedAttributes(2, {"p": "private"}, immutable=False), lambda: BoundedAttributes(None, {})],
    "_context": [lambda: OTHER_CONTEXT],
    "_instrumentation_scope": [lambda: InstrumentationScope("private", "1"), lambda: None],
    "_limits": [lambda: SpanLimits(max_events=1, max_event_attributes=1, max_attribute_length=2)],
    "_status": [lambda: Status(StatusCode.OK), lambda: Status(StatusCode.ERROR, "private"), Status],
    "_events": [lambda: BoundedList.from_seq(2, [Event("private", {"a": 1}, 5)]), list],
    "_links": [lambda: BoundedList(1), list, lambda: BoundedList.from_seq(3, [Link(OTHER_CONTEXT, {"a": 1})])],
    "_name": [lambda: "private", lambda: 17],
    "_kind": [lambda: SpanKind.SERVER],
    "_parent": [lambda: None, lambda: OTHER_CONTEXT],
    "_start_time": [lambda: 11],
    "_end_time": [lambda: 12],
    "_resource": [lambda: Resource({"private": True})],
}
PRIVATE_VALUES_OF_ENDED: dict[str, list[Callable[[], Any]]] = {
    **PRIVATE_VALUES,
    "_attributes": [*PRIVATE_VALUES["_attributes"], lambda: {"plain": [1, "x"]}, lambda: None],
    "_end_time": [lambda: None, lambda: 12],
}
