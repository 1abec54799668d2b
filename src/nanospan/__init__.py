"""nanospan: the tracing runtime that makes OpenTelemetry in Python cost nanoseconds instead of microseconds."""

from importlib.metadata import version as _version

from nanospan._native.batch import encode_spans
from nanospan.ids import RandomIdGenerator
from nanospan.processor import BatchSpanProcessor

__all__ = ["BatchSpanProcessor", "RandomIdGenerator", "encode_spans"]

__version__ = _version("nanospan")
