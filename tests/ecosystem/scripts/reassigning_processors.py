"""Processors in the manner of several libraries: they assign private fields of the span that on_end gives them."""

from __future__ import annotations

from implementation import CASE, BatchSpanProcessor, TracerProvider, report
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import Event, SpanProcessor
from opentelemetry.trace import Link, SpanContext, Status, StatusCode, TraceFlags


class Reassigning(SpanProcessor):
    """What each library does in ``on_end`` is a method of its own."""

    def on_end(self, span):
        if span.name == "changed":
            getattr(self, CASE)(span)

    def attributes(self, span):
        span._attributes = {key: value for key, value in span._attributes.items() if key != "secret"} | {"added": [1, 2]}

    def bounded(self, span):
        span._attributes = BoundedAttributes(attributes={**span.attributes, "secret": "***"}, immutable=True)

    def unfrozen(self, span):
        span._attributes._immutable = False
        span._attributes["secret"] = "***"
        del span._attributes["kept"]
        span._attributes._immutable = True

    def status(self, span):
        span._status = Status(StatusCode.ERROR, "decided late")

    def events(self, span):
        span._events = [*span.events, Event("late", {"by": "processor"}, 5)]

    def links(self, span):
        span._links = [Link(SpanContext(1, 2, True, TraceFlags(1)), {"to": "elsewhere"})]

    def name(self, span):
        span._name = "named late"

    def parent(self, span):
        span._parent = None

    def times(self, span):
        span._start_time, span._end_time = 1_000, 2_000

    def end_taken_away_for_a_while(self, span):
        end, span._end_time = span._end_time, None
        assert span.end_time is None
        span._end_time = end

    def everything(self, span):
        for change in (self.attributes, self.status, self.events, self.links, self.name, self.times):
            change(span)


seen_after = []


class Watching(SpanProcessor):
    """Comes last: every processor gets the same object."""

    def on_end(self, span):
        seen_after.append([span.name, dict(span.attributes), span.status.status_code.name, span.start_time])


provider = TracerProvider()
provider.add_span_processor(Reassigning())
provider.add_span_processor(BatchSpanProcessor())
provider.add_span_processor(Watching())
tracer = provider.get_tracer("reassigning")
with (
    tracer.start_as_current_span("untouched", attributes={"secret": "hunter2"}),
    tracer.start_as_current_span("changed", attributes={"secret": "hunter2", "kept": "yes"}) as span,
):
    span.add_event("early")
provider.shutdown()
report(provider, seen_after=seen_after)
