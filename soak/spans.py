"""Spans that say who they are: whoever receives one can tell which it is, and whether all of it is there.

A span's name is ``process/thread/number``; the numbers of a thread count up from 0, `SPANS_IN_TRACE` to a trace, the root
first. Its attributes follow from its name, and a checksum seals them.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.trace import Span, Status, StatusCode, Tracer, set_span_in_context

__all__ = [
    "SPANS_IN_TRACE",
    "Identity",
    "begin_trace",
    "is_error",
    "pack",
    "problem_of",
    "spans_of",
    "unpack",
]

SPANS_IN_TRACE = 5
LONG_TEXT = 20_000
"""Characters in the text of one span in a thousand: a record of more than one page."""

_PACKED = struct.Struct("<HI8s")


class Identity(NamedTuple):
    """A span within its process."""

    thread: int
    number: int
    span_id: bytes


def _text(thread: int, number: int) -> str:
    length = LONG_TEXT if number % 1000 == 999 else (number * 7919 + thread) % 300
    return ("0123456789abcdef" * (length // 16 + 1))[:length]


def _seal(name: str, text: str) -> int:
    return zlib.crc32(text.encode(), zlib.crc32(name.encode()))


def is_error(process: str, thread: int, trace: int) -> bool:
    """Whether the thread's trace of that number is one that tail sampling must keep."""
    return zlib.crc32(f"{process}/{thread}/{trace}".encode()) % 10 == 0


def begin_trace(tracer: Tracer, process: str, thread: int, trace: int) -> list[Span]:
    """The open spans of one trace, the root first, complete but for their ends."""
    first = trace * SPANS_IN_TRACE
    root = _begin(tracer, process, thread, first, None)
    spans = [root]
    context = set_span_in_context(root)
    for number in range(first + 1, first + SPANS_IN_TRACE):
        spans.append(_begin(tracer, process, thread, number, context))
    if is_error(process, thread, trace):
        spans[-1].set_status(Status(StatusCode.ERROR, "as planned"))
    return spans


def _begin(tracer: Tracer, process: str, thread: int, number: int, context: Any) -> Span:
    name = f"{process}/{thread}/{number}"
    text = _text(thread, number)
    span = tracer.start_span(name, context, attributes={"number": number, "text": text})
    if number % 10 == 0:
        span.add_event("tenth", {"number": number})
    span.set_attribute("seal", _seal(name, text))
    return span


def spans_of(body: bytes | memoryview) -> list[Any]:
    """The protobuf spans of a request; raises google.protobuf.message.DecodeError if it cannot be read."""
    request = ExportTraceServiceRequest.FromString(bytes(body))
    return [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]


def identity_of(span: Any) -> tuple[str, Identity]:
    """The process of a received span, and which of its spans it is. Raises ValueError for a foreign name."""
    process, thread, number = span.name.rsplit("/", 2)
    return process, Identity(int(thread), int(number), span.span_id)


def problem_of(span: Any) -> str | None:
    """What is wrong with a received span, None if it is whole."""
    try:
        _, (thread, number, _) = identity_of(span)
    except ValueError:
        return f"name {span.name!r}"
    values = {attribute.key: attribute.value for attribute in span.attributes}
    if set(values) != {"number", "text", "seal"} or values["number"].int_value != number:
        return f"attributes {sorted(values)}"
    text = _text(thread, number)
    if values["text"].string_value != text or values["seal"].int_value != _seal(span.name, text):
        return "text or seal"
    if len(span.trace_id) != 16 or len(span.span_id) != 8 or not any(span.trace_id) or not any(span.span_id):
        return "ids"
    if len(span.parent_span_id) != (0 if number % SPANS_IN_TRACE == 0 else 8):
        return "parent"
    if not 0 < span.start_time_unix_nano <= span.end_time_unix_nano:
        return "times"
    if len(span.events) != (number % 10 == 0):
        return "events"
    return None


def pack(identities: Iterable[Identity]) -> str:
    return base64.b64encode(b"".join(_PACKED.pack(*identity) for identity in identities)).decode()


def unpack(text: str) -> Iterator[Identity]:
    return (Identity(*fields) for fields in _PACKED.iter_unpack(base64.b64decode(text)))
