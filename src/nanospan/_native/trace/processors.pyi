from opentelemetry.sdk.trace import SpanProcessor

class NativeProcessors:
    def __init__(self) -> None: ...
    _span_processors: tuple[SpanProcessor, ...]
