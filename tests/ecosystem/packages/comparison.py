"""What two runs of one program have sent, in a form in which equal means equal but for ids, times and what is named.

Every format becomes a list of records, one a span, as JSON objects. In them a time is `TIME`, and each id the number of its
first appearance, by which parents, links and ids inside texts stay comparable.
"""

from __future__ import annotations

import base64
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ecosystem.packages.backend import Backend
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

__all__ = ["equal_records", "records"]

_TIMES = {
    *("start_time_unix_nano", "end_time_unix_nano", "time_unix_nano"),  # OTLP
    *("startTime", "endTime", "time"),  # Cloud Trace, Azure Monitor
    "duration",  # Azure Monitor
    *("timestamp", "start_timestamp", "sent_at"),  # Sentry
}
_IDS = ("trace_id", "span_id", "parent_span_id")
_W3C_FLAGS = 0xFF
"""In OTLP's ``flags``. nanospan sends them, the SDK's exporters leave them 0."""
_ID = re.compile(r"(?<![0-9a-f])(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32}|[0-9a-f]{16})(?![0-9a-f])")
_FRAMES = re.compile(r'  File "[^"]*/(?:opentelemetry|nanospan|site-packages/wrapt)/[^"]*", line .*\n(?:    .*\n)*')
"""The frames of the tracing itself in a stack text: `use_span` of the API, or what stands in its place."""


def records(backend: Backend, varying: Mapping[str, str]) -> list[dict[str, Any]]:
    """One for each span that has arrived, in a stable order. ``varying``: attributes that differ between any two runs."""
    found = json.dumps([*_otlp(backend.collector.bodies), *_posted(backend.posted)])
    plain = [_blanked(record, varying) for record in json.loads(found.replace(backend.url, "URL"))]
    plain.sort(key=lambda record: _ID.sub("ID", json.dumps(record, sort_keys=True)))
    numbers: dict[str, str] = {}
    text = _ID.sub(lambda match: numbers.setdefault(match[0], f"ID {len(numbers)}"), json.dumps(plain, sort_keys=True))
    numbered: list[dict[str, Any]] = json.loads(text)
    return numbered


def equal_records(one: Iterable[Any], other: Iterable[Any]) -> int:
    """How many records both have."""
    counts = [Counter(json.dumps(record, sort_keys=True) for record in side) for side in (one, other)]
    return (counts[0] & counts[1]).total()


def _otlp(bodies: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for body in bodies:
        for sent in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in sent.scope_spans:
                for span in scope.spans:
                    record = _otlp_dict(span)
                    for part in (record, *record.get("links", ())):
                        part["flags"] = part.get("flags", 0) & ~_W3C_FLAGS
                        part |= {name: base64.b64decode(part[name]).hex() for name in _IDS if name in part}
                    for link in record.get("links", ()):
                        link.pop("trace_state", None)  # the SDK's exporters leave that out too
                    yield record | {
                        "resource": [_otlp_dict(sent.resource), sent.schema_url],
                        "scope": [_otlp_dict(scope.scope), scope.schema_url],
                    }


def _otlp_dict(message: Any) -> dict[str, Any]:
    return MessageToDict(message, preserving_proto_field_name=True)


def _posted(posted: Iterable[tuple[str, bytes]]) -> Iterator[dict[str, Any]]:
    for path, body in posted:
        if path.endswith("/track"):  # Azure Monitor: envelopes as JSON lines or a JSON array
            content = json.loads(body) if body.startswith(b"[") else [json.loads(line) for line in body.splitlines()]
            yield from (envelope for envelope in content if envelope["data"]["baseType"] != "MetricData")
        elif path.endswith(":batchWrite"):
            yield from json.loads(body)["spans"]
        elif path.endswith("/envelope/"):  # Sentry: a header, and pairs of a header and an item
            lines = [json.loads(line) for line in body.splitlines() if line]
            items = zip(lines[1::2], lines[2::2], strict=True)
            yield from (item for header, item in items if header["type"] == "transaction")


def _blanked(value: Any, varying: Mapping[str, str]) -> Any:
    """``value`` without times, stack frames of the tracing and the varying attributes; lists of attributes in order."""
    match value:
        case {"key": str(key), "value": content}:
            return {"key": key, "value": f"VARIES {sorted(content)}" if key in varying else _blanked(content, varying)}
        case dict():
            return {
                name: "TIME" if name in _TIMES else "VARIES" if name in varying else _blanked(one, varying)
                for name, one in value.items()
            }
        case list():
            parts = [_blanked(one, varying) for one in value]
            is_map = all(isinstance(part, dict) and part.keys() == {"key", "value"} for part in parts)
            return sorted(parts, key=lambda part: part["key"]) if is_map else parts
        case str():
            return _FRAMES.sub("", value)
    return value
