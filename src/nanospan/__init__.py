"""nanospan: the tracing runtime that makes OpenTelemetry in Python cost nanoseconds instead of microseconds."""

from importlib.metadata import version as _version

from nanospan._native.batch import encode_spans
from nanospan.ids import RandomIdGenerator
from nanospan.processor import BatchSpanProcessor
from nanospan.provider import TracerProvider
from nanospan.span import NonRecordingSpan, Span
from nanospan.tracer import Tracer

__all__ = [
    "BatchSpanProcessor",
    "NonRecordingSpan",
    "RandomIdGenerator",
    "Span",
    "Tracer",
    "TracerProvider",
    "encode_spans",
]

__version__ = _version("nanospan")
