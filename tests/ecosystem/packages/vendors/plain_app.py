"""An application that knows the API alone: a distribution sets everything else up."""

from __future__ import annotations

from opentelemetry import baggage, context, trace
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

tracer = trace.get_tracer("plain", "1.2", schema_url="https://opentelemetry.io/schemas/1.26.0")


def work() -> None:
    token = context.attach(baggage.set_baggage("user", "u-1"))
    with tracer.start_as_current_span("request", kind=SpanKind.SERVER, attributes={"http.route": "/pay"}) as request:
        with tracer.start_as_current_span(
            "query", kind=SpanKind.CLIENT, attributes={"db.system": "sqlite", "rows": 3}
        ) as query:
            query.add_event("cached", {"hit": True, "ratio": 0.5, "keys": ["a", "b"]})
        try:
            with tracer.start_as_current_span("fails"):
                raise ValueError("broken")
        except ValueError:
            pass
        request.update_name("request renamed")
        request.set_status(Status(StatusCode.OK))
    with tracer.start_as_current_span(
        "job", kind=SpanKind.CONSUMER, links=[Link(request.get_span_context(), {"why": "cause"})]
    ):
        pass
    context.detach(token)


def finish() -> None:
    trace.get_tracer_provider().force_flush()
