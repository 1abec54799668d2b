from collections.abc import Iterable
from typing import Any

from typing_extensions import Buffer

class EncodedBatch(Buffer):
    count: int
    """Spans in the request."""
    ticket: int
    """Of the last span in it, in the queue that it came from."""

    def __len__(self) -> int:
        """Bytes of the request."""
    def split(self) -> tuple[EncodedBatch, EncodedBatch]:
        """Two batches that together hold the same spans in the same order; ValueError if there is only one."""

class SpanContract: ...
class Source: ...
class SourceTable: ...
class RecordList: ...

# Spans are ReadableSpan objects, or anything with its public properties.
def encode_batch(spans: Iterable[Any]) -> EncodedBatch | None:
    """One batch of the spans that can be encoded; None if there are none."""

def encode_spans(spans: Iterable[Any]) -> bytes:
    """One serialised ``ExportTraceServiceRequest``; empty if there is nothing in it."""
