"""Logfire as its documentation sets it up for another backend: the variables of OpenTelemetry name the endpoint."""

from __future__ import annotations

import logfire
from opentelemetry import trace

logfire.configure(send_to_logfire=False, console=False, metrics=False, service_name="fire")


def work() -> None:
    with logfire.span("outer {number}", number=3) as outer:
        logfire.info("hello", password="hunter2")
        with trace.get_tracer("third party").start_as_current_span("inner", attributes={"key": "value"}) as inner:
            inner.add_event("noted", {"where": "inside"})
        outer.set_attribute("nested", {"list": [1, 2]})
    try:
        with logfire.span("fails"):
            raise ValueError("broken")
    except ValueError:
        pass


def finish() -> None:
    logfire.force_flush()
