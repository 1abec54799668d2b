"""OTLP's JSON encoding: ``ExportTraceServiceRequest`` from and to one JSON object.

It is protobuf's JSON with two exceptions: trace and span ids are hexadecimal, not base64, and enums are numbers. Fields
with unknown names are ignored. `<https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>`_
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

__all__ = ["OtlpJsonError", "ParsedRequest", "request_from_json", "request_to_json"]

_BYTES_OF_ID = {"traceId": 16, "spanId": 8, "parentSpanId": 8}
_SHOWN_CHARACTERS = 40
_MAX_REASON = 300
_PATH_IN_WORDS = re.compile(r"Failed to parse \w+ field: ")


class OtlpJsonError(ValueError):
    """A text that is no ``ExportTraceServiceRequest`` in JSON; the message says why."""


class ParsedRequest(NamedTuple):
    """A request without the spans whose ids cannot be read."""

    request: ExportTraceServiceRequest
    rejected: int
    """Spans left out."""
    reason: str
    """Why the first of them was; empty if none was."""


def request_from_json(text: bytes | str) -> ParsedRequest:
    """The request of ``text``, UTF-8 if it is bytes. Raises OtlpJsonError."""
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise OtlpJsonError(f"the body is no JSON: {_one_line(error)}") from error
    if not isinstance(fields, dict):
        raise OtlpJsonError(f"the body must be a JSON object with resourceSpans, not {_shown(fields)}")
    request = ExportTraceServiceRequest()
    try:
        rejected = _convert_ids(fields)
        # Its limit to nesting, 100 messages, is that of the readers of protobuf too.
        json_format.ParseDict(fields, request, ignore_unknown_fields=True)
    except (json_format.ParseError, RecursionError, TypeError, AttributeError, ValueError) as error:
        raise OtlpJsonError(f"the body is no ExportTraceServiceRequest: {_one_line(error)}") from error
    return ParsedRequest(request, len(rejected), rejected[0] if rejected else "")


def request_to_json(request: ExportTraceServiceRequest) -> str:
    """``request`` as one line, without the line break."""
    fields = json_format.MessageToDict(request, use_integers_for_enums=True)
    for resource, resource_fields in zip(request.resource_spans, fields.get("resourceSpans", ()), strict=True):
        for scope, scope_fields in zip(resource.scope_spans, resource_fields.get("scopeSpans", ()), strict=True):
            for span, span_fields in zip(scope.spans, scope_fields.get("spans", ()), strict=True):
                _set_ids(span_fields, traceId=span.trace_id, spanId=span.span_id, parentSpanId=span.parent_span_id)
                for link, link_fields in zip(span.links, span_fields.get("links", ()), strict=True):
                    _set_ids(link_fields, traceId=link.trace_id, spanId=link.span_id)
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)


def _set_ids(fields: dict[str, Any], **ids: bytes) -> None:
    fields.update((name, value.hex()) for name, value in ids.items() if value)


def _convert_ids(fields: dict[str, Any]) -> list[str]:
    """Make the hexadecimal ids base64, as protobuf's JSON has them; take out the spans where that fails, and say why."""
    reasons: list[str] = []
    for resource in _objects(fields, "resourceSpans", "resource_spans"):
        for scope in _objects(resource, "scopeSpans", "scope_spans"):
            scope["spans"] = [span for span in _objects(scope, "spans") if _convert_span(span, reasons)]
    return reasons


def _convert_span(span: dict[str, Any], reasons: list[str]) -> bool:
    try:
        for holder in (span, *_objects(span, "links")):
            _convert_holder(holder)
    except OtlpJsonError as error:
        reasons.append(str(error))
        return False
    return True


def _convert_holder(holder: dict[str, Any]) -> None:
    # Other spellings are unknown names, which json_format would take for the fields, in base64.
    for name in ("trace_id", "span_id", "parent_span_id"):
        holder.pop(name, None)
    for name, size in _BYTES_OF_ID.items():
        value = holder.get(name)
        if value is None or value == "":
            continue
        digits = 2 * size
        if not (isinstance(value, str) and len(value) == digits and value.isascii() and value.isalnum()):
            raise OtlpJsonError(f"{name} must be {digits} hexadecimal digits, not {_shown(value)}")
        try:
            raw = bytes.fromhex(value)
        except ValueError as error:
            raise OtlpJsonError(f"{name} must be {digits} hexadecimal digits, not {_shown(value)}") from error
        holder[name] = base64.b64encode(raw).decode("ascii")


def _objects(holder: dict[str, Any], *names: str) -> Iterator[dict[str, Any]]:
    for name in names:
        items = holder.get(name)
        if items is None:
            continue
        # json_format would take a text for an object without known fields.
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise OtlpJsonError(f"{name} must be a list of objects, not {_shown(items)}")
        yield from items


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."


def _one_line(error: BaseException) -> str:
    # json_format says the path a second time, field by field, before the cause.
    return " ".join(_PATH_IN_WORDS.sub("", str(error)).split())[:_MAX_REASON]
