"""The global provider and the global propagator that were set before `nanospan.install`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from opentelemetry.propagators.composite import CompositePropagator

from nanospan._compat import stock
from nanospan._compat.guarded_import import import_propagate
from nanospan._compat.sdk import composed_propagators, handed_out_tracers
from nanospan._compat.stock import stock_class
from nanospan.ids import RandomIdGenerator
from nanospan.processor import BatchSpanProcessor
from nanospan.propagation import TraceContextTextMapPropagator
from nanospan.trace import TracerProvider

__all__ = ["convert_provider", "replace_propagator"]

propagate = import_propagate()


def convert_provider(provider: Any) -> tuple[Callable[[], None], list[str]]:
    """Make a provider of exactly the SDK's class nanospan's, in place: others hold references to it.

    Its processors, sampler, resource and limits stay. Returns what undoes it, and sentences about what stays stock.
    """
    tracers = handed_out_tracers(provider)
    generator = provider.id_generator
    provider.__class__ = TracerProvider
    if type(generator) is stock.RandomIdGenerator:
        provider.id_generator = RandomIdGenerator()
    stays = []
    if tracers:
        count = len(tracers)
        tracers.clear()  # get_tracer makes native ones from now on
        stays.append(f"{count} tracer{'s' if count > 1 else ''} of the global provider, handed out before")
    for processor in provider._active_span_processor._span_processors:
        if type(processor) is stock_class(BatchSpanProcessor):
            stays.append("a BatchSpanProcessor of the SDK on the global provider, made before")

    def undo() -> None:
        if type(provider) is TracerProvider:
            handed_out_tracers(provider).clear()
            provider.__class__ = stock_class(TracerProvider)
            provider.id_generator = generator

    return undo, stays


def replace_propagator() -> Callable[[], None] | None:
    """Replace the API's W3C propagator inside the global composite propagator by nanospan's; None if it is not there."""
    propagator = propagate.get_global_textmap()
    replaced = stock_class(TraceContextTextMapPropagator)
    if type(propagator) is not CompositePropagator:
        return None
    members = composed_propagators(propagator)
    if all(type(member) is not replaced for member in members):
        return None
    own = [TraceContextTextMapPropagator() if type(member) is replaced else member for member in members]
    native = CompositePropagator(own)
    propagate.set_global_textmap(native)

    def undo() -> None:
        if propagate.get_global_textmap() is native:
            propagate.set_global_textmap(propagator)

    return undo
