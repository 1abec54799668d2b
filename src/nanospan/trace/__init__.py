"""The native tracing SDK: the classes of `opentelemetry.sdk.trace` that nanospan takes the place of."""

from nanospan.trace.provider import TracerProvider
from nanospan.trace.span import NonRecordingSpan, Span
from nanospan.trace.tracer import Tracer

__all__ = ["NonRecordingSpan", "Span", "Tracer", "TracerProvider"]

for _cls in (NonRecordingSpan, Span, Tracer, TracerProvider):
    _cls.__module__ = __name__  # their public path, for logs and pickles
