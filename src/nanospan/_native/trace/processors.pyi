from opentelemetry.sdk.trace import SpanProcessor

class NativeProcessors:
    _span_processors: tuple[SpanProcessor, ...]
