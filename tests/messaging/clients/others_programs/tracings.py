"""What traces a client in a program of the tests: nothing, nanospan, nanospan with a fault, contrib, or ddtrace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from clients import no_change, wrapped
from opentelemetry import propagate, trace
from recording import Recording, recording

import nanospan.messaging._clients.nats
import nanospan.messaging.aws.sqs
import nanospan.messaging.redis

__all__ = ["set_up"]


class Broken(Exception):
    pass


def fail(*_: Any, **__: Any) -> Any:
    raise Broken


class BrokenPropagator:
    fields = frozenset({"traceparent"})
    inject = extract = staticmethod(fail)


class BrokenSpan(trace.NonRecordingSpan):
    set_attribute = set_attributes = set_status = record_exception = add_link = end = fail


class BrokenTracers(trace.TracerProvider):
    def __init__(self, span: Any) -> None:
        self._span = span

    def get_tracer(self, *_: Any, **__: Any) -> Any:
        span = self._span

        class Tracer(trace.NoOpTracer):
            def start_span(self, *_: Any, **__: Any) -> Any:
                return span if span is not None else fail()

        return Tracer()


def break_wrappers() -> None:
    for module, names in {
        nanospan.messaging._clients.nats: ("_facts_of_batch", "_id_of", "_size", "_source_of"),
        nanospan.messaging.redis: ("_of_batch", "_streams", "_is_entry"),
        nanospan.messaging.aws.sqs: ("_facts_of_batch", "_asking", "_as_answered"),
    }.items():
        for name in names:
            assert hasattr(module, name), name
            setattr(module, name, fail)


def set_up(kind: str, spans: str) -> tuple[Callable[[str], Any], Recording]:
    """The wrapper for a client by its name, and the recording of this process."""
    processor = recording(spans)
    match kind:
        case "none":
            return lambda name: no_change, processor
        case "contrib":
            from opentelemetry.instrumentation.boto3sqs import Boto3SQSInstrumentor
            from opentelemetry.instrumentation.redis import RedisInstrumentor

            Boto3SQSInstrumentor().instrument()
            RedisInstrumentor().instrument()
            return lambda name: no_change, processor
        case "ddtrace":
            from ddtrace import patch

            patch(redis=True, botocore=True)
            return lambda name: no_change, processor
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
            break_wrappers()
    return wrapped, processor
