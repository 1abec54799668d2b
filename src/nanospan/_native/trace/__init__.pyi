from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, final

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ConcurrentMultiSpanProcessor, ReadableSpan, SpanProcessor, SynchronousMultiSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationInfo
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Status, StatusCode
from opentelemetry.trace import Tracer as ApiTracer
from opentelemetry.util._decorator import _AgnosticContextManager
from opentelemetry.util.types import AnyValue, Attributes

from nanospan._native.context import NativeSpanBase
from nanospan._native.sampling import NativeSampler

_Class = TypeVar("_Class", bound=type)

def use_python_clock(enabled: bool) -> None: ...
def span_time() -> int: ...

class NativeProcessors:
    def __init__(self) -> None: ...
    _span_processors: tuple[SpanProcessor, ...]

class NativeEvent:
    @property
    def name(self) -> str: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def attributes(self) -> dict[str, AnyValue]: ...
    @property
    def dropped_attributes(self) -> int: ...

class NativeLink:
    @property
    def context(self) -> SpanContext: ...
    @property
    def attributes(self) -> dict[str, AnyValue]: ...
    @property
    def dropped_attributes(self) -> int: ...

class SpanShared: ...

class SpanColdFields:
    def has_turn(self) -> bool: ...
    def has_no_other_writer(self) -> bool: ...

# The SDK's private names, properties at run time, are left to the SDK's own declarations.
class SpanFields(NativeSpanBase): ...

class SpanContent(SpanFields):
    def set_attribute(self, key: str, value: AnyValue) -> None: ...
    def set_attributes(self, attributes: Mapping[str, AnyValue]) -> None: ...
    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None: ...
    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None: ...
    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None: ...
    @property
    def attributes(self) -> Attributes: ...

class NativeSpan(SpanContent):
    def update_name(self, name: str) -> None: ...
    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None: ...
    def start(self, start_time: int | None = None, parent_context: Context | None = None) -> None: ...
    def end(self, end_time: int | None = None) -> None: ...
    def is_recording(self) -> bool: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None: ...
    def _readable_span(self) -> ReadableSpan: ...

def bind_span_class(cls: _Class) -> _Class: ...

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

class DetectorSlot: ...

class Detector:
    def __init__(self, report: Callable[[str, str | None, str | None], None], is_worker: Callable[[], bool]) -> None: ...
    @property
    def untracked(self) -> int: ...
    def close(self) -> None: ...
    def completeness(self) -> dict[str | None, tuple[int, int]]: ...

def start_detection(made: Detector | None) -> None: ...
