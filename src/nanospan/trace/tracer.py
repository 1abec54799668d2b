"""`Tracer`: the SDK's class of that name, native inside."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry import trace as api
from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, SamplingResult
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags
from opentelemetry.util.types import Attributes

from nanospan._common.log import log_callback_error
from nanospan._compat import stock
from nanospan._compat.sdk import TRACER_FIELDS, end_metrics_argument, trace_id_is_random
from nanospan._native import trace as native
from nanospan._native.sampling import sample_span
from nanospan.ids import RandomIdGenerator
from nanospan.sampling._sdk import native_sampler
from nanospan.trace.span import NonRecordingSpan, Span

__all__ = ["Tracer"]

RANDOM_TRACE_ID = 0x02
"""The flag of W3C Trace Context level 2, which the API has a name for from 1.42 on."""


class Tracer(native.NativeTracer, stock.TracerBase):
    """Starts spans. `nanospan.TracerProvider.get_tracer` creates it; an ``opentelemetry.sdk.trace.Tracer`` in every respect.

    ``sampler``, ``resource``, ``span_processor`` and ``id_generator`` may be assigned; the next span uses them.
    """

    start_span = native.start_span
    start_as_current_span = native.start_as_current_span

    def __repr__(self) -> str:
        scope = self._instrumentation_scope
        return f"<nanospan.Tracer {scope.name!r}{f' {scope.version}' if scope.version else ''}>"

    def __copy__(self) -> Tracer:
        copied = type(self).__new__(type(self))
        for name in TRACER_FIELDS:
            setattr(copied, name, getattr(self, name))
        for name, value in vars(self).items():
            setattr(copied, name, value)
        return copied


def _start_span_in_python(
    tracer: stock.Tracer,
    name: str,
    context: Context | None,
    kind: SpanKind,
    attributes: Attributes,
    links: Sequence[Link] | None,
    start_time: int | None,
    record_exception: bool,
    set_status_on_exception: bool,
) -> api.Span:
    """`start_span` for the cases that native code leaves: a foreign id generator, parent or tracer proxy."""
    links = links or ()
    current = api.get_current_span(context).get_span_context()
    if current is not None and not isinstance(current, SpanContext):
        raise TypeError("parent_span_context must be a SpanContext or None.")
    if not tracer._is_enabled():
        return api.NonRecordingSpan(current)
    parent = current if current is not None and current.is_valid else None
    trace_id = tracer.id_generator.generate_trace_id() if parent is None else parent.trace_id

    if parent is None:
        trace_id_random = trace_id_is_random(tracer.id_generator)
    else:
        trace_id_random = bool(parent.trace_flags & RANDOM_TRACE_ID)
    scope_name = getattr(tracer._instrumentation_scope, "name", None)
    try:
        result = sample_span(
            tracer.sampler,
            context,
            trace_id,
            name,
            kind,
            attributes,
            links,
            trace_id_random=trace_id_random,
            scope_name=scope_name,
        )
    except Exception:
        log_callback_error(tracer.sampler, "should_sample")
        result = SamplingResult(Decision.DROP)
    flags = TraceFlags.SAMPLED if result.decision.is_sampled() else TraceFlags.DEFAULT
    if trace_id_random:
        flags |= RANDOM_TRACE_ID
    own = SpanContext(
        trace_id,
        tracer.id_generator.generate_span_id(),
        is_remote=False,
        trace_flags=TraceFlags(flags),
        trace_state=result.trace_state,
    )
    record_end = tracer._tracer_metrics.start_span(parent, result.decision)
    if not result.decision.is_recording():
        return NonRecordingSpan(own)
    span = Span(
        name=name,
        context=own,
        parent=parent,
        sampler=tracer.sampler,
        resource=tracer.resource,
        attributes=result.attributes,
        span_processor=tracer.span_processor,
        kind=kind,
        links=links,
        instrumentation_info=tracer.instrumentation_info,
        record_exception=record_exception,
        set_status_on_exception=set_status_on_exception,
        limits=tracer._span_limits,
        instrumentation_scope=tracer._instrumentation_scope,
        **end_metrics_argument(record_end),
    )
    span.start(start_time=start_time, parent_context=context)
    return span


def _decorate(activation: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap ``function`` so that each call has its own span. The span of a coroutine function ends with the coroutine."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def in_span_async(*args: Any, **kwargs: Any) -> Any:
            with activation._recreate_cm():
                return await function(*args, **kwargs)

        return in_span_async

    @functools.wraps(function)
    def in_span(*args: Any, **kwargs: Any) -> Any:
        with activation._recreate_cm():
            return function(*args, **kwargs)

    return in_span


contextlib.AbstractContextManager.register(native.SpanActivation)
native.bind(
    tracer=Tracer,
    span=Span,
    non_recording_span=NonRecordingSpan,
    id_generator=RandomIdGenerator,
    native=native_sampler,
    general_start=_start_span_in_python,
    decorator=_decorate,
)
