"""`inject` and `extract`: the global propagator, with the headers of a transport."""

from __future__ import annotations

from typing import Any, Literal, cast

from opentelemetry import propagate
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context, get_current
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import INVALID_SPAN_CONTEXT, SpanContext, get_current_span

from nanospan._compat.sdk import composed_propagators
from nanospan._native.messaging import SHAPES, bind_propagators, context_of_headers, fields_of_context
from nanospan.messaging._carriers.carrier import Carrier, fits
from nanospan.messaging._carriers.counts import count, log_failure
from nanospan.propagation import TraceContextTextMapPropagator

__all__ = ["INCOMING", "Incoming", "current_fields", "extract", "extract_remote", "inject", "plain_remote", "remote_in"]

bind_propagators(
    composite=CompositePropagator,
    trace=TraceContextTextMapPropagator,
    baggage=W3CBaggagePropagator,
    members=composed_propagators,
)

Incoming = Literal["continue", "restart", "ignore"]
INCOMING: tuple[Incoming, ...] = ("continue", "restart", "ignore")


class _BoundedGetter(Getter[Any]):
    """Reads one message through its carrier; a field over its bounds is missing."""

    __slots__ = ("_carrier", "has_parent")

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self.has_parent = False
        """Whether a traceparent was read."""

    def get(self, carrier: Any, key: str) -> list[str] | None:
        value = self._carrier.get(carrier, key)
        if value is None:
            return None
        if not fits(key, value):
            count("malformed")
            return None
        if key == "traceparent":
            self.has_parent = True
        return [value]

    def keys(self, carrier: Any) -> list[str]:
        return self._carrier.keys(carrier)


def current_fields(context: Context | None = None) -> dict[str, str]:
    """The fields that the global propagator writes for ``context``, the current one if None. Never raises."""
    fields: dict[str, str] = {}
    try:
        if (written := fields_of_context(get_current() if context is None else context)) is not None:
            return written
        propagate.get_global_textmap().inject(fields, context=context)
    except Exception:
        log_failure("the propagator's inject")
    return fields


def inject(carrier: Carrier, headers: Any, *, context: Context | None = None) -> Any:
    """A copy of ``headers`` with the fields of ``context``, the current one if None: see `Carrier.set`. Never raises.

    A context without a span leaves the headers as they are: those of another producer then go on.
    """
    fields = current_fields(context)
    if fields:
        return carrier.set(headers, fields)
    return carrier.empty() if headers is None else headers


def plain_remote(carrier: Carrier, headers: Any, *, with_baggage: bool) -> SpanContext | None:
    """The span context in the headers where native code can read them; None if only the propagator can.

    ``with_baggage``: the caller needs the baggage too; then headers with baggage are the propagator's.
    """
    try:
        remote = context_of_headers(SHAPES[carrier.shape], headers, with_baggage)
    except Exception:  # of headers, or of what stands in a propagator's place: the other way counts and logs it
        return None
    if remote is NotImplemented:
        return None
    return INVALID_SPAN_CONTEXT if remote is None else cast(SpanContext, remote)


def remote_in(carrier: Carrier, headers: Any) -> SpanContext:
    """The span context in the headers, which is not valid if there is none. Never raises."""
    remote = plain_remote(carrier, headers, with_baggage=False)
    return extract_remote(carrier, headers)[1] if remote is None else remote


def extract_remote(carrier: Carrier, headers: Any) -> tuple[Context, SpanContext]:
    """The context of a message alone, and the span context in it, which is not valid if there is none. Never raises."""
    context = Context()
    if headers is None:
        return context, INVALID_SPAN_CONTEXT
    try:
        getter = _BoundedGetter(carrier)
        context = propagate.get_global_textmap().extract(headers, context, getter=getter)
        remote = get_current_span(context).get_span_context()
        if getter.has_parent and not remote.is_valid:
            count("malformed")
        return context, remote
    except Exception:
        log_failure("the propagator's extract")
        return Context(), INVALID_SPAN_CONTEXT


def extract(carrier: Carrier, headers: Any, *, incoming: Incoming = "continue") -> Context:
    """The context that a message carries, and nothing of the current one. Never raises.

    A ``tracestate`` of more than 512 characters, a ``baggage`` of more than 8192 or of more than 180 members, and a
    malformed field count as missing. With ``incoming="restart"`` or ``"ignore"`` the context is empty.
    """
    return extract_remote(carrier, headers)[0] if incoming == "continue" else Context()
