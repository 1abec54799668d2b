"""Spans to end and accounts to check, for the tests of the processor."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, TraceFlags

WAIT = 60.0
"""Seconds for conditions that hold at once unless something is broken."""

_RESOURCE = Resource({"service.name": "accounting"})
_SCOPE = InstrumentationScope("accounting", "1.0")
_numbers = count(1)
_numbers_lock = threading.Lock()


def clear_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the machine decides a test, and no proxy stands between it and its receiver."""
    for name in list(os.environ):
        if name.startswith("OTEL_") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline, f"still not so: {what}"
        time.sleep(0.005)


def given_time(seconds: float, check: Callable[[float], None]) -> None:
    """Call ``check`` with a timeout of ``seconds``, and while it fails with longer ones, up to `WAIT`.

    What a slow machine has no time for in one, it has in another; a fault stays.
    """
    while seconds < WAIT:
        try:
            check(seconds)
        except AssertionError:
            seconds *= 5
        else:
            return
    check(WAIT)


def ended_span(name: Any = "span", *, sampled: bool = True, **fields: Any) -> ReadableSpan:
    """A span as processors get it in ``on_end``, with an id of its own."""
    with _numbers_lock:  # without the interpreter's, two threads may get the same number of a count
        number = next(_numbers)
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    fields.setdefault("context", SpanContext(number << 64 | 1, number, is_remote=False, trace_flags=flags))
    fields.setdefault("resource", _RESOURCE)
    fields.setdefault("instrumentation_scope", _SCOPE)
    fields.setdefault("kind", SpanKind.INTERNAL)
    fields.setdefault("status", Status())
    fields.setdefault("start_time", 1_700_000_000_000_000_000)
    fields.setdefault("end_time", 1_700_000_000_000_001_000)
    return ReadableSpan(name=name, **fields)


def check_balance(stats: dict[str, Any]) -> None:
    """The identity of the accounting, and that nothing in it is negative."""
    parts = (stats["queued"], stats["held"], stats["exported"], stats["rejected"], stats["sampled_out"])
    assert stats["ended"] == sum(parts) + sum(stats["dropped"].values()), stats
    assert min(*parts, *stats["dropped"].values()) >= 0, stats


def lost(stats: dict[str, Any]) -> dict[str, int]:
    """The reasons for which spans were dropped, with their counts."""
    return {reason: spans for reason, spans in stats["dropped"].items() if spans}


def spans_in(bodies: Iterable[bytes]) -> Iterator[Any]:
    """The protobuf spans in some requests."""
    for body in bodies:
        for resource_spans in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope_spans in resource_spans.scope_spans:
                yield from scope_spans.spans
