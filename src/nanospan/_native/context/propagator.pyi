from typing import TypeVar

from opentelemetry.context import Context
from opentelemetry.propagators.textmap import CarrierT, Getter, Setter
from opentelemetry.trace import SpanContext

_Class = TypeVar("_Class", bound=type)

def bind_propagator_class(cls: _Class) -> _Class: ...

class NativeTraceContextPropagator:
    def extract(self, carrier: CarrierT, context: Context | None = None, getter: Getter[CarrierT] = ...) -> Context: ...
    def inject(self, carrier: CarrierT, context: Context | None = None, setter: Setter[CarrierT] = ...) -> None: ...

def fast_paths() -> dict[str, bool]: ...
