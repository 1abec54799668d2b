from collections.abc import Callable, Sequence
from typing import Any, TypeVar, final

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, SynchronousMultiSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationInfo
from opentelemetry.trace import Link, Span, SpanKind
from opentelemetry.trace import Tracer as ApiTracer
from opentelemetry.util._decorator import _AgnosticContextManager
from opentelemetry.util.types import Attributes

from nanospan._native.sampling.samplers import NativeSampler

_Entered = TypeVar("_Entered")

# The SDK's private names, properties at run time, are left to the SDK's own declarations.
class NativeTracer:
    sampler: Sampler
    resource: Resource
    span_processor: SynchronousMultiSpanProcessor | ConcurrentMultiSpanProcessor
    id_generator: IdGenerator
    instrumentation_info: InstrumentationInfo

# `__enter__` and `__exit__` of an activation, as a descriptor.
class SpecialMethod:
    def __get__(self, instance: SpanActivation[Any] | None, owner: type | None = None, /) -> Any: ...
    def __call__(self, *arguments: Any) -> Any: ...

# Derived, for type checkers, from what the SDK's method returns, whose place it takes: a context manager that gives a span,
# and a decorator that keeps the function's type. At run time it has no generator inside, and AbstractContextManager is the
# only class of these that it is registered with.
@final
class SpanActivation(_AgnosticContextManager[_Entered]):
    def _recreate_cm(self) -> SpanActivation[_Entered]: ...

# Methods of `nanospan.Tracer`, which work with any tracer as `self`.
def start_span(
    self: ApiTracer,
    name: str,
    context: Context | None = None,
    kind: SpanKind = ...,
    attributes: Attributes = None,
    links: Sequence[Link] | None = (),
    start_time: int | None = None,
    record_exception: bool = True,
    set_status_on_exception: bool = True,
) -> Span: ...
def start_as_current_span(
    self: ApiTracer,
    name: str,
    context: Context | None = None,
    kind: SpanKind = ...,
    attributes: Attributes = None,
    links: Sequence[Link] | None = (),
    start_time: int | None = None,
    record_exception: bool = True,
    set_status_on_exception: bool = True,
    end_on_exit: bool = True,
) -> SpanActivation[Span]: ...
def bind(
    *,
    tracer: type[ApiTracer],
    span: type[Span],
    non_recording_span: type[Span],
    id_generator: type[IdGenerator],
    native: Callable[[Sampler], NativeSampler | None],
    general_start: Callable[..., Span],
    decorator: Callable[[Any, Callable[..., Any]], Callable[..., Any]],
) -> None: ...
