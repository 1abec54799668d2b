"""The SDK's and the API's classes that nanospan's replace, bound once.

Applications assign nanospan's classes in place of these, for libraries that construct the SDK's own. From then on the SDK's
modules have nanospan's class under the stock name. Code that looks a stock class up when it is called would find nanospan's
own class there, and call itself: take it from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace import Span, Tracer, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ParentBased, ParentBasedTraceIdRatio, StaticSampler, TraceIdRatioBased
from opentelemetry.trace import NonRecordingSpan

from nanospan._compat import older
from nanospan._compat.parts import SDK_RELEASE

try:
    from opentelemetry.sdk.trace.sampling import AlwaysRecordSampler
except ImportError:
    AlwaysRecordSampler = older.AlwaysRecordSampler  # type: ignore[assignment,misc]

__all__ = [
    "AlwaysRecordSampler",
    "BatchSpanProcessor",
    "NonRecordingSpan",
    "ParentBased",
    "ParentBasedTraceIdRatio",
    "RandomIdGenerator",
    "Span",
    "StaticSampler",
    "TraceIdRatioBased",
    "Tracer",
    "TracerBase",
    "TracerProvider",
    "TracerProviderBase",
    "is_own",
    "stock_class",
]


def is_own(thing: object, own: type) -> bool:
    """Whether ``thing`` is of nanospan's class ``own``. `isinstance` takes the SDK's objects for such after `install`."""
    return own in type(thing).__mro__


def stock_class(cls: type) -> type[Any]:
    """``cls``; its nearest base that is not nanospan's if it is nanospan's."""
    return next(base for base in cls.__mro__ if base.__module__.partition(".")[0] != "nanospan")


# A program that imports nanospan again finds the classes of the first import under the stock names.
for _name, _class in list(globals().items()):
    if _name in __all__ and isinstance(_class, type) and _class is not older.AlwaysRecordSampler:
        globals()[_name] = stock_class(_class)

TracerBase = Tracer
TracerProviderBase = TracerProvider
"""What nanospan's classes derive from: the SDK's, with the interface of the newest release."""
if not TYPE_CHECKING and SDK_RELEASE < (1, 41):
    TracerBase = older.older_tracer(Tracer)
    TracerProviderBase = older.older_provider(TracerProvider)
