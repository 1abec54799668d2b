"""`Span` and `NonRecordingSpan`: the SDK's and the API's classes of those names, native inside."""

from __future__ import annotations

from typing import Any

from nanospan._compat import stock
from nanospan._compat.sdk import SPAN_FIELDS
from nanospan._native.context import NativeNonRecordingSpan, bind_non_recording_class, own_dict
from nanospan._native.trace import NativeSpan, bind_span_class

__all__ = ["NonRecordingSpan", "Span"]


@bind_span_class
class Span(NativeSpan, stock.Span):
    """A span that records, made by `nanospan.Tracer`.

    An ``opentelemetry.sdk.trace.Span`` in every respect. Rarely called methods call the SDK's: a patch of, for example,
    ``opentelemetry.sdk.trace.Span.record_exception`` takes effect here too.
    """

    __dict__ = property(own_dict)

    def __copy__(self) -> Span:
        copied = NativeSpan.__new__(type(self))
        for name in SPAN_FIELDS:
            setattr(copied, name, getattr(self, name))
        copied.__dict__.update(self.__dict__)
        return copied


@bind_non_recording_class
class NonRecordingSpan(NativeNonRecordingSpan, stock.NonRecordingSpan):
    """A span that was not sampled: it has a SpanContext and ignores every other call."""

    __dict__ = property(own_dict)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.get_span_context(),), self.__dict__ or None

    def __setstate__(self, state: dict[str, Any]) -> None:
        # An object of the API's class has its context in its state.
        if (context := state.pop("_context", None)) is not None:
            NonRecordingSpan.__init__(self, context)
        self.__dict__.update(state)
