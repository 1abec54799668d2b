"""Finds canaries in bytes, in the encodings that text is wrapped in, and names the fields that hold them."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

__all__ = ["Field", "Hit", "fields_of", "find", "find_in_fields", "layers"]

MAX_DEPTH: Final = 4
"""Encodings around one another that are taken off."""
MAX_UNPACKED: Final = 64 << 20
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}")
_PERCENT = re.compile(rb"%[0-9A-Fa-f]{2}")
_HEX = re.compile(rb"[0-9A-Fa-f]{24,}")
_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_PACKED: Final = {b"\x1f\x8b": 31, b"\x78\x01": 15, b"\x78\x5e": 15, b"\x78\x9c": 15, b"\x78\xda": 15}
"""First bytes of gzip and zlib, and zlib's name for each format."""


@dataclass(frozen=True, slots=True)
class Field:
    """One text or binary value of a request, with its place."""

    place: str
    """Such as ``attribute url.query``, ``span name``."""
    span: str
    """The span's name; empty for a resource or a scope."""
    data: bytes


@dataclass(frozen=True, slots=True)
class Hit:
    """A canary at a place."""

    canary: str
    place: str
    form: str
    """``plain``, or the encodings that were taken off, the outer one first."""


def layers(data: bytes, form: str = "plain", depth: int = MAX_DEPTH) -> Iterator[tuple[str, bytes]]:
    """``data``, and what is left of it when percent escapes, base64, hexadecimal digits and compression are taken off."""
    yield form, data
    if depth == 0:
        return
    outer = "" if form == "plain" else f"{form}, "
    if (window := _PACKED.get(data[:2])) is not None and (unpacked := _unpack(data, window)):
        yield from layers(unpacked, f"{outer}compressed", depth - 1)
    if _PERCENT.search(data):
        yield from layers(unquote_to_bytes(data), f"{outer}percent", depth - 1)
    for run in _HEX.findall(data):
        for start in (0, 1):
            digits = run[start : len(run) - (len(run) - start) % 2]
            yield from layers(binascii.unhexlify(digits), f"{outer}hex", depth - 1)
    for run in _BASE64.findall(data):
        # The text may stand behind others of the same alphabet, such as the length of a field in protobuf.
        for start in range(4):
            yield from layers(_from_base64(run[start:]), f"{outer}base64", depth - 1)


def _unpack(data: bytes, window: int) -> bytes:
    try:
        return zlib.decompressobj(window).decompress(data, MAX_UNPACKED)
    except zlib.error:
        return b""


def _from_base64(run: bytes) -> bytes:
    if len(run) % 4 == 1:  # no length of base64: its last sign belongs to what follows
        run = run[:-1]
    return base64.b64decode(run.translate(_TO_STANDARD) + b"=" * (-len(run) % 4))


def find(data: bytes, canaries: Mapping[str, str]) -> dict[str, str]:
    """The canaries that are in ``data``, in any case and in either direction, each with the form of the first encoding."""
    wanted = [(name, text.lower().encode()) for name, text in canaries.items()]
    found: dict[str, str] = {}
    for form, layer in layers(data):
        lowered = layer.lower()
        for name, text in wanted:
            if name not in found and (text in lowered or text[::-1] in lowered):
                found[name] = form
    return found


def find_in_fields(fields: Iterable[Field], canaries: Mapping[str, str]) -> Iterator[tuple[Hit, str]]:
    """What is found, and the name of the span that holds it, once for each field."""
    for field in fields:
        for name, form in find(field.data, canaries).items():
            yield Hit(name, field.place, form), field.span


def fields_of(body: bytes) -> Iterator[Field]:
    """Every value of an ``ExportTraceServiceRequest``; nothing of bytes that are none."""
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        return
    for of_resource in request.resource_spans:
        yield from _attributes(of_resource.resource.attributes, "resource attribute", "")
        for of_scope in of_resource.scope_spans:
            yield from _texts("", {"scope name": of_scope.scope.name, "scope version": of_scope.scope.version})
            yield from _attributes(of_scope.scope.attributes, "scope attribute", "")
            for span in of_scope.spans:
                yield from _of_span(span)


def _of_span(span: trace_pb2.Span) -> Iterator[Field]:
    name = span.name
    yield from _texts(name, {"span name": name, "status": span.status.message, "trace state": span.trace_state})
    yield from _attributes(span.attributes, "attribute", name)
    for event in span.events:
        yield from _texts(name, {"event name": event.name})
        yield from _attributes(event.attributes, "event attribute", name)
    for link in span.links:
        yield from _texts(name, {"link trace state": link.trace_state})
        yield from _attributes(link.attributes, "link attribute", name)


def _texts(span: str, texts: Mapping[str, str]) -> Iterator[Field]:
    for place, text in texts.items():
        if text:
            yield Field(place, span, text.encode())


def _attributes(attributes: Iterable[KeyValue], kind: str, span: str) -> Iterator[Field]:
    for attribute in attributes:
        yield Field(f"{kind}'s key", span, attribute.key.encode())
        for data in _values(attribute.value):
            yield Field(f"{kind} {attribute.key}", span, data)


def _values(value: AnyValue) -> Iterator[bytes]:
    which = value.WhichOneof("value")
    if which == "array_value":
        for item in value.array_value.values:
            yield from _values(item)
    elif which == "kvlist_value":
        for pair in value.kvlist_value.values:
            yield pair.key.encode()
            yield from _values(pair.value)
    elif which == "bytes_value":
        yield value.bytes_value
    elif which is not None:
        yield str(getattr(value, which)).encode()
