"""``nanospan lint --semconv``: the conventions on captured spans.

A file holds requests in OTLP's JSON, one a line, as ``nanospan receive --save`` and the Collector's file exporter write
them, or in protobuf: one ``ExportTraceServiceRequest``, or several, each after its length in 4 bytes, as the Collector's
file exporter writes with ``format: proto``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2

from nanospan.cli.receive.save import read_lines
from nanospan.contract.conventions import RESOURCE, Checker, Conventions, Findings
from nanospan.lint.report import Finding
from nanospan.receiver.decode import KINDS, attribute_values, decode_span

__all__ = ["CaptureError", "RequestChecker", "check_files"]

_LENGTH_BYTES = 4


class CaptureError(Exception):
    """A file that holds no requests; the message says why."""


class _Scope:
    """Name and version of an instrumentation scope."""

    def __init__(self, name: str, version: str) -> None:
        self.name = name
        self.version = version


class _Scopes:
    """One object for each scope, as a process has it."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], _Scope] = {}

    def of(self, name: str, version: str) -> _Scope:
        return self._known.setdefault((name, version), _Scope(name, version))


class RequestChecker:
    """Checks requests one after the other, and remembers where each finding came first."""

    def __init__(self, conventions: Conventions) -> None:
        self.checker = Checker(conventions)
        self.spans = 0
        self.first: dict[tuple[str, str, str, str], tuple[str, int]] = {}
        """By scope, version, finding and key the path and the line where it came first."""
        self._scopes = _Scopes()

    @property
    def findings(self) -> Findings:
        return self.checker.findings

    def check(self, body: bytes, path: str = "", line: int = 1) -> int:
        """Check a request, serialised as protobuf, and return its number of spans. Raises DecodeError."""
        request = ExportTraceServiceRequest.FromString(body)
        spans = 0
        for resource_spans in request.resource_spans:
            found = self.checker.check_attributes(RESOURCE, attribute_values(resource_spans.resource.attributes))
            self._note(found, RESOURCE, "", path, line)
            for scope_spans in resource_spans.scope_spans:
                scope = self._scopes.of(scope_spans.scope.name, scope_spans.scope.version)
                for span in scope_spans.spans:
                    spans += 1
                    self._note(self._check_span(scope, span), scope.name, scope.version, path, line)
        self.spans += spans
        return spans

    def report(self) -> list[Finding]:
        """One finding for each of scope, finding and key, where it came first, with how often it was made."""
        found = []
        for one in self.findings.report():
            path, line = self.first.get((one.scope, one.version, one.id, one.key), ("", 1))
            where = f"{one.scope or '(no scope)'} {one.version}".rstrip()
            times = "once" if one.count == 1 else f"{one.count} times"
            message = f"{where}: {one.hint} ({times})"
            found.append(Finding(one.id, path, line, 1, message, one.level, f"{one.id} {one.scope} {one.key}"))
        return found

    def _check_span(self, scope: _Scope, message: trace_pb2.Span) -> list[tuple[str, str]]:
        span = decode_span(message)
        return self.checker.check_span(
            scope,
            span.name,
            # Of OTLP's kinds the first, "unspecified", counts as internal.
            max(0, KINDS.index(span.kind) - 1),
            span.attributes,
            [*(event.attributes for event in span.events), *(link.attributes for link in span.links)],
            (message.dropped_attributes_count, message.dropped_events_count, message.dropped_links_count),
        )

    def _note(self, found: Iterable[tuple[str, str]], scope: str, version: str, path: str, line: int) -> None:
        for finding, key in found:
            self.first.setdefault((scope, version, finding, key), (path, line))


def check_files(paths: Iterable[str], conventions: Conventions) -> list[Finding]:
    """The findings in files of requests. Raises CaptureError for a file without a span, or one that cannot be read."""
    checker = RequestChecker(conventions)
    for path in paths:
        before = checker.spans
        try:
            for line, body in _requests(path):
                checker.check(body, path, line)
        except OSError as error:
            raise CaptureError(f"cannot read {path}: {error.strerror or error}") from error
        except DecodeError as error:
            raise CaptureError(f"{path} holds no requests of OTLP, in JSON or protobuf") from error
        if checker.spans == before:
            raise CaptureError(f"{path} holds no spans")
    return checker.report()


def _requests(path: str) -> Iterator[tuple[int, bytes]]:
    """The requests of a file, serialised as protobuf, each with its line, or its number."""
    with open(path, "rb") as file:
        is_json = file.read(64).lstrip()[:1] == b"{"
    if not is_json:
        yield from enumerate(_protobuf_requests(path), 1)
        return
    for line in read_lines(path):
        if line.reason:
            raise CaptureError(f"{path}, line {line.number}: {line.reason}")
        yield line.number, line.body


def _protobuf_requests(path: str) -> list[bytes]:
    with open(path, "rb") as file:
        body = file.read()
    parts, place = [], 0
    while place + _LENGTH_BYTES <= len(body):
        length = int.from_bytes(body[place : place + _LENGTH_BYTES])
        place += _LENGTH_BYTES
        parts.append(body[place : place + length])
        place += length
    # A message begins with the tag of its first field, which as a length is more than the file has.
    return parts if parts and place == len(body) else [body]
