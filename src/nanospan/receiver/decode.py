"""Converts OTLP messages to dataclasses, and these to JSON and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

__all__ = ["Event", "Link", "Span", "attribute_values", "decode_span", "service_name", "spans_from_json", "spans_to_json"]

KINDS = ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
STATUSES = ("UNSET", "OK", "ERROR")

UNKNOWN_SERVICE = "unknown_service"


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a span."""

    name: str
    time_unix_nano: int
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Link:
    """A link to another span; ids are lowercase hexadecimal."""

    trace_id: str
    span_id: str
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """One received span. Ids are lowercase hexadecimal, times nanoseconds since the epoch."""

    trace_id: str
    span_id: str
    parent_span_id: str
    """Empty for a root."""
    name: str
    kind: str
    """One of `KINDS`."""
    start_unix_nano: int
    end_unix_nano: int
    status: str
    """One of `STATUSES`."""
    status_message: str
    attributes: dict[str, Any]
    events: tuple[Event, ...] = ()
    links: tuple[Link, ...] = ()
    service: str = UNKNOWN_SERVICE
    scope: str = ""

    @property
    def duration_nano(self) -> int:
        """Nanoseconds from start to end; 0 when the span ends before it starts."""
        return max(0, self.end_unix_nano - self.start_unix_nano)


def decode_span(message: trace_pb2.Span, service: str = UNKNOWN_SERVICE, scope: str = "") -> Span:
    """One OTLP span message as a `Span`; an enum value unknown here becomes the first of its enum."""
    return Span(
        trace_id=message.trace_id.hex(),
        span_id=message.span_id.hex(),
        parent_span_id=message.parent_span_id.hex(),
        name=message.name,
        kind=_named(KINDS, message.kind),
        start_unix_nano=message.start_time_unix_nano,
        end_unix_nano=message.end_time_unix_nano,
        status=_named(STATUSES, message.status.code),
        status_message=message.status.message,
        attributes=attribute_values(message.attributes),
        events=tuple(Event(one.name, one.time_unix_nano, attribute_values(one.attributes)) for one in message.events),
        links=tuple(Link(one.trace_id.hex(), one.span_id.hex(), attribute_values(one.attributes)) for one in message.links),
        service=service,
        scope=scope,
    )


def service_name(attributes: Iterable[KeyValue]) -> str:
    """The resource's ``service.name``, or ``unknown_service``."""
    for attribute in attributes:
        if attribute.key == "service.name":
            return attribute.value.string_value or UNKNOWN_SERVICE
    return UNKNOWN_SERVICE


def spans_to_json(spans: Iterable[Span]) -> str:
    """A JSON list of spans. Bytes values become hexadecimal strings and stay so."""
    return json.dumps([asdict(span) for span in spans], default=bytes.hex)


def spans_from_json(text: str | bytes) -> list[Span]:
    """The spans of `spans_to_json`; ValueError, TypeError or KeyError for anything else."""
    return [_span_from_fields(fields) for fields in json.loads(text)]


def _span_from_fields(fields: Mapping[str, Any]) -> Span:
    plain = dict(fields)
    plain["events"] = tuple(Event(**event) for event in fields["events"])
    plain["links"] = tuple(Link(**link) for link in fields["links"])
    return Span(**plain)


def _named(names: tuple[str, ...], number: int) -> str:
    return names[number] if 0 <= number < len(names) else names[0]


def attribute_values(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    """Attributes as Python's values: lists and dicts for arrays and maps."""
    return {attribute.key: _value(attribute.value) for attribute in attributes}


def _value(value: AnyValue) -> Any:
    which = value.WhichOneof("value")
    if which is None:
        return None
    if which == "array_value":
        return [_value(item) for item in value.array_value.values]
    if which == "kvlist_value":
        return attribute_values(value.kvlist_value.values)
    return getattr(value, which)
