"""Which of nanospan's objects stands under which of the SDK's and the API's names."""

from __future__ import annotations

from typing import Any

from opentelemetry.sdk.trace import sampling as sdk_sampling
from opentelemetry.sdk.trace.sampling import Sampler

import nanospan.sampling as sampling
from nanospan._compat.sdk import RECORDS_NATIVELY
from nanospan._compat.stock import stock_class
from nanospan.processor import BatchSpanProcessor
from nanospan.propagation import TraceContextTextMapPropagator
from nanospan.trace import NonRecordingSpan, Span, Tracer, TracerProvider

__all__ = ["OWN", "PICKLED", "is_stock"]

_TRACE = "opentelemetry.sdk.trace"
_SAMPLERS = (
    *("ALWAYS_OFF", "ALWAYS_ON", "DEFAULT_OFF", "DEFAULT_ON", "AlwaysRecordSampler", "ParentBased"),
    *("ParentBasedTraceIdRatio", "StaticSampler", "TraceIdRatioBased"),
)

OWN: dict[tuple[str, str], Any] = {
    (_TRACE, "TracerProvider"): TracerProvider,
    **({(_TRACE, "Tracer"): Tracer, (_TRACE, "_Span"): Span} if RECORDS_NATIVELY else {}),
    (f"{_TRACE}.export", "BatchSpanProcessor"): BatchSpanProcessor,
    **{(f"{_TRACE}.sampling", name): getattr(sampling, name) for name in _SAMPLERS if hasattr(sdk_sampling, name)},
    ("opentelemetry.trace.span", "NonRecordingSpan"): NonRecordingSpan,
    ("opentelemetry.trace.propagation.tracecontext", "TraceContextTextMapPropagator"): TraceContextTextMapPropagator,
}
"""By module and name. The module is the one that defines the name; others hold references.

Not among them: ``Span``, which nobody constructs and nanospan's derives from; SimpleSpanProcessor, which exports each span
before ``end()`` returns, as tests and consoles expect; RandomIdGenerator, whose ids follow ``random.seed()``.
"""

PICKLED = tuple(
    own for own in OWN.values() if isinstance(own, type) and own not in (BatchSpanProcessor, Span, Tracer, TracerProvider)
)
"""The classes whose objects can be pickled."""


def is_stock(found: Any, own: Any) -> bool:
    """Whether ``found`` is what the SDK itself has where ``own`` belongs."""
    if isinstance(own, Sampler):
        return type(found) is stock_class(type(own))
    stock = stock_class(own)
    # The SDK's concrete span class, `_Span`, derives from the public one.
    return isinstance(found, type) and (
        found is stock or (own is Span and found.__module__ == _TRACE and issubclass(found, stock))
    )
