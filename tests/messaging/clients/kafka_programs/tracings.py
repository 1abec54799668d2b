"""What traces a client in a program of the tests: nothing, nanospan, nanospan with a fault, contrib, or ddtrace."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from clients import no_change, wrapped
from opentelemetry import propagate, trace
from recording import Recording, recording

__all__ = ["INSTRUMENTORS", "instrument", "set_up"]

INSTRUMENTORS = {
    "confluent": ("confluent_kafka", "ConfluentKafkaInstrumentor"),
    "aiokafka": ("aiokafka", "AIOKafkaInstrumentor"),
    "kafka-python": ("kafka", "KafkaInstrumentor"),
}


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
    def __init__(self, span: Any) -> None:
        self._span = span

    def get_tracer(self, *_: Any, **__: Any) -> Any:
        span = self._span

        class Tracer(trace.NoOpTracer):
            def start_span(self, *_: Any, **__: Any) -> Any:
                return span if span is not None else fail()

        return Tracer()


def instrument(name: str) -> None:
    """Contrib's instrumentation of one client."""
    module, cls = INSTRUMENTORS[name]
    getattr(importlib.import_module(f"opentelemetry.instrumentation.{module}"), cls)().instrument()


def set_up(kind: str, spans: str) -> tuple[Callable[[str], Any], Recording]:
    """The wrappers for a client by its name, and the recording of this process."""
    processor = recording(spans)
    match kind:
        case "none":
            return lambda name: (no_change, no_change), processor
        case "contrib":
            for name in INSTRUMENTORS:
                instrument(name)
            return lambda name: (no_change, no_change), processor
        case "ddtrace":
            from ddtrace import patch

            patch(kafka=True, aiokafka=True)
            return lambda name: (no_change, no_change), processor
        case "broken propagator":
            propagate.set_global_textmap(BrokenPropagator())  # type: ignore[arg-type]
        case "broken tracer":
            return lambda name: wrapped(name, tracer_provider=BrokenTracers(None)), processor
        case "broken span":
            span = BrokenSpan(trace.SpanContext(1, 2, False))
            return lambda name: wrapped(name, tracer_provider=BrokenTracers(span)), processor
        case "broken processor":
            processor.on_end = processor.on_start = fail  # type: ignore[method-assign]
        case "broken wrapper":
            producing = importlib.import_module("nanospan.messaging.kafka._producing")
            consuming = importlib.import_module("nanospan.messaging.kafka._consuming")
            producing.attributes_of_key = consuming._facts = consuming._of_batch = fail  # type: ignore[attr-defined]
    return wrapped, processor
