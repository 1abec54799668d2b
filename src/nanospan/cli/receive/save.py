"""``nanospan receive --save`` and ``--read``: files of requests, a JSON object a line, as of the Collector's file exporter.

A line is an ``ExportTraceServiceRequest`` in OTLP's JSON (`nanospan.receiver.otlp_json`), which is also the OTLP JSON file
format, https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from nanospan._common.log import WindowedLog
from nanospan.cli.receive.request_batch import RequestBatch
from nanospan.cli.receive.request_queue import RequestQueue
from nanospan.receiver.otlp_json import OtlpJsonError, request_from_json, request_to_json

__all__ = ["Line", "Saver", "read_lines"]

MAX_QUEUED_BYTES = 64 << 20
MAX_SAVED_BYTES = 2 << 20
"""Bytes of a request, in protobuf, that becomes one line; a longer one of several spans becomes several. JSON takes two to
eight times as much, and so fits `MAX_LINE_BYTES`."""
MAX_LINE_BYTES = 32 << 20
"""Bytes of a line that is read. Python's objects for it take up to twenty times as much."""
LAST_SECONDS = 60.0
"""What the end waits for requests that are not written yet."""

_log = WindowedLog(logging.getLogger(__name__))


class Saver(RequestQueue):
    """Appends each request to a file. Never blocks: what waits is bounded, and what is lost is counted.

    Raises OSError when the file cannot be opened.
    """

    def __init__(self, path: str, *, max_bytes: int = MAX_QUEUED_BYTES) -> None:
        self.path = path
        # Closed by `close`. Unbuffered: a line is in the file when it is counted, and a failed one is not tried again.
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115
        self._torn = _ends_within_a_line(path)
        super().__init__(self._write, name="nanospan-receive-save", max_bytes=max_bytes)

    def close(self) -> None:
        """Write what waits, and close the file."""
        self.drain(LAST_SECONDS)
        self.join(LAST_SECONDS)
        self._file.close()

    def _write(self, body: bytes, spans: int) -> int:
        if len(body) > MAX_SAVED_BYTES and spans > 1:
            return sum(self._write(half, half.count) for half in RequestBatch.of(body, spans).split())
        try:
            line = request_to_json(ExportTraceServiceRequest.FromString(body)).encode() + b"\n"
            rest = memoryview(b"\n" + line if self._torn else line)
            self._torn = True
            while rest:
                rest = rest[self._file.write(rest) :]
            self._torn = False
        except (OSError, ValueError) as error:
            _log.log(logging.ERROR, "write", "A request is not in %s: %s", self.path, error)
            return 0
        return spans


class Line(NamedTuple):
    """What one line of a file holds: a request, serialised as protobuf, or a reason why it holds none."""

    number: int
    body: bytes = b""
    reason: str = ""
    """Why the line, or the first of the spans left out, is not used; empty if all is."""
    rejected: int = 0
    """Spans left out."""


def read_lines(path: str) -> Iterator[Line]:
    """The lines of a file that are not blank. Raises OSError when it cannot be read."""
    with open(path, "rb") as file:
        number = 0
        while text := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(text) > MAX_LINE_BYTES:
                while text and not text.endswith(b"\n"):
                    text = file.readline(MAX_LINE_BYTES)
                yield Line(number, reason=f"the line is longer than {MAX_LINE_BYTES:,} bytes, and is not read")
            elif text.strip():
                yield _line(number, text)


def _line(number: int, text: bytes) -> Line:
    try:
        request, rejected, reason = request_from_json(text)
    except OtlpJsonError as error:
        return Line(number, reason=str(error))
    if not request.resource_spans:
        return Line(number, reason="there are no resourceSpans")
    return Line(number, request.SerializeToString(), reason, rejected)


def _ends_within_a_line(path: str) -> bool:
    # Not a pipe or a terminal, where nothing can be read back.
    if not os.path.isfile(path) or not os.path.getsize(path):
        return False
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
