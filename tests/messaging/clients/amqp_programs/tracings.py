"""What traces a client in a program of the tests: nothing, nanospan, nanospan with a fault, contrib, or ddtrace."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from recording import Recording, recording

__all__ = ["MODULES", "Wrap", "set_up"]

Wrap = Callable[[Any], Any]

MODULES = {"pika": "nanospan.messaging.amqp.pika", "aio-pika": "nanospan.messaging.amqp.aio_pika"}


class Broken(Exception):
    pass


def fail(*_: Any, **__: Any) -> Any:
    raise Broken


class BrokenPropagator:
    fields = frozenset({"traceparent"})
    inject = extract = staticmethod(fail)


class BrokenSpan(trace.NonRecordingSpan):
    set_attribute = set_attributes = set_status = record_exception = end = fail


class BrokenTracers(trace.TracerProvider):
    def __init__(self, span: Any = None) -> None:
        self._span = span

    def get_tracer(self, *_: Any, **__: Any) -> Any:
        span = self._span

        class Tracer(trace.NoOpTracer):
            def start_span(self, *_: Any, **__: Any) -> Any:
                return span if span is not None else fail()

        return Tracer()


def untouched(channel: Any) -> Any:
    return channel


def set_up(kind: str, spans: str) -> tuple[dict[str, Wrap], Recording]:
    """The wrapper of channels for each client, and the recording of this process."""
    processor = recording(spans)
    options: dict[str, Any] = {}
    match kind:
        case "none" | "ddtrace":
            return dict.fromkeys(MODULES, untouched), processor
        case "contrib":
            propagate.set_global_textmap(TraceContextTextMapPropagator())  # the SDK's: nothing of nanospan takes part
            for module, cls in (("pika", "PikaInstrumentor"), ("aio_pika", "AioPikaInstrumentor")):
                getattr(importlib.import_module(f"opentelemetry.instrumentation.{module}"), cls)().instrument()
            return dict.fromkeys(MODULES, untouched), processor
        case "broken propagator":
            propagate.set_global_textmap(BrokenPropagator())  # type: ignore[arg-type]
        case "broken tracer":
            options = {"tracer_provider": BrokenTracers()}
        case "broken span":
            options = {"tracer_provider": BrokenTracers(BrokenSpan(trace.SpanContext(1, 2, False)))}
        case "broken processor":
            processor.on_end = processor.on_start = fail  # type: ignore[method-assign]
        case "broken wrapper":
            tracing = importlib.import_module("nanospan.messaging.amqp._tracing")
            tracing.destination_of = tracing._facts = tracing._link_attributes = fail  # type: ignore[attr-defined]
            for name in ("pika", "_aio_pika_messages"):
                importlib.import_module(f"nanospan.messaging.amqp.{name}").copy = None  # type: ignore[attr-defined]
    wraps = {
        name: partial(importlib.import_module(module).wrap_channel, settle=True, **options)
        for name, module in MODULES.items()
    }
    return wraps, processor
