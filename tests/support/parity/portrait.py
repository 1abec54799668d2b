"""Everything that can be read from a span, as plain values that compare equal when nothing differs but identity."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

_IMPORTED_AT = time.time_ns()
_HOUR = 3_600 * 10**9
NOW = "now"
"""Stands for any time taken from the clock while the tests ran."""

_HEX_ID = re.compile(r"0x([0-9a-f]{32}|[0-9a-f]{16})\b")
_FRAME = re.compile(r'(?m)^( *(?:\| )?)  File "(?P<file>[^"]+)", line .*\n(?:\1    .*\n)*')
_SDK_FILE = re.compile(r"/opentelemetry/(?:sdk|trace|context|util)/")


class Names:
    """Small numbers for ids in the order in which they are met, so that random ids can be compared."""

    def __init__(self, rename: bool) -> None:
        self._rename = rename
        self._known: dict[int, int] = {}

    def __call__(self, identifier: int) -> int:
        if not self._rename or not identifier:
            return identifier
        return self._known.setdefault(identifier, len(self._known) + 1)

    def in_text(self, text: str) -> str:
        return _HEX_ID.sub(lambda match: f"<{self(int(match[1], 16))}>", text)


def when(nanoseconds: Any) -> Any:
    """``nanoseconds`` with its type, or NOW."""
    if isinstance(nanoseconds, int) and _IMPORTED_AT - _HOUR < nanoseconds < time.time_ns() + _HOUR:
        return NOW
    return typed(nanoseconds)


def without_sdk_frames(text: str) -> str:
    """A formatted traceback without the frames of the SDK's own files."""
    return _FRAME.sub(lambda match: "" if _SDK_FILE.search(match["file"]) else match[0], text)


def typed(value: Any) -> Any:
    """A value with the types of all its parts; what is unequal to itself becomes comparable."""
    if isinstance(value, Mapping):
        return "mapping", [(typed(key), typed(item)) for key, item in value.items()]
    if isinstance(value, list | tuple):
        return type(value).__name__, [typed(item) for item in value]
    if type(value) is str:
        return without_sdk_frames(value) if value.startswith("Traceback") or "\n  +" in value else value
    return type(value).__name__, repr(value)


def of_context(context: Any, names: Names) -> Any:
    if not isinstance(context, SpanContext):
        return typed(context)
    fields = names(context.trace_id), names(context.span_id), context.is_remote, int(context.trace_flags)
    types = [type(part).__name__ for part in (context, *context)]
    return *fields, list(context.trace_state.items()), context.is_valid, types


def _of_attributes(attributes: Any) -> Any:
    return typed(attributes), getattr(attributes, "dropped", None)


def _of_events(events: Iterable[Any]) -> Any:
    return [
        {
            "type": type(event).__name__,
            "name": typed(event.name),
            "timestamp": when(event.timestamp),
            "attributes": _of_attributes(event.attributes),
            "dropped": event.dropped_attributes,
        }
        for event in events
    ]


def _of_links(links: Iterable[Any], names: Names) -> Any:
    return [
        (type(link).__name__, of_context(link.context, names), _of_attributes(link.attributes), link.dropped_attributes)
        for link in links
    ]


def _of_status(status: Any) -> Any:
    if status is None:
        return None
    return type(status).__name__, status.status_code, typed(status.description), status.is_ok, status.is_unset


def _of_scope(scope: Any) -> Any:
    return None if scope is None else (scope.name, scope.version, scope.schema_url, typed(scope.attributes))


def _attempt(read: Callable[[], Any]) -> Any:
    """What ``read`` gives, or the type of what it raises."""
    try:
        return read()
    except Exception as error:
        return "raised", type(error).__name__


_ISO_TIME = re.compile(r"\"\d{4}-\d\d-\d\dT[0-9:.]+Z\"")


def _json(span: ReadableSpan, names: Names) -> str:
    text = without_sdk_frames(span.to_json(indent=None).replace("\\n", "\n").replace('\\"', '"'))
    text = _ISO_TIME.sub(lambda match: f'"{NOW}"' if match[0] > '"2024' else match[0], text)
    return names.in_text(text)


def of_span(span: Any, names: Names) -> dict[str, Any]:
    """Every readable field of a span, the private names that others read included."""
    portrait: dict[str, Any] = {
        "context": of_context(span.get_span_context(), names),
        "repr": names.in_text(_repr(span)),
    }
    if hasattr(span, "is_recording"):
        portrait["is_recording"] = span.is_recording()
    if not isinstance(span, ReadableSpan):
        return portrait | {"type": type(span).__name__}
    readers: dict[str, Callable[[], Any]] = {
        "name": lambda: (typed(span.name), typed(span._name)),
        "context property": lambda: (of_context(span.context, names), of_context(span._context, names)),
        "parent": lambda: (of_context(span.parent, names), of_context(span._parent, names)),
        "kind": lambda: (typed(span.kind), typed(span._kind)),
        "start_time": lambda: (when(span.start_time), when(span._start_time)),
        "end_time": lambda: (when(span.end_time), when(span._end_time)),
        "status": lambda: (_of_status(span.status), _of_status(span._status)),
        "attributes": lambda: (type(span.attributes).__name__, _of_attributes(span.attributes)),
        "_attributes": lambda: _of_attributes(span._attributes),
        "events": lambda: (type(span.events).__name__, _of_events(span.events)),
        "_events": lambda: (_of_events(span._events), len(span._events)),
        "links": lambda: (type(span.links).__name__, _of_links(span.links, names)),
        "_links": lambda: (_of_links(span._links, names), len(span._links)),
        "dropped": lambda: (span.dropped_attributes, span.dropped_events, span.dropped_links),
        "resource": lambda: (typed(span.resource.attributes), span.resource.schema_url, span._resource is span.resource),
        "scope": lambda: (_of_scope(span.instrumentation_scope), _of_scope(span._instrumentation_scope)),
        "info": lambda: repr(span._instrumentation_info),
        "json": lambda: _json(span, names),
    }
    return portrait | {field: _attempt(read) for field, read in readers.items()}


def _repr(span: Any) -> str:
    """Without the name of the type, and without the address where nothing better is shown."""
    text = repr(span)
    return "default repr" if text.startswith("<") else text.partition("(")[2]


def of_request(body: bytes, names: Names) -> bytes:
    """An export request with times of the clock, frames of the SDK and random ids replaced."""
    request = ExportTraceServiceRequest.FromString(body)
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                times = ("start_time_unix_nano", "end_time_unix_nano")
                _replace(span, times, names, ("trace_id", "span_id", "parent_span_id"))
                for link in span.links:
                    _replace(link, (), names, ("trace_id", "span_id"))
                for event in span.events:
                    _replace(event, ("time_unix_nano",), names, ())
                    for pair in event.attributes:
                        if pair.value.WhichOneof("value") == "string_value":
                            pair.value.string_value = typed(pair.value.string_value)
    return request.SerializeToString(deterministic=True)


def _replace(message: Any, times: tuple[str, ...], names: Names, ids: tuple[str, ...]) -> None:
    for field in times:
        if when(getattr(message, field)) == NOW:
            setattr(message, field, 1)
    for field in ids:
        value: bytes = getattr(message, field)
        if value:
            setattr(message, field, names(int.from_bytes(value, "big")).to_bytes(len(value), "big"))
