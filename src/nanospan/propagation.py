"""The W3C trace context propagator (`traceparent` and `tracestate`), native inside.

A drop-in for `opentelemetry.trace.propagation.tracecontext.TraceContextTextMapPropagator`, from which it derives: same
constructor, same headers written, same warnings. It reads by level 2 of the specification where that class follows level
1: several `traceparent` headers start a new trace; of several members of a `tracestate` with one key the first counts; keys
have level 2's grammar.

It is not the default of the API. `OTEL_PYTHON_CONFIGURATOR=nanospan` installs it; otherwise
`OTEL_PROPAGATORS=nanospan_tracecontext,baggage`, or in code::

    from opentelemetry import propagate
    from nanospan.propagation import TraceContextTextMapPropagator

    propagate.set_global_textmap(TraceContextTextMapPropagator())

Specification: W3C Trace Context level 2 (https://www.w3.org/TR/trace-context-2/) and OpenTelemetry API, "Propagators".
"""

from __future__ import annotations

from nanospan._native.context.propagator import ApiPropagator, NativeTraceContextPropagator, bind_propagator_class

__all__ = ["TraceContextTextMapPropagator"]


@bind_propagator_class
class TraceContextTextMapPropagator(NativeTraceContextPropagator, ApiPropagator):
    """Carries the span context in the headers `traceparent` and `tracestate`, as the API's class of the same name.

    `traceparent` is read and written natively, from any carrier and through any getter or setter. With a plain dict and
    the default getter and setter no Python function is called. The API's own code handles unusual input: non-ASCII
    characters, headers of more than 512 characters, a `tracestate` of more than 8192 or malformed, ids out of range.

    The API's code handles every call on a subclass, which may have renamed the headers. Renaming them on this class or an
    instance of it has no effect.
    """

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
