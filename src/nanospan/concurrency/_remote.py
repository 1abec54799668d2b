"""A Context in another process: its span context and baggage by the W3C fields, the span as a remote one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Setter, TextMapPropagator, default_setter
from opentelemetry.trace import NonRecordingSpan, SpanContext, get_current_span, set_span_in_context

from nanospan._common.log import log_callback_error
from nanospan._native.context import ContextCall, bind_processes
from nanospan.propagation import TraceContextTextMapPropagator

__all__ = ["as_remote", "context_of", "fields_of", "inject", "reduce_call"]

# Not the global propagator: both ends are the same program, and a child may be forked before it is set.
_SPAN = TraceContextTextMapPropagator()
_BAGGAGE = W3CBaggagePropagator()


def fields_of(context: Context) -> dict[str, str]:
    """``traceparent``, ``tracestate`` and ``baggage``, as far as the Context has them."""
    fields: dict[str, str] = {}
    if not context:
        return fields
    inject(_SPAN, fields, context)
    # Unless the span is all that there is: the propagator of baggage takes twice as long to find none.
    if len(context) > 1 or "traceparent" not in fields:
        inject(_BAGGAGE, fields, context)
    return fields


def inject(
    propagator: TextMapPropagator,
    carrier: dict[str, str],
    context: Context | None,
    setter: Setter[dict[str, str]] = default_setter,
) -> None:
    """What the propagator writes; nothing, and one log line, if it raises, as the API's does for baggage with surrogates."""
    try:
        propagator.inject(carrier, context, setter)
    except Exception:
        log_callback_error(propagator, "inject")


def context_of(fields: Mapping[str, str]) -> Context:
    """The Context that `fields_of` was given, its span as a remote one."""
    context = _SPAN.extract(fields, Context())
    return _BAGGAGE.extract(fields, context) if "baggage" in fields else context


def as_remote(context: Context) -> Context:
    """The Context with its span as a remote one, which does not record: the span belongs to another process."""
    span = get_current_span(context)
    own = span.get_span_context()
    if not own.is_valid or own.is_remote:
        return context
    remote = SpanContext(own.trace_id, own.span_id, True, own.trace_flags, own.trace_state)
    return set_span_in_context(NonRecordingSpan(remote), context)


def _restored(fields: Mapping[str, str], function: Callable[..., Any], once: bool) -> ContextCall:
    return ContextCall(function, context_of(fields), once=once)


def reduce_call(call: ContextCall) -> tuple[Any, ...]:
    """The `__reduce__` of a call: the function, and the fields of its Context."""
    return _restored, (fields_of(call.context or Context()), call.function, call.is_once)


bind_processes(as_remote, reduce_call)
